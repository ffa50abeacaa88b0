/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of a program's output, however they are cut. A line that is too long to be an event is dropped as it comes and
 * counted; it does no harm to those after it.
 */
#ifndef MLOOM_CLI_LINES_H
#define MLOOM_CLI_LINES_H

#include "base/buffer.h"

#define MLOOM_CLI_LINE_LIMIT ((size_t)8 * 1024 * 1024)

typedef struct mloom_cli_lines {
  mloom_buffer pending; /* a line whose end has not come yet */
  int dropping;         /* the rest of a line that was too long */
  uint64_t dropped;     /* lines that were too long */
} mloom_cli_lines;

/* A line without its end, white space trimmed, not empty. MLOOM_OK, or a code that ends the feeding. */
typedef int32_t (*mloom_cli_line_fn)(mloom_bytes line, void *userdata);

/* MLOOM_OK, MLOOM_E_MEMORY, or what on_line returned. */
int32_t mloom_cli_lines_feed(mloom_cli_lines *lines, const char *data, size_t size, mloom_cli_line_fn on_line,
                             void *userdata);
/* The output has ended: hands on a last line without an end. */
int32_t mloom_cli_lines_end(mloom_cli_lines *lines, mloom_cli_line_fn on_line, void *userdata);
/* Back to the beginning; keeps memory. */
void mloom_cli_lines_reset(mloom_cli_lines *lines);
void mloom_cli_lines_free(mloom_cli_lines *lines);

#endif
