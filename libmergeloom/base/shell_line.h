/* SPDX-License-Identifier: Apache-2.0
 *
 * Which programs a command line for bash runs, told without running it. Only lines are understood whose programs can be
 * named for certain: simple commands, joined by && || | ; and line ends, with redirections and here-documents. Whatever
 * could run something that is not written there (substitutions, control structures, names made of variables) is not.
 * libc and the buffer only.
 */
#ifndef MLOOM_BASE_SHELL_LINE_H
#define MLOOM_BASE_SHELL_LINE_H

#include "base/buffer.h"

/* MLOOM_OK when every program of the line is in names (ends with NULL), or is one that only shows files and texts and
 * is used in no other way. MLOOM_E_DENIED otherwise, with the reason appended to reason. MLOOM_E_MEMORY. */
int32_t mloom_shell_line_judge(mloom_bytes line, const char *const *names, mloom_buffer *reason);

/* The same for the words of a program that starts shells, as it writes them into one text: a shell with -c or -lc and a
 * line, or any other program. MLOOM_E_INVALID: it cannot be taken apart. */
int32_t mloom_shell_line_judge_started(mloom_bytes text, const char *const *names, mloom_buffer *reason);

#endif
