/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole job: resolve, gate on readiness, run, record.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "job/document.h"
#include "readiness/checks.h"
#include "resolver/resolver.h"
#include "worker/context.h"

/* How long the gate may take: a slow model on a small machine needs minutes for a self-test. */
#define GATE_TIMEOUT_MS 300000

typedef struct job_run {
  mloom_context *context;
  mloom_job_options options;
  mloom_job_listener listener;
  mloom_job *job;
  mloom_resolution *resolution;
  mloom_json *checks;
  long provider; /* index of the registry */
  const char *model;
  int64_t begin_ms;
  mloom_call call;
  mloom_error failure; /* of the first check that failed */
} job_run;

static void emit(const job_run *run, uint32_t kind, uint32_t state, const char *name, const char *text,
                 int64_t duration_ms) {
  mloom_job_emit(&run->listener, run->context->redactor, kind, state, name, text, duration_ms);
}

/* What running the job takes, but for the provider. */
static mloom_job_run_args run_args(const job_run *run) {
  return (mloom_job_run_args){.job = run->job,
                              .model = run->model,
                              .rules = &run->context->rules,
                              .listener = &run->listener,
                              .redactor = run->context->redactor,
                              .resolution = mloom_resolution_tree(run->resolution),
                              .checks = run->checks,
                              .call = &run->call};
}

static int32_t refuse(job_run *run, mloom_result **out, uint32_t state, const mloom_error *reason, mloom_error *error) {
  const mloom_job_run_args args = run_args(run);
  return mloom_result_new_refused(out, &args, state, reason, error);
}

/* The repository's path, when it is a folder. */
static int32_t find_repository(const job_run *run, const char **out, mloom_error *error) {
  const mloom_json *repository = mloom_json_member(mloom_job_document(run->job), "repository");
  const char *path = mloom_json_member_string(repository, "path", "");
  struct stat status;
  if (path[0] != '/' || stat(path, &status) != 0 || !S_ISDIR(status.st_mode)) {
    return mloom_error_set(error, MLOOM_E_IO, MLOOM_DOMAIN_WORKSPACE,
                           "give the absolute path of a checked-out git repository",
                           "the repository is not a folder: %s", path);
  }
  *out = path;
  return MLOOM_OK;
}

/* Names of the repository's validation commands, borrowed; the list ends with NULL and is freed by the caller. NULL
 * when out of memory. */
static const char **validation_commands(const job_run *run) {
  const mloom_job *job = run->job;
  const char **names = calloc(job->validation_count + 1, sizeof(*names));
  size_t count = 0;
  for (size_t i = 0; names != NULL && job->validation_mode != MLOOM_VALIDATION_OFF && i < job->validation_count; i++) {
    if (job->validation[i].count > 0) {
      names[count++] = job->validation[i].argv[0];
    }
  }
  return names;
}

static void take_check(const char *provider, const char *check, uint32_t state, const char *reason, const char *remedy,
                       int64_t duration_ms, void *userdata) {
  job_run *run = userdata;
  (void)provider;
  if (state == MLOOM_CHECK_FAIL && run->failure.code == MLOOM_OK) {
    mloom_error_set(&run->failure, MLOOM_E_NOT_READY, MLOOM_DOMAIN_READINESS, remedy, "%s is not ready: %s: %s",
                    mloom_resolution_provider(run->resolution), check, reason);
  }
  emit(run, MLOOM_JOB_EVENT_CHECK, state, check, reason, duration_ms);
}

/* Runs the checks; the self-test only when no fresh pass is known. */
static int32_t check_readiness(job_run *run, uint32_t *state, mloom_error *error) {
  mloom_context *context = run->context;
  const mloom_provider_entry *entry = mloom_registry_provider_at(context->registry, (size_t)run->provider);
  mloom_settings *settings = context->provider_settings[run->provider];
  const char *id = entry->descriptor.id;
  int fresh = mloom_readiness_cache_age_ms(context->readiness_cache, id, run->model, settings) >= 0;
  const char **commands = validation_commands(run);
  if (commands == NULL) {
    return mloom_error_memory(error);
  }
  mloom_call call;
  mloom_call_init_child(&call, &run->call, run->begin_ms + GATE_TIMEOUT_MS);
  mloom_readiness_args args = {.entry = entry,
                               .settings = settings,
                               .services = &context->provider_services,
                               .rules = &context->rules,
                               .model = run->model,
                               .validation_commands = commands,
                               .without_self_test = fresh || (run->options.flags & MLOOM_JOB_WITHOUT_SELF_TEST) != 0,
                               .call = &call,
                               .check = take_check,
                               .userdata = run};
  int32_t code = mloom_readiness_run(&args, state, &run->checks, error);
  free(commands);
  if (code == MLOOM_OK && !args.without_self_test) {
    mloom_readiness_cache_note(context->readiness_cache, id, run->model, settings, *state == MLOOM_STATE_READY);
  } else if (code == MLOOM_OK && *state == MLOOM_STATE_NOT_READY) {
    mloom_readiness_cache_note(context->readiness_cache, id, run->model, settings, 0);
  }
  return code;
}

