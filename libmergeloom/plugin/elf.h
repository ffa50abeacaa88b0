/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_PLUGIN_ELF_H
#define MLOOM_PLUGIN_ELF_H

#include <mergeloom/types.h>

/* MLOOM_OK when path is a whole shared object for this machine. The dynamic linker maps a truncated file and dies of
 * SIGBUS, and calls one for another machine absent; this says what is wrong instead. */
int32_t mloom_elf_check(const char *path, mloom_error *error);

#endif
