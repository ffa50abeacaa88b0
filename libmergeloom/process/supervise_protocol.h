/* SPDX-License-Identifier: Apache-2.0
 *
 * What the library and mergeloom-supervise have to agree on.
 *
 * Descriptors that it is started with: 0, 1 and 2 belong to the command; 3 takes one fact a line; 4 is readable, or at
 * its end, when everything shall end, which also happens when the starting process dies; 5 is a timer at whose end the
 * same happens whether or not that process still runs, or 4 once more.
 */
#ifndef MLOOM_PROCESS_SUPERVISE_PROTOCOL_H
#define MLOOM_PROCESS_SUPERVISE_PROTOCOL_H

#define SUPERVISE_STATUS_FD 3
#define SUPERVISE_CONTROL_FD 4
#define SUPERVISE_LEASE_FD 5
#define SUPERVISE_LAST_FD 5

/* Layers, the second number of the fact "started LANDLOCK-ABI LAYERS". */
#define SUPERVISE_PID_NAMESPACE 1u
#define SUPERVISE_PRIVATE_PROC 2u
#define SUPERVISE_READ_ONLY_REST 4u
#define SUPERVISE_NETWORK_NAMESPACE 8u
#define SUPERVISE_SYSCALL_FILTER 16u

#endif
