/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program writes on a terminal during a login: the first byte chooses the pieces. Nothing that is told may hold
 * a control character but the tab, which is safe to show.
 */
#include <stdlib.h>
#include <string.h>

#include "provider/login_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_event(uint32_t event, const char *text, void *userdata) {
  (void)event;
  (void)userdata;
  for (const char *at = text; *at != '\0'; at++) {
    if (((unsigned char)*at < 0x20 && *at != '\t') || *at == 0x7f) {
      abort();
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_login_reader reader = {.line = MLOOM_BUFFER_INIT};
  size_t step = size > 0 ? (size_t)data[0] + 1 : 1;
  for (size_t at = 1; at < size; at += step) {
    size_t piece = size - at < step ? size - at : step;
    mloom_login_reader_feed(&reader, (const char *)data + at, piece, on_event, NULL);
  }
  mloom_login_reader_flush(&reader, on_event, NULL);
  mloom_login_reader_free(&reader);
  return 0;
}
