/* SPDX-License-Identifier: Apache-2.0 */
#include "html.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/text.h"

void html_text(mloom_buffer *out, const char *text, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer clean = MLOOM_BUFFER_INIT;
  mloom_text_append_printable(&clean, text, size, 1);
  const char *data = mloom_buffer_string(&clean);
  for (size_t i = 0; i < clean.size; i++) {
    switch (data[i]) {
    case '<':
      mloom_buffer_append_string(out, "&lt;");
      break;
    case '>':
      mloom_buffer_append_string(out, "&gt;");
      break;
    case '&':
      mloom_buffer_append_string(out, "&amp;");
      break;
    case '"':
      mloom_buffer_append_string(out, "&quot;");
      break;
    case '\'':
      mloom_buffer_append_string(out, "&#39;");
      break;
    default:
      mloom_buffer_append_char(out, data[i]);
    }
  }
}

void html_add(mloom_buffer *out, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  for (const char *percent = NULL; (percent = strchr(format, '%')) != NULL; format = percent + 2) {
    mloom_buffer_append(out, format, (size_t)(percent - format));
    if (percent[1] == 's') {
      const char *text = va_arg(arguments, const char *);
      html_text(out, text == NULL ? "" : text, text == NULL ? 0 : strlen(text));
    } else if (percent[1] == 'd') {
      mloom_buffer_append_format(out, "%d", va_arg(arguments, int));
    } else if (percent[1] == 'n') {
      mloom_buffer_append_format(out, "%" PRId64, va_arg(arguments, int64_t));
    } else {
      mloom_buffer_append_char(out, '%');
    }
  }
  va_end(arguments);
  mloom_buffer_append_string(out, format);
}
