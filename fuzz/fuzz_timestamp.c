/* SPDX-License-Identifier: Apache-2.0
 *
 * Moments in texts that services send. A moment is never negative where a header holds it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"

#define NOW_MS 1795000000000
#define TEXT_LIMIT 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  int64_t moment = 0;
  char text[TEXT_LIMIT];
  (void)mloom_timestamp_parse((mloom_bytes){(const char *)data, size}, &moment);
  size_t taken = size < sizeof text - 1 ? size : sizeof text - 1;
  if (taken > 0) {
    memcpy(text, data, taken);
  }
  text[taken] = '\0';
  if (mloom_timestamp_parse_http(text, NOW_MS) < -1) {
    abort();
  }
  return 0;
}
