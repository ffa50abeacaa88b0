/* SPDX-License-Identifier: Apache-2.0
 *
 * Whatever goes in, well-formed UTF-8 without control characters comes out, and well-formed text is left alone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_reader.h"
#include "base/json_writer.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int condition) {
  if (!condition) {
    abort();
  }
}

static void check_written_string(const char *text, size_t size, const mloom_buffer *repaired) {
  mloom_buffer written = MLOOM_BUFFER_INIT;
  mloom_buffer scratch = MLOOM_BUFFER_INIT;
  mloom_bytes back;
  mloom_json_reader reader;
  check(mloom_json_write_string(&written, text, size) == MLOOM_OK);
  mloom_json_reader_init(&reader, written.data, written.size);
  check(mloom_json_reader_string(&reader, &scratch, &back));
  check(mloom_json_reader_end(&reader) == MLOOM_OK);
  check(back.size == repaired->size && (back.size == 0 || memcmp(back.data, repaired->data, back.size) == 0));
  mloom_buffer_free(&written);
  mloom_buffer_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = malloc(size == 0 ? 1 : size);
  memcpy(text, data, size);
  mloom_buffer repaired = MLOOM_BUFFER_INIT;
  mloom_buffer printable = MLOOM_BUFFER_INIT;
  check(mloom_text_append_utf8(&repaired, text, size) == MLOOM_OK);
  check(mloom_text_is_utf8(mloom_buffer_string(&repaired), repaired.size));
  int same = repaired.size == size && (size == 0 || memcmp(repaired.data, text, size) == 0);
  check(same == mloom_text_is_utf8(text, size));
  check_written_string(text, size, &repaired);
  check(mloom_text_append_printable(&printable, text, size, 0) == MLOOM_OK);
  check(mloom_text_is_utf8(mloom_buffer_string(&printable), printable.size));
  for (size_t i = 0; i < printable.size; i++) {
    unsigned char c = (unsigned char)printable.data[i];
    check(c == '\t' || (c >= 0x20 && c != 0x7F));
  }
  size_t prefix = mloom_text_complete_prefix(text, size);
  check(prefix <= size && size - prefix < 4);
  check(!mloom_text_is_utf8(text, size) || prefix == size);
  int64_t integer;
  if (mloom_text_parse_int64((mloom_bytes){text, size}, &integer) == MLOOM_OK) {
    char *copy = mloom_text_dup((mloom_bytes){text, size});
    check(integer == strtoll(copy, NULL, 10));
    free(copy);
  }
  mloom_buffer_free(&repaired);
  mloom_buffer_free(&printable);
  free(text);
  return 0;
}
