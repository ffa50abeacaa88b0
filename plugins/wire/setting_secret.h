/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets of settings that come from files which others renew: mounted secrets of Kubernetes and Docker, NAME_FILE.
 */
#ifndef MLOOM_WIRE_SETTING_SECRET_H
#define MLOOM_WIRE_SETTING_SECRET_H

#include <mergeloom/plugin.h>

/* The secret as it is now: read again where it came from a file, else the setting's own. The caller owns the reference.
 * MLOOM_E_INVALID: the file is empty or holds what no secret of one line does; others as for reading a file. */
int32_t mloom_setting_secret(const mloom_host *host, const mloom_setting *setting, const mloom_secret **out,
                             mloom_error *error);
/* Tells the states of the setting's file apart, by what it is and when it was changed: a link that was swapped, a file
 * that was renamed to its name, one that was written again. 0 where the setting came from no file. */
uint64_t mloom_setting_mark(const mloom_setting *setting);

#endif
