/* SPDX-License-Identifier: Apache-2.0
 *
 * Output of claude.
 */
#include "claude-code-cli/claude_events.h"
#include "cli_output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const mloom_cli_names names = {.program = "claude", .login = "l", .model = "m", .model_setting = "s"};
  cli_output_read(mloom_claude_read_event, mloom_claude_keep_cost, &names, data, size);
  return 0;
}
