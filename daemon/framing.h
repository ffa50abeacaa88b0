/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads of requests that a proxy in front may have read in another way than we do: with another end, so that what is
 * the body for one is the next request for the other.
 */
#ifndef MERGELOOM_DAEMON_FRAMING_H
#define MERGELOOM_DAEMON_FRAMING_H

#include <stddef.h>

/* Begins as zeros. A head is ambiguous when wrong is set, or when its length is told more than once. */
typedef struct framing {
  size_t lengths;
  int wrong;
} framing;

/* Takes one header as it was parsed. */
void framing_judge(framing *framing, const char *name, const char *value);

#endif
