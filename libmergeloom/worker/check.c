/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "readiness/checks.h"
#include "worker/context.h"

#define DEFAULT_SWEEP_MS 120000

struct mloom_check_report {
  size_t count;
  char **providers;
  uint32_t *states;
  char *json;
};

/* What all threads of one sweep share. */
typedef struct sweep {
  mloom_context *context;
  const mloom_check_options *options;
  mloom_call call;
  pthread_mutex_t callback_lock;
} sweep;

typedef struct sweep_item {
  sweep *sweep;
  size_t provider; /* of the registry */
  pthread_t thread;
  int started;
  uint32_t state;
  mloom_json *checks;
  int64_t duration_ms;
  int32_t code;
  mloom_error error;
} sweep_item;

static void forward_check(const char *provider, const char *check, uint32_t state, const char *reason,
                          const char *remedy, int64_t duration_ms, void *userdata) {
  sweep *shared = userdata;
  if (shared->options->check == NULL) {
    return;
  }
  pthread_mutex_lock(&shared->callback_lock);
  shared->options->check(provider, check, state, reason, remedy, duration_ms, shared->options->userdata);
  pthread_mutex_unlock(&shared->callback_lock);
}

static void forward_model(const char *provider, const char *id, const char *title, uint64_t context_tokens,
                          void *userdata) {
  sweep *shared = userdata;
  if (shared->options->model_listed == NULL) {
    return;
  }
  pthread_mutex_lock(&shared->callback_lock);
  shared->options->model_listed(provider, id, title, context_tokens, shared->options->userdata);
  pthread_mutex_unlock(&shared->callback_lock);
}

static void forward_event(const char *provider, const mloom_job_event *event, void *userdata) {
  sweep *shared = userdata;
  if (shared->options->event == NULL) {
    return;
  }
  pthread_mutex_lock(&shared->callback_lock);
  shared->options->event(provider, event, shared->options->userdata);
  pthread_mutex_unlock(&shared->callback_lock);
}

static const char *item_model(const sweep_item *item) {
  const sweep *shared = item->sweep;
  return shared->options->model != NULL
             ? shared->options->model
             : mloom_settings_string(shared->context->provider_settings[item->provider], "model", NULL);
}

static void *run_item(void *userdata) {
  sweep_item *item = userdata;
  sweep *shared = item->sweep;
  mloom_context *context = shared->context;
  const mloom_clock *clock = shared->call.clock;
  mloom_readiness_args args = {
      .entry = mloom_registry_provider_at(context->registry, item->provider),
      .settings = context->provider_settings[item->provider],
      .services = &context->provider_services,
      .rules = &context->rules,
      .model = shared->options->model,
      .without_self_test = (shared->options->flags & MLOOM_CHECK_WITHOUT_SELF_TEST) != 0,
      .call = &shared->call,
      .check = forward_check,
      .model_listed = forward_model,
      .event = forward_event,
      .userdata = shared,
  };
  int64_t begin_ms = clock->monotonic_ms(clock);
  item->code = mloom_readiness_run(&args, &item->state, &item->checks, &item->error);
  item->duration_ms = clock->monotonic_ms(clock) - begin_ms;
  if (item->code == MLOOM_OK && !args.without_self_test) {
    mloom_readiness_cache_note(context->readiness_cache, args.entry->descriptor.id, item_model(item), args.settings,
                               item->state == MLOOM_STATE_READY);
  }
  return NULL;
}

/* All at once; a thread that cannot be had runs here, after the others have started. */
static void run_items(sweep_item *items, size_t count) {
  for (size_t i = 1; i < count; i++) {
    items[i].started = pthread_create(&items[i].thread, NULL, run_item, &items[i]) == 0;
  }
  for (size_t i = 0; i < count; i++) {
    if (!items[i].started) {
      run_item(&items[i]);
    }
  }
  for (size_t i = 0; i < count; i++) {
    if (items[i].started) {
      pthread_join(items[i].thread, NULL);
    }
  }
}

static mloom_json *describe_item(sweep_item *item) {
  const mloom_provider *provider =
      &mloom_registry_provider_at(item->sweep->context->registry, item->provider)->descriptor;
  mloom_json *json = mloom_json_new_object();
  mloom_json_set_string(json, "id", provider->id);
  mloom_json_set_string(json, "title", provider->title != NULL ? provider->title : provider->id);
  mloom_json_set_string(json, "model", item_model(item));
  mloom_json_set_string(json, "state", mloom_state_name(item->state));
  mloom_json_set_integer(json, "duration_ms", item->duration_ms);
  mloom_json_set(json, "checks", MLOOM_STEAL(item->checks));
  return json;
}

static int32_t write_report(mloom_check_report *report, sweep *shared, sweep_item *items, size_t count,
                            int64_t begin_ms, mloom_error *error) {
  const mloom_clock *clock = shared->call.clock;
  char checked_at[32];
  mloom_clock_format(clock->wall_ms(clock), checked_at);
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = mloom_json_new_object();
  mloom_json *providers = mloom_json_new_array();
  for (size_t i = 0; i < count; i++) {
    report->states[i] = items[i].state;
    report->providers[i] = mloom_text_dup(
        mloom_text_bytes(mloom_registry_provider_at(shared->context->registry, items[i].provider)->descriptor.id));
    if (report->providers[i] == NULL) {
      mloom_json_unref(providers);
      return mloom_error_memory(error);
    }
    mloom_json_add(providers, describe_item(&items[i]));
  }
  mloom_json_set_string(document, "schema", "mergeloom.check.v1");
  mloom_json_set_string(document, "checked_at", checked_at);
  mloom_json_set_integer(document, "duration_ms", clock->monotonic_ms(clock) - begin_ms);
  mloom_json_set(document, "providers", providers);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_json_serialize(&text, document, 0) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  report->json = mloom_buffer_take(&text);
  return report->json == NULL ? mloom_error_memory(error) : MLOOM_OK;
}

