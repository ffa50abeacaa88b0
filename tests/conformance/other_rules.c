/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "check.h"

#define AUDIENCE "https://service.example"

/* ---- Credential sources ---- */

typedef struct signed_headers {
  size_t count;
  const char *problem;
} signed_headers;

static int32_t take_header(const mloom_header *header, void *userdata) {
  signed_headers *seen = userdata;
  if (header == NULL || header->size < sizeof(*header) || header->name == NULL || header->value == NULL) {
    seen->problem = "authorize told an incomplete header";
  } else if (strstr(header->value, TEST_KEY) != NULL) {
    seen->problem = "authorize put a secret into a header's value instead of its member secret";
  }
  seen->count++;
  return MLOOM_OK;
}

static const char *check_credential(small_host *host, const mloom_credential *credential) {
  mloom_bytes bytes = {"", 0};
  if (memchr(credential->description, '\0', sizeof(credential->description)) == NULL) {
    return "the description does not end within its member";
  }
  if (credential->secret == NULL) {
    return credential->kind == MLOOM_CREDENTIAL_VALUE ? "a value without a secret" : NULL;
  }
  host->table.secret_borrow(host, credential->secret, &bytes, NULL);
  if (bytes.size >= 4 && strstr(credential->description, bytes.data) != NULL) {
    return "the description holds the secret";
  }
  return NULL;
}

static const char *authorize(const mloom_credential_source *source, void *instance, const mloom_credential_args *args,
                             const mloom_credential *credential) {
  if (credential->kind != MLOOM_CREDENTIAL_SIGNS) {
    return NULL;
  }
  if (source->authorize == NULL) {
    return "it signs, but has no authorize";
  }
  mloom_http_request request = {.size = sizeof(request), .method = "POST", .url = AUDIENCE "/path"};
  signed_headers seen = {0, NULL};
  mloom_header_sink sink = {.size = sizeof(sink), .userdata = &seen, .header = take_header};
  mloom_error error = MLOOM_ERROR_INIT;
  int32_t code = source->authorize(instance, args, credential, &request, &sink, &error);
  if (code == MLOOM_OK && seen.count == 0) {
    return "authorize made no header";
  }
  return code == MLOOM_OK ? seen.problem : error_problem(code, &error);
}

/* Probe and fetch, with everything given back. *outcome is what they said. */
static const char *fetch_once(const mloom_credential_source *source, small_host *host, void *instance,
                              const mloom_settings *settings, int32_t *outcome) {
  mloom_call call = {INT64_MAX};
  mloom_credential_args args = {.size = sizeof(args), .settings = settings, .audience = AUDIENCE};
  mloom_error error = MLOOM_ERROR_INIT;
  *outcome = source->probe(instance, &args, &error);
  if (*outcome < 0) {
    return error_problem(*outcome, &error);
  }
  mloom_credential credential = {.size = sizeof(credential), .expires_wall_ms = -1};
  *outcome = source->fetch(instance, &call, &args, &credential, &error);
  if (*outcome != MLOOM_OK) {
    return error_problem(*outcome, &error);
  }
  const char *problem = check_credential(host, &credential);
  if (problem == NULL) {
    problem = authorize(source, instance, &args, &credential);
  }
  host->table.secret_unref(host, credential.secret);
  if (source->invalidate != NULL) {
    source->invalidate(instance, &args);
  }
  return problem;
}

static void check_fetch(const mloom_credential_source *source, small_host *host, void *instance) {
  mloom_settings full;
  mloom_settings empty;
  int32_t outcome = MLOOM_OK;
  settings_init(&full, host, NULL, 0);
  settings_init(&empty, host, NULL, 1);

  begin_rule("fetch");
  const char *problem = fetch_once(source, host, instance, &full, &outcome);
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem != NULL       ? problem
           : outcome == MLOOM_OK ? "a credential, its description safe to show"
                                 : "no credential here, and said so");

  begin_rule("empty settings");
  problem = fetch_once(source, host, instance, &empty, &outcome);
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s", problem == NULL ? "probe and fetch survive them" : problem);

  begin_rule("memory");
  int64_t secrets = host->secrets;
  for (int i = 0; i < 64; i++) {
    (void)fetch_once(source, host, instance, &full, &outcome);
  }
  /* One secret may be kept inside as a cache. */
  end_rule(host->secrets <= secrets + 1 ? STATE_PASS : STATE_FAIL, "%lld secrets kept after 64 credentials",
           (long long)(host->secrets - secrets));
  settings_end(&full);
  settings_end(&empty);
}

