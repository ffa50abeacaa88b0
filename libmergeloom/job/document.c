/* SPDX-License-Identifier: Apache-2.0 */
#include "job/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

/* A member that the engine knows: its name and the kind it must have. */
typedef struct member_rule {
  const char *name;
  int kind;
} member_rule;

static const char *kind_name(int kind) {
  static const char *const names[] = {"null", "a boolean", "an integer", "a number", "a string", "a list", "an object"};
  return kind >= 0 && kind <= MLOOM_JSON_OBJECT ? names[kind] : "something else";
}

const char *mloom_job_mode_name(uint32_t mode) {
  static const char *const names[] = {"implement", "investigate", "review"};
  return mode <= MLOOM_JOB_MODE_REVIEW ? names[mode] : "implement";
}

const char *mloom_validation_mode_name(uint32_t mode) {
  static const char *const names[] = {"off", "advisory", "required"};
  return mode <= MLOOM_VALIDATION_REQUIRED ? names[mode] : "off";
}

static int32_t wrong_kind(const char *path, const char *name, int expected, int found, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "docs/json.md lists the members of a job",
                         "the job: %s%s%s must be %s, found %s", path, *path != '\0' && *name != '\0' ? "." : "", name,
                         kind_name(expected), kind_name(found));
}

typedef struct object_check {
  const char *path;
  const member_rule *rules;
  mloom_job *job;
  mloom_error *error;
} object_check;

static int check_member(const char *name, mloom_json *value, void *userdata) {
  object_check *check = userdata;
  for (const member_rule *rule = check->rules; rule->name != NULL; rule++) {
    if (strcmp(rule->name, name) == 0) {
      int kind = mloom_json_kind(value);
      if (rule->kind >= 0 && kind != MLOOM_JSON_NULL && kind != rule->kind) {
        return wrong_kind(check->path, name, rule->kind, kind, check->error);
      }
      return MLOOM_OK;
    }
  }
  /* Documents grow: what a later version adds must not stop this one, and must not pass in silence either. */
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (mloom_buffer_append_string(&text, "the job: member ") != MLOOM_OK ||
      mloom_text_append_printable(&text, check->path, strlen(check->path), 0) != MLOOM_OK ||
      mloom_buffer_append_string(&text, *check->path != '\0' ? "." : "") != MLOOM_OK ||
      mloom_text_append_printable(&text, name, strnlen(name, 80), 0) != MLOOM_OK ||
      mloom_buffer_append_string(&text, " is unknown to this version and ignored") != MLOOM_OK ||
      (check->job->warnings.count < 32 &&
       mloom_text_list_add(&check->job->warnings, text.data, text.size) != MLOOM_OK)) {
    return mloom_error_memory(check->error);
  }
  return MLOOM_OK;
}

static int32_t check_object(mloom_job *job, const mloom_json *json, const char *path, const member_rule *rules,
                            mloom_error *error) {
  if (mloom_json_kind(json) == MLOOM_JSON_NULL) {
    return MLOOM_OK;
  }
  if (mloom_json_kind(json) != MLOOM_JSON_OBJECT) {
    return wrong_kind(path, "", MLOOM_JSON_OBJECT, mloom_json_kind(json), error);
  }
  object_check check = {path, rules, job, error};
  return mloom_json_each_member(json, check_member, &check);
}

static int32_t read_strings(mloom_text_list *out, const mloom_json *list, const char *path, mloom_error *error) {
  for (size_t i = 0; i < mloom_json_count(list); i++) {
    mloom_bytes text = mloom_json_text(mloom_json_at(list, i));
    if (text.data == NULL || memchr(text.data, '\0', text.size) != NULL || text.size > 4096 || i >= 1000) {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB,
                             "give at most 1000 strings of at most 4096 bytes each, without NUL",
                             "the job: %s[%zu] is no usable string", path, i);
    }
    if (out != NULL && mloom_text_list_add(out, text.data, text.size) != MLOOM_OK) {
      return mloom_error_memory(error);
    }
  }
  return MLOOM_OK;
}

/* NUL inside a text that goes into C strings would cut it in silence. */
static int32_t check_no_nul(const mloom_json *object, const char *path, const char *name, mloom_error *error) {
  mloom_bytes text = mloom_json_text(mloom_json_member(object, name));
  if (text.data != NULL && memchr(text.data, '\0', text.size) != NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "take the NUL character out",
                           "the job: %s.%s holds a NUL character", path, name);
  }
  return MLOOM_OK;
}

