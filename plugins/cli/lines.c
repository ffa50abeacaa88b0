/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/lines.h"

#include <string.h>

#include "base/text.h"

static int32_t hand_on(mloom_bytes line, mloom_cli_line_fn on_line, void *userdata) {
  line = mloom_text_trim(line);
  return line.size == 0 ? MLOOM_OK : on_line(line, userdata);
}

/* A piece without a line end in it. */
static int32_t keep(mloom_cli_lines *lines, const char *data, size_t size) {
  if (lines->dropping) {
    return MLOOM_OK;
  }
  if (size > MLOOM_CLI_LINE_LIMIT - lines->pending.size) {
    lines->dropping = 1;
    lines->dropped++;
    mloom_buffer_free(&lines->pending);
    return MLOOM_OK;
  }
  return mloom_buffer_append(&lines->pending, data, size);
}

int32_t mloom_cli_lines_feed(mloom_cli_lines *lines, const char *data, size_t size, mloom_cli_line_fn on_line,
                             void *userdata) {
  int32_t code = MLOOM_OK;
  while (size > 0 && code == MLOOM_OK) {
    const char *end = memchr(data, '\n', size);
    size_t piece = end == NULL ? size : (size_t)(end - data);
    if (end != NULL && !lines->dropping && lines->pending.size == 0 && piece <= MLOOM_CLI_LINE_LIMIT) {
      code = hand_on((mloom_bytes){data, piece}, on_line, userdata);
    } else {
      code = keep(lines, data, piece);
      if (code == MLOOM_OK && end != NULL) {
        code = mloom_cli_lines_end(lines, on_line, userdata);
      }
    }
    size_t taken = end == NULL ? piece : piece + 1;
    data += taken;
    size -= taken;
  }
  return code;
}

int32_t mloom_cli_lines_end(mloom_cli_lines *lines, mloom_cli_line_fn on_line, void *userdata) {
  int32_t code = MLOOM_OK;
  if (!lines->dropping) {
    code = hand_on((mloom_bytes){mloom_buffer_string(&lines->pending), lines->pending.size}, on_line, userdata);
  }
  mloom_buffer_clear(&lines->pending);
  lines->dropping = 0;
  return code;
}

void mloom_cli_lines_reset(mloom_cli_lines *lines) {
  mloom_buffer_clear(&lines->pending);
  lines->dropping = 0;
  lines->dropped = 0;
}

void mloom_cli_lines_free(mloom_cli_lines *lines) {
  mloom_buffer_free(&lines->pending);
}
