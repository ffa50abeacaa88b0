/* SPDX-License-Identifier: Apache-2.0
 *
 * What mergeloom result reads: the small JSON reader of the command line, and its text for terminals. A document that
 * is read has only what a terminal may get once it went through tool_text_add_safe.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../tool/json.h"
#include "../tool/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const json_value *value) {
  tool_text safe = {NULL, 0, 0};
  tool_text cut = {NULL, 0, 0};
  if (value->text != NULL) {
    size_t next = 0;
    tool_text_add_safe(&safe, value->text, value->text_size, 0);
    for (size_t i = 0; i < safe.size; i++) {
      if ((unsigned char)safe.data[i] < 0x20 || safe.data[i] == 0x7F) {
        abort();
      }
    }
    if (tool_text_add_cut(&cut, tool_text_get(&safe), safe.size, 7) > 7) {
      abort();
    }
    for (size_t position = 0; position < safe.size; position += next) {
      tool_text_break(safe.data + position, safe.size - position, 5, &next);
      if (next == 0) {
        abort();
      }
    }
  }
  tool_text_free(&safe);
  tool_text_free(&cut);
  for (const json_value *child = json_first(value); child != NULL; child = child->next) {
    walk(child);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  json_document *document = json_parse((const char *)data, size);
  if (document != NULL) {
    walk(json_root(document));
    json_integer(json_root(document), "a", 0);
  }
  json_free(document);
  return 0;
}
