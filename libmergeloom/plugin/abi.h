/* SPDX-License-Identifier: Apache-2.0
 *
 * What crosses the plugin ABI is checked and copied here; no other file reads a plugin's descriptors.
 */
#ifndef MLOOM_PLUGIN_ABI_H
#define MLOOM_PLUGIN_ABI_H

#include "plugin/registry.h"

/* Limits of what a descriptor may hold: more is a mistake, not a plugin. */
#define MLOOM_ABI_STRUCT_LIMIT ((uint32_t)1024 * 1024)
#define MLOOM_ABI_LIST_LIMIT 256u
#define MLOOM_ABI_NAME_LIMIT 64u
#define MLOOM_ABI_TEXT_LIMIT 4096u

/* Memory that lives as long as one plugin's copies. */
typedef struct mloom_arena {
  struct mloom_arena_block *blocks;
} mloom_arena;

/* Zeroed; NULL when out of memory. */
void *mloom_arena_alloc(mloom_arena *arena, size_t size);
char *mloom_arena_copy_string(mloom_arena *arena, const char *string);
void mloom_arena_free(mloom_arena *arena);

/* Copies the smaller of both sizes of a sized struct from the other side into the zeroed struct at to, whose size then
 * says how much of it is real. what names it in the error. MLOOM_E_INVALID: NULL, or an absurd size. */
int32_t mloom_abi_import(void *to, size_t to_size, const void *from, const char *what, mloom_error *error);

/* What the host keeps of one plugin. */
typedef struct mloom_plugin_copy {
  mloom_arena arena;
  const char *name;
  const char *version;
  const char *description;
  uint32_t abi_major;
  uint32_t abi_minor;
  mloom_provider_entry **providers;
  size_t provider_count;
  mloom_credential_source_entry **sources;
  size_t source_count;
  mloom_resolver_layer_entry **layers;
  size_t layer_count;
  void (*shutdown)(void);
} mloom_plugin_copy;

/* Checks and copies a descriptor. plugin_lock goes into each entry. copy is zeroed by the caller;
 * mloom_plugin_copy_free in both cases. MLOOM_E_INVALID: the message names the member. MLOOM_E_UNSUPPORTED: another
 * major version. */
int32_t mloom_abi_copy_plugin(mloom_plugin_copy *copy, const mloom_plugin *descriptor, pthread_mutex_t *plugin_lock,
                              mloom_error *error);
void mloom_plugin_copy_free(mloom_plugin_copy *copy);

/* ---- Shared by abi.c and abi_fields.c ---- */

/* Checks and copies a provider's fields. newer: the plugin was built against a newer minor version, so that what is
 * unknown is no mistake. */
int32_t mloom_abi_copy_fields(const mloom_field *const **out, mloom_arena *arena, const mloom_field *const *fields,
                              size_t count, const char *provider, int newer, mloom_error *error);
/* A copy of a NULL-terminated list of strings; NULL for NULL. what names it in the error. check may be NULL. */
int32_t mloom_abi_copy_strings(const char *const **out, mloom_arena *arena, const char *const *strings,
                               int (*check)(const char *string), const char *what, mloom_error *error);
/* A copy of a text of at most limit bytes of UTF-8 without control characters (newlines stay with multiline); NULL for
 * NULL. */
int32_t mloom_abi_copy_text(const char **out, mloom_arena *arena, const char *text, size_t limit, int multiline,
                            const char *what, mloom_error *error);
/* 1 when name begins with a-z and holds only a-z, 0-9 and the characters of extra, at most MLOOM_ABI_NAME_LIMIT. */
int mloom_abi_is_name(const char *name, const char *extra);

#endif
