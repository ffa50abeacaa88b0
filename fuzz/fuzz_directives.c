/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a ticket's description: no crash, every note with a place inside the text, no hidden character obeyed.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "resolver/directives.h"
#include "resolver/resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
  if (!condition) {
    abort();
  }
}

static uint32_t count_lines(const uint8_t *data, size_t size) {
  uint32_t lines = 1;
  for (size_t i = 0; i < size; i++) {
    lines += data[i] == '\n' || data[i] == '\r';
  }
  return lines;
}

static void check_notes(const mloom_directives *directives, const uint8_t *data, size_t size) {
  uint32_t lines = count_lines(data, size);
  for (size_t i = 0; i < mloom_directives_note_count(directives); i++) {
    const mloom_directive_note *note = mloom_directives_note_at(directives, i);
    require(note->line >= 1 && note->line <= lines && note->column >= 1 && note->column <= size + 1);
    require(note->message[0] != '\0' && note->remedy[0] != '\0');
    require(mloom_text_is_utf8(note->message, strlen(note->message)));
    require(strpbrk(note->message, "\n\r\x1b") == NULL);
  }
}

static void check_value(const mloom_directives *directives, const char *key) {
  const char *value = mloom_directives_value(directives, key, NULL, NULL);
  for (const char *c = value; c != NULL && *c != '\0'; c++) {
    require((unsigned char)*c > ' ' && (unsigned char)*c < 0x7f);
  }
  require(value == NULL || value[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_directives *directives = NULL;
  if (mloom_directives_parse(&directives, (const char *)data, size, NULL) != MLOOM_OK) {
    return 0;
  }
  check_notes(directives, data, size);
  check_value(directives, "provider");
  check_value(directives, "model");
  mloom_directives_free(directives);

  static const char *const aliases[] = {"b", "c", NULL};
  mloom_resolver_provider providers[] = {{.id = "a", .model_aliases = aliases}};
  mloom_resolver_input input = {
      .description = {(const char *)data, size}, .worker_provider = "a", .providers = providers, .provider_count = 1};
  mloom_resolution *resolution = NULL;
  if (mloom_resolver_resolve(&resolution, &input, NULL) == MLOOM_OK) {
    require(mloom_resolution_text(resolution)[0] != '\0');
    require(mloom_resolution_json(resolution)[0] == '{');
    require(mloom_resolution_blocked(resolution, NULL) == (mloom_resolution_provider(resolution) == NULL));
    mloom_resolution_free(resolution);
  }
  return 0;
}
