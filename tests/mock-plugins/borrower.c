/* SPDX-License-Identifier: Apache-2.0
 *
 * No plugin either, but it links a library that defines the entry.
 */
#include <mergeloom/plugin.h>

const void *mock_borrow(void);

__attribute__((visibility("default"))) const void *mock_borrow(void) {
  return (const void *)&mergeloom_plugin_init_v1;
}
