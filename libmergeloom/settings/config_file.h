/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration file, and documents of its form.
 */
#ifndef MLOOM_SETTINGS_CONFIG_FILE_H
#define MLOOM_SETTINGS_CONFIG_FILE_H

#include "base/json.h"

/* A copy of given, else the default path when a file is there, else NULL; the caller frees. MLOOM_E_INVALID: given is
 * not absolute. MLOOM_E_MEMORY. */
int32_t mloom_config_file_find(char **out, const char *given, mloom_error *error);
/* Reads and parses it. MLOOM_E_DENIED: others may change it; MLOOM_E_INVALID with line and column; errors of reading.
 */
int32_t mloom_config_file_read(mloom_json **out, const char *path, mloom_error *error);
/* Parses text, which must be an object; what names it in messages. MLOOM_E_INVALID, MLOOM_E_MEMORY. */
int32_t mloom_config_parse(mloom_json **out, mloom_bytes text, const char *what, mloom_error *error);

#endif
