/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/watch.h"

#include <stddef.h>

static void tell(const mloom_plugin_watch *watch, const char *plugin_path) {
  if (watch != NULL && watch->entering != NULL) {
    watch->entering(plugin_path, watch->userdata);
  }
}

void mloom_plugin_enter(const mloom_plugin_watch *watch) {
  tell(watch, watch == NULL ? NULL : watch->path);
}

void mloom_plugin_leave(const mloom_plugin_watch *watch) {
  tell(watch, NULL);
}