static int32_t read_ticket(mloom_job *job, mloom_error *error) {
  static const member_rule rules[] = {{"key", MLOOM_JSON_STRING},         {"title", MLOOM_JSON_STRING},
                                      {"description", MLOOM_JSON_STRING}, {"description_line", MLOOM_JSON_INTEGER},
                                      {"labels", MLOOM_JSON_ARRAY},       {NULL, 0}};
  const mloom_json *ticket = mloom_json_member(job->document, "ticket");
  if (ticket == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB,
                           "add \"ticket\": {\"title\": ..., "
                           "\"description\": ...}",
                           "the job: member ticket is missing");
  }
  int32_t code = check_object(job, ticket, "ticket", rules, error);
  code = code == MLOOM_OK ? check_no_nul(ticket, "ticket", "key", error) : code;
  code = code == MLOOM_OK ? check_no_nul(ticket, "ticket", "title", error) : code;
  code = code == MLOOM_OK ? check_no_nul(ticket, "ticket", "description", error) : code;
  if (code != MLOOM_OK) {
    return code;
  }
  job->key = mloom_json_member_string(ticket, "key", "");
  job->title = mloom_json_member_string(ticket, "title", "");
  job->description = mloom_json_text(mloom_json_member(ticket, "description"));
  if (mloom_text_trim(mloom_text_bytes(job->title)).size == 0 && mloom_text_trim(job->description).size == 0) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "write what is to be done into the ticket",
                           "the job: ticket has neither title nor description");
  }
  return read_strings(&job->labels, mloom_json_member(ticket, "labels"), "ticket.labels", error);
}

static int32_t read_places(mloom_job *job, mloom_error *error) {
  static const member_rule repository[] = {{"path", MLOOM_JSON_STRING}, {"workflow", MLOOM_JSON_OBJECT}, {NULL, 0}};
  static const member_rule choice[] = {{"provider", MLOOM_JSON_STRING}, {"model", MLOOM_JSON_STRING}, {NULL, 0}};
  static const member_rule workspace[] = {
      {"provider", MLOOM_JSON_STRING}, {"model", MLOOM_JSON_STRING}, {"policy", MLOOM_JSON_OBJECT}, {NULL, 0}};
  static const member_rule policy[] = {{"allowed_providers", MLOOM_JSON_ARRAY},
                                       {"allowed_models", MLOOM_JSON_ARRAY},
                                       {"model_labels", MLOOM_JSON_BOOLEAN},
                                       {NULL, 0}};
  const mloom_json *repo = mloom_json_member(job->document, "repository");
  const mloom_json *space = mloom_json_member(job->document, "workspace");
  const mloom_json *rules = mloom_json_member(space, "policy");
  int32_t code = check_object(job, repo, "repository", repository, error);
  code = code == MLOOM_OK ? check_no_nul(repo, "repository", "path", error) : code;
  code = code == MLOOM_OK ? check_object(job, mloom_json_member(repo, "workflow"), "repository.workflow", choice, error)
                          : code;
  code = code == MLOOM_OK ? check_object(job, space, "workspace", workspace, error) : code;
  code = code == MLOOM_OK ? check_object(job, rules, "workspace.policy", policy, error) : code;
  code = code == MLOOM_OK ? read_strings(NULL, mloom_json_member(rules, "allowed_providers"),
                                         "workspace.policy.allowed_providers", error)
                          : code;
  return code == MLOOM_OK
             ? read_strings(NULL, mloom_json_member(rules, "allowed_models"), "workspace.policy.allowed_models", error)
             : code;
}

static int32_t read_choice(uint32_t *out, const mloom_json *object, const char *path, const char *name,
                           const char *(*name_of)(uint32_t), uint32_t last, mloom_error *error) {
  mloom_bytes text = mloom_json_text(mloom_json_member(object, name));
  if (text.data == NULL) {
    return MLOOM_OK;
  }
  for (uint32_t i = 0; i <= last; i++) {
    if (mloom_text_equal(text, name_of(i))) {
      *out = i;
      return MLOOM_OK;
    }
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer shown = MLOOM_BUFFER_INIT;
  mloom_text_append_printable(&shown, text.data, text.size < 60 ? text.size : 60, 0);
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB,
                         "write one of the values it names, or leave the member out",
                         "the job: %s%s must be %s, %s or %s, not "
                         "\"%s\"",
                         path, name, name_of(0), name_of(1), name_of(2), mloom_buffer_string(&shown));
}

