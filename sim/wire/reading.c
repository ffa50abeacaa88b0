/* SPDX-License-Identifier: Apache-2.0 */
#include "reading.h"

#include <string.h>

#include "base/error.h"

int32_t sim_refuse(mloom_error *error, const char *format, ...) {
  va_list arguments;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer message = MLOOM_BUFFER_INIT;
  va_start(arguments, format);
  mloom_buffer_append_vformat(&message, format, arguments);
  va_end(arguments);
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROVIDER, NULL, "%s", mloom_buffer_string(&message));
}

int sim_path_ends_with(const sim_request *request, const char *end) {
  size_t size = strcspn(request->path, "?");
  return size >= strlen(end) && memcmp(request->path + size - strlen(end), end, strlen(end)) == 0;
}

size_t sim_count_in_body(const sim_request *request, const char *text) {
  size_t size = strlen(text);
  size_t count = 0;
  for (size_t i = 0; i + size <= request->body.size; i++) {
    count += memcmp(request->body.data + i, text, size) == 0;
  }
  return count;
}

int32_t sim_conversation_say(sim_conversation *out, uint32_t role, mloom_bytes text) {
  mloom_buffer *said = sim_conversation_add(out, role);
  return said == NULL ? MLOOM_E_MEMORY : mloom_buffer_append(said, text.data, text.size);
}
