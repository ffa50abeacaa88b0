/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory the allocator keeps for later. A daemon that is idle most of the time gives back what a check or a
 * page needed for a moment.
 */
#ifndef MERGELOOM_DAEMON_HEAP_H
#define MERGELOOM_DAEMON_HEAP_H

/* Before any thread begins. */
void heap_configure(void);
/* After something large has ended. */
void heap_trim(void);

#endif