/* MLOOM_OK with *out set when the job ends at the gate, with *out NULL when it may go on. */
static int32_t pass_gate(job_run *run, mloom_result **out, mloom_error *error) {
  uint32_t state = MLOOM_STATE_NOT_READY;
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = check_readiness(run, &state, &reason);
  if (code == MLOOM_E_CANCELLED) {
    return refuse(run, out, MLOOM_JOB_CANCELLED, &reason, error);
  }
  if (code != MLOOM_OK) {
    mloom_error_copy(error, &reason);
    return code;
  }
  if (state == MLOOM_STATE_READY || state == MLOOM_STATE_AUTHENTICATED) {
    return MLOOM_OK;
  }
  if (run->failure.code == MLOOM_OK) {
    mloom_error_set(&run->failure, MLOOM_E_NOT_READY, MLOOM_DOMAIN_READINESS,
                    "set its setting enabled to true, or name another provider", "%s is %s",
                    mloom_resolution_provider(run->resolution), mloom_state_name(state));
  }
  return refuse(run, out, MLOOM_JOB_NOT_READY, &run->failure, error);
}

/* The provider that was resolved, among those loaded. */
static int32_t find_choice(job_run *run, mloom_error *reason) {
  const char *provider = mloom_resolution_provider(run->resolution);
  if (provider == NULL) {
    return mloom_error_set(reason, MLOOM_E_BLOCKED, MLOOM_DOMAIN_RESOLVER,
                           "name one in the ticket (provider=... in a [JCA] block) or set JCA_WORKER_PROVIDER",
                           "nothing names a provider for this job");
  }
  run->model = mloom_resolution_model(run->resolution);
  run->provider = mloom_context_find_provider(run->context, provider);
  if (run->provider < 0) {
    mloom_context_unknown_provider(run->context, provider, reason);
    return MLOOM_E_BLOCKED;
  }
  return MLOOM_OK;
}

static int32_t execute(job_run *run, mloom_result **out, const char *repository_path, mloom_error *error) {
  mloom_context *context = run->context;
  mloom_provider_instance *instance = NULL;
  mloom_error reason = MLOOM_ERROR_INIT;
  const mloom_provider_entry *entry = mloom_registry_provider_at(context->registry, (size_t)run->provider);
  int32_t code = mloom_provider_open(&instance, entry, context->provider_settings[run->provider],
                                     &context->provider_services, &reason);
  /* A program may choose for itself. */
  if (code == MLOOM_OK && run->model == NULL && entry->descriptor.shape != MLOOM_SHAPE_AGENT) {
    code = mloom_error_set(&reason, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_PROVIDER,
                           "set the provider's model, or name one in the ticket", "no model is set for %s",
                           entry->descriptor.id);
  }
  if (code != MLOOM_OK) {
    mloom_provider_close(instance);
    return refuse(run, out, MLOOM_JOB_NOT_READY, &reason, error);
  }
  mloom_job_run_args args = run_args(run);
  args.provider = instance;
  args.repository_path = repository_path;
  code = mloom_job_execute(out, &args, error);
  mloom_provider_close(instance);
  return code;
}

static int32_t run_steps(job_run *run, mloom_result **out, mloom_bytes text, mloom_error *error) {
  mloom_context *context = run->context;
  const char *repository_path = NULL;
  int32_t code = find_repository(run, &repository_path, error);
  if (code == MLOOM_OK) {
    code = mloom_resolver_resolve_job(&run->resolution, mloom_job_document(run->job), text, context->worker_settings,
                                      context->registry, context->provider_settings, error);
  }
  if (code != MLOOM_OK) {
    return code;
  }
  emit(run, MLOOM_JOB_EVENT_STATE, 0, "pending", NULL, 0);
  emit(run, MLOOM_JOB_EVENT_RESOLUTION, 0, NULL, mloom_resolution_text(run->resolution), 0);
  mloom_error reason = MLOOM_ERROR_INIT;
  if (mloom_resolution_blocked(run->resolution, &reason) || find_choice(run, &reason) != MLOOM_OK) {
    return refuse(run, out, MLOOM_JOB_BLOCKED, &reason, error);
  }
  if (mloom_call_check(&run->call, &reason) != MLOOM_OK) {
    return refuse(run, out, MLOOM_JOB_CANCELLED, &reason, error);
  }
  if ((run->options.flags & MLOOM_JOB_WITHOUT_READINESS) == 0) {
    code = pass_gate(run, out, error);
  }
  return code == MLOOM_OK && *out == NULL ? execute(run, out, repository_path, error) : code;
}

int32_t mloom_job_run(mloom_result **out, mloom_context *context, const char *job, size_t job_size,
                      const mloom_job_options *options, mloom_error *error) {
  const mloom_clock *clock = mloom_clock_system();
  job_run run = {.context = context, .provider = -1, .begin_ms = clock->monotonic_ms(clock)};
  run.failure = (mloom_error)MLOOM_ERROR_INIT;
  if (options != NULL) {
    memcpy(&run.options, options, options->size < sizeof(run.options) ? options->size : sizeof(run.options));
  }
  run.listener =
      (mloom_job_listener){.event = run.options.event, .userdata = run.options.userdata, .begin_ms = run.begin_ms};
  mloom_call_init(&run.call, run.options.cancel, clock, &context->log, INT64_MAX);
  mloom_result *result = NULL;
  int32_t code = mloom_job_parse(&run.job, job, job_size, error);
  if (code == MLOOM_OK) {
    mloom_bytes text = {job, job_size};
    code = run_steps(&run, &result, text, error);
  }
  mloom_json_unref(run.checks);
  mloom_resolution_free(run.resolution);
  mloom_job_free(run.job);
  if (code != MLOOM_OK) {
    mloom_redactor_apply_error(context->redactor, error);
    mloom_result_free(result);
    return code;
  }
  *out = result;
  return MLOOM_OK;
}