static int32_t read_command(mloom_command_line *out, const mloom_json *value, size_t index, mloom_error *error) {
  mloom_error reason = MLOOM_ERROR_INIT;
  int32_t code = MLOOM_OK;
  mloom_bytes text = mloom_json_text(value);
  if (text.data != NULL) {
    code = mloom_command_line_split(out, text.data, text.size, &reason);
  } else if (mloom_json_kind(value) == MLOOM_JSON_ARRAY && mloom_json_count(value) > 0) {
    MLOOM_AUTO(mloom_text_list_free) mloom_text_list words = {NULL, 0};
    code = read_strings(&words, value, "its words", &reason);
    code = code == MLOOM_OK && words.items[0][0] == '\0' ? mloom_error_set(&reason, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB,
                                                                           "name a command", "the first word is empty")
                                                         : code;
    code =
        code == MLOOM_OK ? mloom_command_line_copy(out, (const char *const *)words.items, words.count, &reason) : code;
  } else {
    code = mloom_error_set(&reason, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "write [\"make\", \"test\"] or \"make test\"",
                           "neither a list of words nor a string");
  }
  if (code != MLOOM_OK && code != MLOOM_E_MEMORY) {
    return mloom_error_set(error, code, MLOOM_DOMAIN_JOB, reason.remedy, "the job: validation.commands[%zu]: %s", index,
                           reason.message);
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

static int32_t read_validation(mloom_job *job, mloom_error *error) {
  static const member_rule rules[] = {{"mode", MLOOM_JSON_STRING}, {"commands", MLOOM_JSON_ARRAY}, {NULL, 0}};
  const mloom_json *validation = mloom_json_member(job->document, "validation");
  int32_t code = check_object(job, validation, "validation", rules, error);
  const mloom_json *commands = mloom_json_member(validation, "commands");
  size_t count = mloom_json_count(commands);
  /* Commands without a mode are meant to count. */
  job->validation_mode = count > 0 ? MLOOM_VALIDATION_REQUIRED : MLOOM_VALIDATION_OFF;
  code = code == MLOOM_OK ? read_choice(&job->validation_mode, validation, "validation.", "mode",
                                        mloom_validation_mode_name, MLOOM_VALIDATION_REQUIRED, error)
                          : code;
  if (code != MLOOM_OK) {
    return code;
  }
  if (count > MLOOM_JOB_COMMAND_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_JOB, "put the steps into a script of the repository",
                           "the job: validation.commands has %zu commands, at most %u are run", count,
                           MLOOM_JOB_COMMAND_LIMIT);
  }
  job->validation = calloc(count + 1, sizeof *job->validation);
  if (job->validation == NULL) {
    return mloom_error_memory(error);
  }
  for (size_t i = 0; i < count && code == MLOOM_OK; i++) {
    code = read_command(&job->validation[i], mloom_json_at(commands, i), i, error);
    job->validation_count = i + 1;
  }
  return code;
}

static int32_t read_limit(uint64_t *out, const mloom_json *limits, const char *name, int64_t maximum,
                          mloom_error *error) {
  const mloom_json *value = mloom_json_member(limits, name);
  if (value == NULL) {
    return MLOOM_OK;
  }
  int64_t number = mloom_json_integer(value, -1);
  if (number < 1 || number > maximum) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB,
                           "leave it out to take the worker's limit; a job can only lower that",
                           "the job: limits.%s must be between 1 and %lld", name, (long long)maximum);
  }
  *out = (uint64_t)number;
  return MLOOM_OK;
}

static int32_t read_limits(mloom_job *job, mloom_error *error) {
  static const member_rule rules[] = {{"turns", MLOOM_JSON_INTEGER},
                                      {"tokens", MLOOM_JSON_INTEGER},
                                      {"seconds", MLOOM_JSON_INTEGER},
                                      {"output_bytes", MLOOM_JSON_INTEGER},
                                      {NULL, 0}};
  const mloom_json *limits = mloom_json_member(job->document, "limits");
  int32_t code = check_object(job, limits, "limits", rules, error);
  code = code == MLOOM_OK ? read_limit(&job->limit_turns, limits, "turns", 100000, error) : code;
  code = code == MLOOM_OK ? read_limit(&job->limit_tokens, limits, "tokens", INT64_C(1000000000000), error) : code;
  code = code == MLOOM_OK ? read_limit(&job->limit_seconds, limits, "seconds", 31 * 86400, error) : code;
  return code == MLOOM_OK ? read_limit(&job->limit_output_bytes, limits, "output_bytes", INT64_C(1) << 40, error)
                          : code;
}

static int32_t read_context(mloom_job *job, mloom_error *error) {
  static const member_rule rules[] = {
      {"files", MLOOM_JSON_ARRAY}, {"folders", MLOOM_JSON_ARRAY}, {"inline", MLOOM_JSON_STRING}, {NULL, 0}};
  const mloom_json *context = mloom_json_member(job->document, "context");
  int32_t code = check_object(job, context, "context", rules, error);
  code = code == MLOOM_OK
             ? read_strings(&job->context_files, mloom_json_member(context, "files"), "context.files", error)
             : code;
  code = code == MLOOM_OK
             ? read_strings(&job->context_folders, mloom_json_member(context, "folders"), "context.folders", error)
             : code;
  mloom_bytes text = mloom_json_text(mloom_json_member(context, "inline"));
  if (code == MLOOM_OK && text.size > 0 &&
      mloom_buffer_append(&job->context_inline, text.data, text.size) != MLOOM_OK) {
    code = mloom_error_memory(error);
  }
  return code;
}

