/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_DEPLOYMENT_FIELDS_H
#define MERGELOOM_DAEMON_DEPLOYMENT_FIELDS_H

#include <mergeloom/plugin.h>

/* The settings of the daemon itself. Static. */
const mloom_field *const *deployment_fields(size_t *count);

#endif
