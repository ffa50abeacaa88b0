/* SPDX-License-Identifier: Apache-2.0
 *
 * A shared object that is no plugin.
 */
int mock_nothing(void);

__attribute__((visibility("default"))) int mock_nothing(void) {
  return 0;
}