/* The id names the audit file, so it is held to what is safe in a file name. */
static int32_t read_id(mloom_job *job, mloom_error *error) {
  mloom_bytes id = mloom_json_text(mloom_json_member(job->document, "id"));
  if (id.data != NULL) {
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (id.size == 0 || id.size > 64 || strspn(id.data, safe) != id.size || id.data[0] == '.' || id.data[0] == '-') {
      return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "or leave it out: one is made then",
                             "the job: id must have 1 to 64 letters, digits, '.', '_' or '-' and begin with a letter, "
                             "digit or '_'");
    }
    memcpy(job->id, id.data, id.size);
    return MLOOM_OK;
  }
  const mloom_clock *clock = mloom_clock_system();
  char now[32];
  uint32_t noise = 0;
  mloom_clock_format(clock->wall_ms(clock), now);
  if (getrandom(&noise, sizeof noise, GRND_NONBLOCK) != (ssize_t)sizeof noise) {
    noise = (uint32_t)clock->monotonic_ms(clock);
  }
  snprintf(job->id, sizeof job->id, "job-%.4s%.2s%.2s-%.2s%.2s%.2s-%08x", now, now + 5, now + 8, now + 11, now + 14,
           now + 17, noise);
  return mloom_json_set_string(job->document, "id", job->id) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int32_t read_document(mloom_job *job, mloom_error *error) {
  static const member_rule rules[] = {{"schema", MLOOM_JSON_STRING},     {"id", MLOOM_JSON_STRING},
                                      {"ticket", MLOOM_JSON_OBJECT},     {"repository", MLOOM_JSON_OBJECT},
                                      {"workspace", MLOOM_JSON_OBJECT},  {"mode", MLOOM_JSON_STRING},
                                      {"validation", MLOOM_JSON_OBJECT}, {"limits", MLOOM_JSON_OBJECT},
                                      {"context", MLOOM_JSON_OBJECT},    {NULL, 0}};
  if (mloom_json_kind(job->document) != MLOOM_JSON_OBJECT) {
    return wrong_kind("", "the document", MLOOM_JSON_OBJECT, mloom_json_kind(job->document), error);
  }
  int32_t code = check_object(job, job->document, "", rules, error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (!mloom_text_equal(mloom_json_text(mloom_json_member(job->document, "schema")), "mergeloom.job.v1")) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_JOB, "add \"schema\": \"mergeloom.job.v1\"",
                           "the job: member schema is not \"mergeloom.job.v1\"");
  }
  code = read_id(job, error);
  code = code == MLOOM_OK
             ? read_choice(&job->mode, job->document, "", "mode", mloom_job_mode_name, MLOOM_JOB_MODE_REVIEW, error)
             : code;
  code = code == MLOOM_OK ? read_ticket(job, error) : code;
  code = code == MLOOM_OK ? read_places(job, error) : code;
  code = code == MLOOM_OK ? read_validation(job, error) : code;
  code = code == MLOOM_OK ? read_limits(job, error) : code;
  return code == MLOOM_OK ? read_context(job, error) : code;
}

MLOOM_DEFINE_AUTO(mloom_job, mloom_job_free)

int32_t mloom_job_parse(mloom_job **out, const char *text, size_t size, mloom_error *error) {
  *out = NULL;
  if (size > MLOOM_JOB_DOCUMENT_LIMIT) {
    return mloom_error_set(error, MLOOM_E_LIMIT, MLOOM_DOMAIN_JOB, "put long context into files of the repository",
                           "the job: %zu bytes are more than the limit of %u", size, MLOOM_JOB_DOCUMENT_LIMIT);
  }
  MLOOM_AUTO(mloom_job_free_auto) mloom_job *job = calloc(1, sizeof *job);
  if (job == NULL) {
    return mloom_error_memory(error);
  }
  int32_t code = mloom_json_parse(&job->document, text, size, "the job", error);
  code = code == MLOOM_OK ? read_document(job, error) : code;
  if (code == MLOOM_OK) {
    *out = MLOOM_STEAL(job);
  }
  return code;
}

void mloom_job_free(mloom_job *job) {
  if (job == NULL) {
    return;
  }
  for (size_t i = 0; i < job->validation_count; i++) {
    mloom_command_line_free(&job->validation[i]);
  }
  free(job->validation);
  mloom_text_list_free(&job->context_files);
  mloom_text_list_free(&job->context_folders);
  mloom_text_list_free(&job->labels);
  mloom_text_list_free(&job->warnings);
  mloom_buffer_free(&job->context_inline);
  mloom_json_unref(job->document);
  free(job);
}

mloom_json *mloom_job_document(const mloom_job *job) {
  return job->document;
}
