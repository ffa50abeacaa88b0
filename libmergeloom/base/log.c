/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/text.h"

void mloom_log_write(const mloom_log *log, int32_t level, const char *component, const char *format, ...) {
  if (log == NULL || log->write == NULL || level > log->level) {
    return;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer message = MLOOM_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  int32_t code = mloom_buffer_append_vformat(&message, format, arguments);
  va_end(arguments);
  if (code != MLOOM_OK) {
    return;
  }
  if (log->filter != NULL) {
    log->filter(&message, log->filter_userdata);
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  if (mloom_text_append_printable(&line, mloom_buffer_string(&message), message.size, 0) == MLOOM_OK) {
    log->write(level, component, mloom_buffer_string(&line), log->userdata);
  }
}
