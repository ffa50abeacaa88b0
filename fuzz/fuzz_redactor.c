/* SPDX-License-Identifier: Apache-2.0
 *
 * No known secret comes through, and text in pieces is redacted as the whole is: the first byte of the input is the
 * length of the pieces, the rest is the text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "secret/redactor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const secrets[] = {"zebra-crossing", "zebra/+ \"x\"\n", "crossing-the-river", "aaaaaaaaaa"};

static mloom_redactor *learn(void) {
  mloom_redactor *redactor = NULL;
  mloom_redactor_new(&redactor, NULL);
  for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
    mloom_secret *secret = NULL;
    mloom_secret_new(&secret, secrets[i], strlen(secrets[i]), NULL);
    mloom_redactor_add(redactor, secret);
    mloom_secret_unref(secret);
  }
  return redactor;
}

static void expect_no_secret(const mloom_buffer *text) {
  for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
    if (text->size > 0 && memmem(text->data, text->size, secrets[i], strlen(secrets[i])) != NULL) {
      fprintf(stderr, "secret %zu came through: %.*s\n", i, (int)text->size, text->data);
      abort();
    }
  }
}

/* The character before a base64 form may have been given out already when the form is recognised: what is no base64
 * decides. */
static void drop_base64(mloom_buffer *text) {
  size_t kept = 0;
  for (size_t i = 0; i < text->size; i++) {
    char c = text->data[i];
    int base64 = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 (c != '\0' && strchr("_+/=-", c) != NULL);
    if (!base64) {
      text->data[kept++] = c;
    }
  }
  text->size = kept;
}

static void stream(mloom_redactor *redactor, const char *text, size_t size, size_t piece, mloom_buffer *out) {
  mloom_redactor_stream *pieces = NULL;
  mloom_redactor_stream_new(&pieces, redactor, NULL);
  for (size_t at = 0; at < size; at += piece) {
    size_t length = size - at < piece ? size - at : piece;
    char *copy = malloc(length); /* shows every read beyond the piece */
    memcpy(copy, text + at, length);
    mloom_redactor_stream_feed(pieces, copy, length, out);
    free(copy);
  }
  mloom_redactor_stream_finish(pieces, out);
  mloom_redactor_stream_free(pieces);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static mloom_redactor *redactor;
  if (redactor == NULL) {
    redactor = learn();
  }
  if (size < 2) {
    return 0;
  }
  const char *text = (const char *)data + 1;
  mloom_buffer whole = MLOOM_BUFFER_INIT;
  mloom_buffer cut = MLOOM_BUFFER_INIT;
  mloom_buffer_append(&whole, text, size - 1);
  mloom_redactor_apply(redactor, &whole);
  stream(redactor, text, size - 1, (size_t)(data[0] % 32) + 1, &cut);
  expect_no_secret(&whole);
  expect_no_secret(&cut);
  drop_base64(&whole);
  drop_base64(&cut);
  if (whole.size != cut.size || (whole.size > 0 && memcmp(whole.data, cut.data, whole.size) != 0)) {
    fprintf(stderr, "whole: %.*s\ncut: %.*s\n", (int)whole.size, whole.data, (int)cut.size, cut.data);
    abort();
  }
  mloom_buffer_free(&whole);
  mloom_buffer_free(&cut);
  return 0;
}
