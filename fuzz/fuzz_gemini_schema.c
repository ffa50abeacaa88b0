/* SPDX-License-Identifier: Apache-2.0
 *
 * Schemas written in Google's own words: of whatever is JSON comes JSON.
 */
#include <stdlib.h>

#include "base/json_reader.h"
#include "wire/gemini_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int is_json(mloom_bytes text) {
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, text.data, text.size);
  mloom_json_reader_skip(&reader);
  return mloom_json_reader_end(&reader) == MLOOM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_bytes schema = {(const char *)data, size};
  mloom_buffer out = MLOOM_BUFFER_INIT;
  if (is_json(schema) && (mloom_gemini_write_schema(&out, schema) != MLOOM_OK ||
                          !is_json((mloom_bytes){mloom_buffer_string(&out), out.size}))) {
    abort();
  }
  mloom_buffer_free(&out);
  return 0;
}
