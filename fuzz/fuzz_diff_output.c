/* SPDX-License-Identifier: Apache-2.0
 *
 * What git diff --raw --numstat -p -z answers: names in it are chosen by whoever made the files.
 */
#include "job/changes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_changes changes = {0};
  mloom_changes_parse(&changes, (const char *)data, size, NULL);
  mloom_changes_free(&changes);
  return 0;
}
