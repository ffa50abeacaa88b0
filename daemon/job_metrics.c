/* SPDX-License-Identifier: Apache-2.0 */
#include "job_metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define BUCKET_LIMIT 17
#define SERIES_LIMIT 128 /* names of models come from outside; the last series takes what has no place */
#define VALUE_LIMIT ((int64_t)1 << 40)
#define OTHER "other"

/* Bounds of buckets: first, first * ratio, ... */
typedef struct scale {
  int64_t first, ratio;
  size_t count;
} scale;

static const scale tokens_scale = {1, 4, 14};
static const scale calls_scale = {1, 2, 8};
/* Milliseconds. The conventions end at 81.92 s; jobs take longer. */
static const scale duration_scale = {10, 2, BUCKET_LIMIT};

typedef struct histogram {
  uint64_t buckets[BUCKET_LIMIT]; /* of each alone, as opposed to what is written */
  uint64_t count, sum;
} histogram;

static const char *const states[] = {"completed", "failed", "blocked", "not-ready", "cancelled"};
#define STATES (sizeof states / sizeof states[0])

typedef struct series {
  char provider[64], model[256];
  histogram input, output, turns, tool_calls;
  histogram duration[STATES];
  uint64_t cached_tokens, failed_tool_calls;
} series;

struct job_metrics {
  pthread_mutex_t lock;
  size_t count;
  series all[SERIES_LIMIT];
};

job_metrics *job_metrics_new(void) {
  job_metrics *self = calloc(1, sizeof *self);
  if (self != NULL) {
    pthread_mutex_init(&self->lock, NULL);
  }
  return self;
}

void job_metrics_free(job_metrics *self) {
  if (self != NULL) {
    pthread_mutex_destroy(&self->lock);
    free(self);
  }
}

/* ---- Counting ---- */

static uint64_t number(const mloom_json *json, const char *name) {
  int64_t value = mloom_json_member_integer(json, name, 0);
  return (uint64_t)(value < 0 ? 0 : value > VALUE_LIMIT ? VALUE_LIMIT : value);
}

static void observe(histogram *self, const scale *by, uint64_t value) {
  uint64_t bound = (uint64_t)by->first;
  self->count++;
  self->sum += value;
  for (size_t i = 0; i < by->count; i++, bound *= (uint64_t)by->ratio) {
    if (value <= bound) {
      self->buckets[i]++;
      return;
    }
  }
}

static series *find_series(job_metrics *self, const char *provider, const char *model) {
  if (strlen(provider) >= sizeof self->all[0].provider || strlen(model) >= sizeof self->all[0].model) {
    provider = model = OTHER;
  }
  for (size_t i = 0; i < self->count; i++) {
    if (strcmp(self->all[i].provider, provider) == 0 && strcmp(self->all[i].model, model) == 0) {
      return &self->all[i];
    }
  }
  if (self->count == SERIES_LIMIT) {
    return &self->all[SERIES_LIMIT - 1];
  }
  series *found = &self->all[self->count++];
  if (self->count == SERIES_LIMIT) {
    provider = model = OTHER;
  }
  memcpy(found->provider, provider, strlen(provider) + 1);
  memcpy(found->model, model, strlen(model) + 1);
  return found;
}

static void count(series *found, size_t state, const mloom_json *result) {
  const mloom_json *usage = mloom_json_member(result, "usage");
  const uint64_t input = number(usage, "input_tokens"), output = number(usage, "output_tokens");
  if (input + output > 0) { /* else the provider does not tell */
    observe(&found->input, &tokens_scale, input);
    observe(&found->output, &tokens_scale, output);
  }
  observe(&found->turns, &calls_scale, number(result, "turns"));
  observe(&found->tool_calls, &calls_scale, number(result, "tool_calls"));
  observe(&found->duration[state], &duration_scale, number(mloom_json_member(result, "timings"), "duration_ms"));
  found->cached_tokens += number(usage, "cached_input_tokens");
  found->failed_tool_calls += number(result, "failed_tool_calls");
}

void job_metrics_note(job_metrics *self, const char *state, const char *result) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = NULL;
  size_t which = 0;
  while (which < STATES && strcmp(states[which], state) != 0) {
    which++;
  }
  if (which == STATES || mloom_json_parse(&document, result, strlen(result), "the result", NULL) != MLOOM_OK) {
    return;
  }
  const char *provider = mloom_json_member_string(document, "provider", "");
  if (provider[0] == '\0') {
    return;
  }
  pthread_mutex_lock(&self->lock);
  count(find_series(self, provider, mloom_json_member_string(document, "model", "")), which, document);
  pthread_mutex_unlock(&self->lock);
}

/* ---- Writing ---- */

static void write_value(mloom_buffer *out, const char *text) {
  for (; *text != '\0'; text++) {
    if (*text == '\n') {
      mloom_buffer_append_string(out, "\\n");
      continue;
    }
    mloom_buffer_append(out, "\\", *text == '"' || *text == '\\');
    mloom_buffer_append(out, text, 1);
  }
}

