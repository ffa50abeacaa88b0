/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_PLUGIN_WATCH_H
#define MLOOM_PLUGIN_WATCH_H

/* Who hears when the code of a plugin runs on which others depend. */
typedef struct mloom_plugin_watch {
  const char *path;
  void (*entering)(const char *plugin_path, void *userdata); /* NULL: nobody */
  void *userdata;
} mloom_plugin_watch;

/* Around calls of a plugin. watch may be NULL. */
void mloom_plugin_enter(const mloom_plugin_watch *watch);
void mloom_plugin_leave(const mloom_plugin_watch *watch);

#endif
