/* SPDX-License-Identifier: Apache-2.0
 *
 * PostgreSQL with errors of ours: only postgresql.c and postgresql_connection.c know libpq; postgresql_absent.c stands
 * in for them where there is none. A server that goes away costs time only: what is asked of it meanwhile is
 * MLOOM_E_UNAVAILABLE at once, and the connection comes back by itself.
 */
#ifndef MERGELOOM_DAEMON_STORE_POSTGRESQL_H
#define MERGELOOM_DAEMON_STORE_POSTGRESQL_H

#include "store/database.h"
#include "store/schema.h"

/* Connects to the server of url (the caller may wipe it afterwards) and brings its parts up to date, one daemon at a
 * time. The list ends with NULL. MLOOM_E_UNAVAILABLE: it is away and may come; MLOOM_E_DENIED, MLOOM_E_NOT_FOUND,
 * MLOOM_E_INVALID: it will never do; MLOOM_E_UNSUPPORTED: a newer daemon has written there, or this one has no libpq.
 */
int32_t postgresql_open(database **out, const char *url, const schema_part *const *parts, mloom_error *error);

/* Hears what other daemons write to the database. */
typedef struct postgresql_ear postgresql_ear;

/* With a connection of its own, made when it first waits. */
int32_t postgresql_ear_new(postgresql_ear **out, database *heard, mloom_error *error);
void postgresql_ear_free(postgresql_ear *ear);
/* Waits for word, at most timeout_ms or until interrupt_fd becomes readable. Each word goes to fn. 1: it listens;
 * 2: it listens again or for the first time, so something may have been missed; negative: it is deaf for now. */
int32_t postgresql_ear_wait(postgresql_ear *ear, int64_t timeout_ms, int interrupt_fd,
                            void (*fn)(const char *word, void *userdata), void *userdata, mloom_error *error);

#endif
