/* SPDX-License-Identifier: Apache-2.0
 *
 * The attacker of the proof.
 */
#include "process/supervise.h"

int supervise_attack(int argc, char **argv) {
  (void)argc;
  (void)argv;
  return 2;
}
