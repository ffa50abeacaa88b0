/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MERGELOOM_DAEMON_STORE_FOLDER_H
#define MERGELOOM_DAEMON_STORE_FOLDER_H

#include <mergeloom/types.h>

/* Makes the folder of the file at path and those above it, for this user alone, where they are missing. */
int32_t store_make_folder(const char *path, mloom_error *error);

#endif