void check_source(small_host *host, const mloom_credential_source *source) {
  mloom_credential_source known = {0};
  memcpy(&known, source, source->size < sizeof(known) ? source->size : sizeof(known));
  begin_subject("credential source", known.id);
  begin_rule("open");
  int64_t blocks = host->blocks;
  int64_t secrets = host->secrets;
  mloom_open_args args = {.size = sizeof(args), .host = &host->table};
  mloom_error error = MLOOM_ERROR_INIT;
  void *instance = NULL;
  int32_t code = known.open(&args, &instance, &error);
  const char *problem = error_problem(code, &error);
  if (code == MLOOM_E_UNSUPPORTED && problem == NULL) { /* as in a host without one of the optional interfaces */
    end_rule(STATE_SKIP, "this checker does not offer what it needs: %s", error.message);
    return;
  }
  if (code != MLOOM_OK || problem != NULL) {
    end_rule(STATE_FAIL, "%s", problem != NULL ? problem : error.message);
    return;
  }
  end_rule(STATE_PASS, "an instance opens");
  check_fetch(&known, host, instance);
  begin_rule("close");
  known.close(instance);
  end_rule(host->blocks == blocks && host->secrets == secrets ? STATE_PASS : STATE_FAIL,
           "%lld blocks and %lld secrets kept", (long long)(host->blocks - blocks),
           (long long)(host->secrets - secrets));
}

/* ---- Resolver layers ---- */

static const char *look_up(const mloom_resolver_layer *layer, const mloom_layer_query *query, mloom_layer_answer *out) {
  mloom_error error = MLOOM_ERROR_INIT;
  *out = (mloom_layer_answer){.size = sizeof(*out)};
  int32_t code = layer->lookup(query, out, &error);
  if (memchr(out->value, '\0', sizeof(out->value)) == NULL ||
      memchr(out->provenance, '\0', sizeof(out->provenance)) == NULL) {
    return "an answer's text does not end within its member";
  }
  if (code == MLOOM_OK && out->value[0] != '\0' && out->provenance[0] == '\0') {
    return "a value without a provenance";
  }
  return error_problem(code, &error);
}

static const char *try_lookup(const mloom_resolver_layer *layer, const mloom_layer_query *query) {
  mloom_layer_answer first;
  mloom_layer_answer second;
  const char *problem = look_up(layer, query, &first);
  if (problem == NULL) {
    problem = look_up(layer, query, &second);
  }
  if (problem == NULL && (strcmp(first.value, second.value) != 0 || strcmp(first.provenance, second.provenance) != 0)) {
    problem = "the same query has two answers";
  }
  return problem;
}

static const char *try_veto(const mloom_resolver_layer *layer, const mloom_layer_query *query) {
  static const char *const candidates[] = {"", "a", "a-model-of-a-very-long-name/with:odd@characters"};
  const char *problem = NULL;
  for (size_t i = 0; problem == NULL && i < sizeof(candidates) / sizeof(candidates[0]); i++) {
    mloom_error error = MLOOM_ERROR_INIT;
    int32_t code = layer->veto(query, candidates[i], &error);
    problem =
        code == MLOOM_E_DENIED && error.message[0] == '\0' ? "a veto without a reason" : error_problem(code, &error);
  }
  return problem;
}

void check_layer(const mloom_resolver_layer *layer) {
  static const char job[] = "{\"schema\":\"mergeloom.job.v1\",\"ticket\":{\"key\":\"A-1\",\"labels\":[]}}";
  mloom_resolver_layer known = {0};
  memcpy(&known, layer, layer->size < sizeof(known) ? layer->size : sizeof(known));
  begin_subject("resolver layer", known.id);
  begin_rule("queries");
  const mloom_layer_query queries[] = {
      {.size = sizeof(mloom_layer_query), .key = "provider", .job = {job, sizeof(job) - 1}},
      {.size = sizeof(mloom_layer_query), .key = "model", .job = {job, sizeof(job) - 1}, .provider = "mock"},
      {.size = sizeof(mloom_layer_query), .key = "model", .job = {"", 0}, .provider = "codex-api"},
      {.size = sizeof(mloom_layer_query), .key = "a-key-of-tomorrow", .job = {"{", 1}},
  };
  const char *problem = NULL;
  for (size_t i = 0; problem == NULL && i < sizeof(queries) / sizeof(queries[0]); i++) {
    problem = known.lookup == NULL ? NULL : try_lookup(&known, &queries[i]);
    if (problem == NULL && known.veto != NULL) {
      problem = try_veto(&known, &queries[i]);
    }
  }
  end_rule(problem == NULL ? STATE_PASS : STATE_FAIL, "%s",
           problem == NULL ? "answered alike each time, vetoes with a reason" : problem);
}
