/* SPDX-License-Identifier: Apache-2.0
 *
 * Signs requests for tests that compare with other programs. Reads lines "NAME HEX"; "sign" ends a request and prints
 * its Authorization header, or "code N".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "plugin/host.h"
#include "secret/crypto.h"
#include "wire/sigv4.h"

#define LIMIT 256

typedef struct job {
  char *access, *secret, *token, *region, *service, *time, *options, *method, *url;
  char *names[LIMIT], *values[LIMIT], *bodies[LIMIT];
  mloom_bytes segments[LIMIT];
  size_t name_count, value_count, body_count;
} job;

static char *from_hex(const char *hex, size_t *size) {
  *size = strlen(hex) / 2;
  char *out = calloc(1, *size + 1);
  for (size_t i = 0; out != NULL && i < *size; i++) {
    unsigned int byte = 0;
    sscanf(hex + 2 * i, "%2x", &byte);
    out[i] = (char)byte;
  }
  return out;
}

static void keep(job *self, const char *name, const char *hex) {
  const struct {
    const char *name;
    char **place;
  } places[] = {{"access", &self->access},   {"secret", &self->secret},   {"token", &self->token},
                {"region", &self->region},   {"service", &self->service}, {"time", &self->time},
                {"options", &self->options}, {"method", &self->method},   {"url", &self->url}};
  size_t size = 0;
  char *value = from_hex(hex, &size);
  for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
    if (strcmp(name, places[i].name) == 0) {
      *places[i].place = value;
      return;
    }
  }
  if (strcmp(name, "header") == 0 && self->name_count < LIMIT) {
    self->names[self->name_count++] = value;
  } else if (strcmp(name, "value") == 0 && self->value_count < LIMIT) {
    self->values[self->value_count++] = value;
  } else if (strcmp(name, "body") == 0 && self->body_count < LIMIT) {
    self->segments[self->body_count] = (mloom_bytes){value, size};
    self->bodies[self->body_count++] = value;
  } else {
    fprintf(stderr, "unknown line: %s\n", name);
    exit(2);
  }
}

static const char *text(const char *value) {
  return value == NULL ? "" : value;
}

static void sign(mloom_sigv4 *signer, const job *self) {
  mloom_header headers[LIMIT];
  const mloom_header *pointers[LIMIT];
  for (size_t i = 0; i < self->name_count; i++) {
    headers[i] =
        (mloom_header){.size = (uint32_t)sizeof(mloom_header), .name = self->names[i], .value = text(self->values[i])};
    pointers[i] = &headers[i];
  }
  const mloom_http_request request = {.size = (uint32_t)sizeof(request),
                                      .method = self->method,
                                      .url = self->url,
                                      .headers = pointers,
                                      .header_count = self->name_count,
                                      .body = self->segments,
                                      .body_count = self->body_count};
  const mloom_sigv4_identity identity = {.access_key_id = text(self->access),
                                         .secret_access_key = {text(self->secret), strlen(text(self->secret))},
                                         .session_token = {text(self->token), strlen(text(self->token))}};
  const mloom_sigv4_scope scope = {.region = self->region,
                                   .service = self->service,
                                   .wall_ms = atoll(text(self->time)),
                                   .options = (uint32_t)atoi(text(self->options))};
  mloom_error error = MLOOM_ERROR_INIT;
  MLOOM_AUTO(mloom_sigv4_signature_free) mloom_sigv4_signature signature;
  int32_t code = mloom_sigv4_sign(&signature, signer, &identity, &scope, &request, &error);
  if (code != MLOOM_OK) {
    printf("code %d %s\n", (int)code, error.message);
  } else {
    printf("%s\n", mloom_buffer_string(&signature.authorization));
  }
}

static void job_free(job *self) {
  char *const single[] = {self->access, self->secret,  self->token,  self->region, self->service,
                          self->time,   self->options, self->method, self->url};
  for (size_t i = 0; i < sizeof(single) / sizeof(single[0]); i++) {
    free(single[i]);
  }
  for (size_t i = 0; i < LIMIT; i++) {
    free(self->names[i]);
    free(self->values[i]);
    free(self->bodies[i]);
  }
  memset(self, 0, sizeof(*self));
}

int main(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_host_services services = {.clock = mloom_clock_system()};
  mloom_host host;
  MLOOM_AUTO(mloom_crypto_engine_free_auto) mloom_crypto_engine *engine = NULL;
  MLOOM_AUTO(mloom_sigv4_free_auto) mloom_sigv4 *signer = NULL;
  int32_t code = mloom_crypto_engine_new(&engine, &error);
  if (code == MLOOM_OK) {
    services.crypto = mloom_crypto_engine_table(engine);
    mloom_host_init(&host, &services);
    code = mloom_sigv4_new(&signer, &host, &error);
  }
  if (code != MLOOM_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 2;
  }
  static job current;
  char *line = NULL;
  size_t capacity = 0;
  while (getline(&line, &capacity, stdin) > 0) {
    line[strcspn(line, "\n")] = '\0';
    char *space = strchr(line, ' ');
    if (strcmp(line, "sign") == 0) {
      sign(signer, &current);
      job_free(&current);
    } else if (space != NULL) {
      *space = '\0';
      keep(&current, line, space + 1);
    }
  }
  free(line);
  return 0;
}
