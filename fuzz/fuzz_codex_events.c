/* SPDX-License-Identifier: Apache-2.0
 *
 * Output of codex.
 */
#include "cli_output.h"
#include "codex-cli/codex_events.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const mloom_cli_names names = {.program = "codex", .login = "l", .model = "m", .model_setting = "s"};
  cli_output_read(mloom_codex_read_event, mloom_codex_keep_count, &names, data, size);
  return 0;
}
