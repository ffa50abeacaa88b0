/* SPDX-License-Identifier: Apache-2.0
 *
 * The small public functions that belong to no floor above.
 */
#include "config.h"

#include <mergeloom/context.h>

#include <stdlib.h>

const char *mloom_version(void) {
  return PACKAGE_VERSION;
}

void mloom_string_free(char *string) {
  free(string);
}

const char *mloom_code_name(int32_t code) {
  static const char *const names[] = {
      "ok",        "invalid",  "memory",       "io",       "not-found",       "denied",         "unsupported",
      "cancelled", "timeout",  "unavailable",  "protocol", "unauthenticated", "rate-limited",   "quota",
      "limit",     "conflict", "not-ready",    "blocked",  "not-applicable",  "not-configured", "needs-interaction",
      "expired",   "refused",  "context-full", "internal"};
  int64_t index = -(int64_t)code;
  return index >= 0 && index < (int64_t)(sizeof(names) / sizeof(names[0])) ? names[index] : "internal";
}
