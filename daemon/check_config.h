/* SPDX-License-Identifier: Apache-2.0
 *
 * mergeloomd --check-config: what is in effect and where it comes from, without touching the stores.
 */
#ifndef MERGELOOM_DAEMON_CHECK_CONFIG_H
#define MERGELOOM_DAEMON_CHECK_CONFIG_H

#include "child_process.h"
#include "deployment.h"

/* Prints the daemon's settings, those of worker and providers that are set, and names that nothing reads; secrets as
 * fingerprints. */
int32_t check_config_print(const deployment *where, const child_programs *programs, mloom_error *error);

#endif
