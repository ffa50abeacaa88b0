/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_PLUGIN_BUILTIN_H
#define MLOOM_PLUGIN_BUILTIN_H

#include <mergeloom/plugin.h>

/* The entries of the plugins that were compiled into the library (--enable-builtin-plugins), ends with NULL. */
const mloom_plugin_init_fn *mloom_builtin_plugins(void);

#endif
