/* SPDX-License-Identifier: Apache-2.0
 *
 * A command line of a model. A refusal always says why, and nothing that begins with a program off the list passes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/shell_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const names[] = {"git", "python3", NULL};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  mloom_bytes text = {(const char *)data, size};
  int32_t code = mloom_shell_line_judge(text, names, &reason);
  if (code != MLOOM_OK && (code != MLOOM_E_DENIED || reason.size == 0)) {
    abort();
  }
  mloom_buffer_clear(&reason);
  (void)mloom_shell_line_judge_started(text, names, &reason);
  mloom_buffer_clear(&reason);
  if (mloom_buffer_append_string(&line, "evil ") != MLOOM_OK ||
      mloom_buffer_append(&line, text.data, text.size) != MLOOM_OK ||
      mloom_shell_line_judge((mloom_bytes){line.data, line.size}, names, &reason) == MLOOM_OK) {
    abort();
  }
  return 0;
}
