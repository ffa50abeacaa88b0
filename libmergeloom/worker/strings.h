/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists of strings that end with NULL, owned by the context.
 */
#ifndef MLOOM_WORKER_STRINGS_H
#define MLOOM_WORKER_STRINGS_H

/* A deep copy; NULL when out of memory. */
char **mloom_strings_copy(const char *const *list);
/* The parts of text between separators, trimmed, empty ones left out, and then last (may be NULL). NULL when out of
 * memory. */
char **mloom_strings_split(const char *text, char separator, const char *last);
void mloom_strings_free(char **list);

/* The value of a variable in an environment, NULL when it is absent or empty. Borrowed. */
const char *mloom_strings_variable(char *const *environment, const char *name);
/* The proxy that the environment asks for, and the hosts that go without; NULL when there is none. Borrowed. */
const char *mloom_strings_proxy(char *const *environment);
const char *mloom_strings_no_proxy(char *const *environment);

#endif