/* more: further labels, each begun by a comma. */
static void write_labels(mloom_buffer *out, const char *name, const char *suffix, const series *of, const char *more) {
  mloom_buffer_append_format(out, "%s%s{gen_ai_operation_name=\"invoke_agent\",gen_ai_provider_name=\"", name, suffix);
  write_value(out, of->provider);
  mloom_buffer_append_string(out, "\",gen_ai_request_model=\"");
  write_value(out, of->model);
  mloom_buffer_append_format(out, "\"%s", more);
}

static void write_histogram(mloom_buffer *out, const char *name, const series *of, const char *more,
                            const histogram *what, const scale *by) {
  const int is_duration = by == &duration_scale;
  int64_t bound = by->first;
  uint64_t below = 0;
  if (what->count == 0) {
    return;
  }
  for (size_t i = 0; i < by->count; i++, bound *= by->ratio) {
    below += what->buckets[i];
    write_labels(out, name, "_bucket", of, more);
    if (is_duration) {
      mloom_buffer_append_format(out, ",le=\"%" PRId64 ".%02" PRId64 "\"} ", bound / 1000, bound % 1000 / 10);
    } else {
      mloom_buffer_append_format(out, ",le=\"%" PRId64 ".0\"} ", bound);
    }
    mloom_buffer_append_format(out, "%" PRIu64 "\n", below);
  }
  write_labels(out, name, "_bucket", of, more);
  mloom_buffer_append_format(out, ",le=\"+Inf\"} %" PRIu64 "\n", what->count);
  write_labels(out, name, "_count", of, more);
  mloom_buffer_append_format(out, "} %" PRIu64 "\n", what->count);
  write_labels(out, name, "_sum", of, more);
  mloom_buffer_append_format(out, is_duration ? "} %" PRIu64 ".%03" PRIu64 "\n" : "} %" PRIu64 "\n",
                             is_duration ? what->sum / 1000 : what->sum, what->sum % 1000);
}

static void write_head(mloom_buffer *out, const char *name, const char *type, const char *help) {
  mloom_buffer_append_format(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

static void write_tokens(const job_metrics *self, mloom_buffer *out) {
  static const char name[] = "gen_ai_client_token_usage";
  write_head(out, name, "histogram", "Tokens of a job.");
  for (size_t i = 0; i < self->count; i++) {
    const series *of = &self->all[i];
    write_histogram(out, name, of, ",gen_ai_token_type=\"input\"", &of->input, &tokens_scale);
    write_histogram(out, name, of, ",gen_ai_token_type=\"output\"", &of->output, &tokens_scale);
  }
}

static void write_durations(const job_metrics *self, mloom_buffer *out) {
  static const char name[] = "gen_ai_client_operation_duration_seconds";
  write_head(out, name, "histogram", "Duration of a job; error_type is how it ended unless it was completed.");
  mloom_buffer_append_format(out, "# UNIT %s seconds\n", name);
  for (size_t i = 0; i < self->count; i++) {
    for (size_t state = 0; state < STATES; state++) {
      MLOOM_AUTO(mloom_buffer_free) mloom_buffer label = MLOOM_BUFFER_INIT;
      if (state > 0) {
        mloom_buffer_append_format(&label, ",error_type=\"%s\"", states[state]);
      }
      write_histogram(out, name, &self->all[i], mloom_buffer_string(&label), &self->all[i].duration[state],
                      &duration_scale);
    }
  }
}

static void write_calls(const job_metrics *self, mloom_buffer *out, const char *name, const char *help, size_t offset) {
  write_head(out, name, "histogram", help);
  for (size_t i = 0; i < self->count; i++) {
    const histogram *what = (const histogram *)(const void *)((const char *)&self->all[i] + offset);
    write_histogram(out, name, &self->all[i], "", what, &calls_scale);
  }
}

static void write_counter(const job_metrics *self, mloom_buffer *out, const char *name, const char *help,
                          size_t offset) {
  write_head(out, name, "counter", help);
  for (size_t i = 0; i < self->count; i++) {
    uint64_t value = 0;
    memcpy(&value, (const char *)&self->all[i] + offset, sizeof value);
    write_labels(out, name, "_total", &self->all[i], "");
    mloom_buffer_append_format(out, "} %" PRIu64 "\n", value);
  }
}

void job_metrics_write(job_metrics *self, mloom_buffer *out) {
  pthread_mutex_lock(&self->lock);
  write_tokens(self, out);
  write_durations(self, out);
  write_calls(self, out, "gen_ai_invoke_agent_inference_calls", "Turns of a job.", offsetof(series, turns));
  write_calls(self, out, "gen_ai_invoke_agent_tool_calls", "Tool calls of a job.", offsetof(series, tool_calls));
  write_counter(self, out, "mergeloom_cached_input_tokens", "Input tokens that came from the provider's cache.",
                offsetof(series, cached_tokens));
  write_counter(self, out, "mergeloom_failed_tool_calls", "Tool calls that failed.",
                offsetof(series, failed_tool_calls));
  pthread_mutex_unlock(&self->lock);
}
