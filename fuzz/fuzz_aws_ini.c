/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of AWS profiles: whatever is accepted can be written down again and is read as the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "wire/aws_ini.h"
#include "wire/shell_words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_down(const mloom_aws_ini *ini, mloom_buffer *out) {
  for (size_t i = 0; i < ini->count; i++) {
    const mloom_aws_section *section = &ini->sections[i];
    mloom_buffer_append_format(out, "[%s]\n", section->name);
    for (size_t j = 0; j < section->count; j++) {
      mloom_buffer_append_format(out, "%s =", section->options[j].name);
      for (const char *value = section->options[j].value; *value != '\0';) {
        size_t line = strcspn(value, "\n");
        mloom_buffer_append_format(out, " %.*s%s", (int)line, value, value[line] == '\n' ? "\n" : "");
        value += line + (value[line] == '\n');
      }
      mloom_buffer_append_char(out, '\n');
    }
  }
}

/* Names and lines that mean something else at another place are left out. */
static int is_plain(const mloom_aws_ini *ini) {
  for (size_t i = 0; i < ini->count; i++) {
    for (size_t j = 0; j < ini->sections[i].count; j++) {
      const mloom_aws_option *option = &ini->sections[i].options[j];
      if (option->name[0] == '[' || strpbrk(option->value, "\n") != NULL) {
        return 0;
      }
    }
  }
  return 1;
}

static void check_words(const mloom_aws_ini *ini) {
  mloom_bytes found;
  for (size_t i = 0; i < ini->count; i++) {
    mloom_shell_words words;
    if (mloom_shell_words_split(&words, mloom_text_bytes(ini->sections[i].name)) == MLOOM_OK) {
      if (words.words[words.count] != NULL) {
        abort();
      }
      mloom_shell_words_free(&words);
    }
    for (size_t j = 0; j < ini->sections[i].count; j++) {
      (void)mloom_aws_ini_nested(&found, ini->sections[i].options[j].value, "endpoint_url");
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_aws_ini first;
  mloom_aws_ini second;
  mloom_error error = MLOOM_ERROR_INIT;
  char *copy = malloc(size + 1); /* an allocation of its own shows every read beyond it */
  memcpy(copy, data, size);
  int32_t code = mloom_aws_ini_parse(&first, (mloom_bytes){copy, size}, "file", &error);
  free(copy);
  if (code != MLOOM_OK && error.message[0] == '\0') {
    abort();
  }
  if (code == MLOOM_OK) {
    check_words(&first);
  }
  if (code == MLOOM_OK && is_plain(&first)) {
    mloom_buffer text = MLOOM_BUFFER_INIT;
    mloom_buffer again = MLOOM_BUFFER_INIT;
    write_down(&first, &text);
    if (mloom_aws_ini_parse(&second, (mloom_bytes){mloom_buffer_string(&text), text.size}, "file", &error) !=
        MLOOM_OK) {
      fprintf(stderr, "%s\n%s\n", mloom_buffer_string(&text), error.message);
      abort();
    }
    write_down(&second, &again);
    if (text.size != again.size || memcmp(mloom_buffer_string(&text), mloom_buffer_string(&again), text.size) != 0) {
      abort();
    }
    mloom_buffer_free(&text);
    mloom_buffer_free(&again);
    mloom_aws_ini_free(&second);
  }
  mloom_aws_ini_free(&first);
  return 0;
}
