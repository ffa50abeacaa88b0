/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream fed whole and the same stream cut at random must give the same events.
 */
#include "cuts.h"
#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 4096

static int32_t record(mloom_bytes event, mloom_bytes data, void *userdata) {
  mloom_buffer *log = userdata;
  mloom_buffer_append_format(log, "%zu %zu ", event.size, data.size);
  mloom_buffer_append(log, event.data, event.size);
  mloom_buffer_append(log, data.data, data.size);
  return MLOOM_OK;
}

static int32_t feed(void *parser, const char *data, size_t size, mloom_buffer *log) {
  return mloom_sse_feed(parser, data, size, record, log);
}

static void run(mloom_bytes text, mloom_bytes cuts, mloom_buffer *log) {
  mloom_sse sse;
  mloom_sse_init(&sse, LIMIT);
  int32_t code = cuts_feed(feed, &sse, text, cuts, log);
  mloom_buffer_append_format(log, "%d %d", (int)code, code == MLOOM_OK && mloom_sse_is_partial(&sse));
  mloom_sse_free(&sse);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  cuts_compare(run, LIMIT, data, size);
  return 0;
}
