/* SPDX-License-Identifier: Apache-2.0 */
#include "pending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"

#define SHOWN 8
#define SILENT_HEARTBEATS 4

typedef struct waiting {
  const char *provider;
  char listed[80]; /* ",provider," */
  int64_t silent_ms;
  mloom_buffer ready;
  mloom_buffer others;
  size_t ready_count;
  size_t other_count;
} waiting;

static void waiting_free(waiting *self) {
  mloom_buffer_free(&self->ready);
  mloom_buffer_free(&self->others);
}

static void add_executor(const fleet_member *member, void *userdata) {
  waiting *self = userdata;
  const mloom_clock *clock = mloom_clock_system();
  int silent = clock->wall_ms(clock) - member->seen_ms > self->silent_ms;
  if (!silent && strstr(member->ready, self->listed) != NULL) {
    if (self->ready_count++ < SHOWN) {
      mloom_buffer_append_format(&self->ready, "%s%s", self->ready.size == 0 ? "" : ", ", member->name);
    }
    return;
  }
  if (self->other_count++ >= SHOWN) {
    return;
  }
  mloom_buffer_append_format(&self->others, "; %s: ", member->name);
  if (silent) {
    char seen[32];
    mloom_clock_format(member->seen_ms, seen);
    mloom_buffer_append_format(&self->others, "not heard of since %s", seen);
  } else {
    const char *otherwise = member->obstacles == NULL ? "it is not ready" : "its plugin is not loaded";
    const char *obstacle = mloom_json_member_string(member->obstacles, self->provider, NULL);
    const char *left_alone = mloom_json_member_string(member->obstacles, "", NULL);
    mloom_buffer_append_string(&self->others, obstacle == NULL ? otherwise : obstacle);
    if (obstacle == NULL && left_alone != NULL) {
      mloom_buffer_append_format(&self->others, " (%s)", left_alone);
    }
  }
}

/* This daemon, when it runs jobs itself. */
static void add_own(application *app, waiting *self) {
  MLOOM_AUTO(mloom_auto_free) char *ready = catalogue_ready_list(app->catalogue);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *obstacles = catalogue_obstacles(app->catalogue);
  const mloom_clock *clock = mloom_clock_system();
  const fleet_member own = {app->deployment.name, ready == NULL ? "" : ready, clock->wall_ms(clock), obstacles};
  add_executor(&own, self);
}

static void say(const waiting *self, mloom_buffer *out) {
  int found = self->ready_count > 0;
  size_t count = found ? self->ready_count : self->other_count;
  if (found) {
    mloom_buffer_append_format(out, "waiting for a free slot; %s is ready on %s", self->provider,
                               mloom_buffer_string(&self->ready));
  } else {
    mloom_buffer_append_format(out, "waiting for an executor on which %s is ready%s", self->provider,
                               count == 0 ? "; there is no executor yet: start one"
                                          : mloom_buffer_string(&self->others));
  }
  if (count > SHOWN) {
    mloom_buffer_append_format(out, "%s %zu more", found ? " and" : "; and", count - SHOWN);
  }
}

/* Why jobs of that provider wait. */
static void explain(application *app, const char *provider, mloom_buffer *out) {
  MLOOM_AUTO(waiting_free) waiting found = {.provider = provider};
  snprintf(found.listed, sizeof found.listed, ",%s,", provider);
  found.silent_ms =
      mloom_settings_integer(app->deployment.settings, "heartbeat_seconds", 15) * 1000 * SILENT_HEARTBEATS;
  if (deployment_takes_jobs(&app->deployment)) {
    add_own(app, &found);
  }
  if (app->fleet != NULL) {
    fleet_each(app->fleet, add_executor, &found);
  }
  say(&found, out);
}

char *pending_reason(application *app, mloom_json *waits, const store_job *job) {
  mloom_buffer out = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&out, job->reason);
  if (strcmp(job->state, "pending") == 0) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer why = MLOOM_BUFFER_INIT;
    const char *known = mloom_json_member_string(waits, job->provider, NULL);
    if (known == NULL) {
      explain(app, job->provider, &why);
      known = mloom_buffer_string(&why);
      if (waits != NULL) {
        mloom_json_set_string(waits, job->provider, known);
      }
    }
    mloom_buffer_append_format(&out, "%s%s", out.size == 0 ? "" : "; ", known);
  }
  return mloom_buffer_take(&out);
}