static mloom_check_report *report_new(size_t count) {
  mloom_check_report *report = calloc(1, sizeof(*report));
  if (report == NULL) {
    return NULL;
  }
  report->count = count;
  report->providers = calloc(count + 1, sizeof(*report->providers));
  report->states = calloc(count + 1, sizeof(*report->states));
  if (report->providers == NULL || report->states == NULL) {
    mloom_check_report_free(report);
    return NULL;
  }
  return report;
}

/* Runs the sweep over count providers of the registry. */
static int32_t sweep_providers(mloom_check_report **out, sweep *shared, const size_t *providers, size_t count,
                               mloom_error *error) {
  int64_t begin_ms = shared->call.clock->monotonic_ms(shared->call.clock);
  mloom_check_report *report = report_new(count);
  sweep_item *items = calloc(count + 1, sizeof(*items));
  int32_t code = report == NULL || items == NULL ? mloom_error_memory(error) : MLOOM_OK;
  if (code == MLOOM_OK) {
    for (size_t i = 0; i < count; i++) {
      items[i].sweep = shared;
      items[i].provider = providers[i];
      items[i].error.size = sizeof(items[i].error);
    }
    run_items(items, count);
    for (size_t i = 0; i < count && code == MLOOM_OK; i++) {
      code = items[i].code;
      if (code != MLOOM_OK) {
        mloom_error_copy(error, &items[i].error);
      }
    }
  }
  if (code == MLOOM_OK) {
    code = write_report(report, shared, items, count, begin_ms, error);
  }
  for (size_t i = 0; items != NULL && i < count; i++) {
    mloom_json_unref(items[i].checks);
  }
  free(items);
  if (code != MLOOM_OK) {
    mloom_check_report_free(report);
    return code;
  }
  *out = report;
  return MLOOM_OK;
}

/* Fills out, which has room for all, with the providers asked for, each once. */
static int32_t choose(mloom_context *context, const char *const *names, size_t *out, size_t *count,
                      mloom_error *error) {
  *count = 0;
  for (size_t i = 0; names != NULL && names[i] != NULL; i++) {
    long index = mloom_context_find_provider(context, names[i]);
    if (index < 0) {
      return mloom_context_unknown_provider(context, names[i], error);
    }
    size_t known = 0;
    while (known < *count && out[known] != (size_t)index) {
      known++;
    }
    out[known] = (size_t)index;
    *count += known == *count;
  }
  for (size_t i = 0; names == NULL && i < mloom_registry_provider_count(context->registry); i++) {
    out[(*count)++] = i;
  }
  return MLOOM_OK;
}

int32_t mloom_check(mloom_check_report **out, mloom_context *context, const char *provider,
                    const mloom_check_options *options, mloom_error *error) {
  mloom_check_options known = {0};
  if (options != NULL) {
    memcpy(&known, options, options->size < sizeof(known) ? options->size : sizeof(known));
  }
  const char *const one[] = {provider, NULL};
  size_t count = 0;
  MLOOM_AUTO(mloom_auto_free)
  size_t *chosen = calloc(mloom_registry_provider_count(context->registry) + 1, sizeof(*chosen));
  int32_t code = chosen == NULL ? mloom_error_memory(error)
                                : choose(context, provider != NULL ? one : known.providers, chosen, &count, error);
  if (code != MLOOM_OK) {
    return code;
  }
  const mloom_clock *clock = mloom_clock_system();
  int64_t timeout_ms = known.timeout_ms > 0 ? known.timeout_ms : DEFAULT_SWEEP_MS;
  int64_t now_ms = clock->monotonic_ms(clock);
  sweep shared = {.context = context, .options = &known};
  mloom_call_init(&shared.call, known.cancel, clock, &context->log,
                  timeout_ms < INT64_MAX - now_ms ? now_ms + timeout_ms : INT64_MAX);
  if (pthread_mutex_init(&shared.callback_lock, NULL) != 0) {
    return mloom_error_memory(error);
  }
  code = sweep_providers(out, &shared, chosen, count, error);
  pthread_mutex_destroy(&shared.callback_lock);
  if (code != MLOOM_OK) {
    mloom_redactor_apply_error(context->redactor, error);
  }
  return code;
}

void mloom_check_report_free(mloom_check_report *report) {
  if (report == NULL) {
    return;
  }
  for (size_t i = 0; report->providers != NULL && i < report->count; i++) {
    free(report->providers[i]);
  }
  free(report->providers);
  free(report->states);
  free(report->json);
  free(report);
}

size_t mloom_check_report_count(const mloom_check_report *report) {
  return report->count;
}

const char *mloom_check_report_provider(const mloom_check_report *report, size_t index) {
  return index < report->count ? report->providers[index] : NULL;
}

uint32_t mloom_check_report_state(const mloom_check_report *report, size_t index) {
  return index < report->count ? report->states[index] : MLOOM_STATE_NOT_READY;
}

const char *mloom_check_report_json(const mloom_check_report *report) {
  return report->json;
}
