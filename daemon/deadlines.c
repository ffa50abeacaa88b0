/* SPDX-License-Identifier: Apache-2.0 */
#include "deadlines.h"

#include <stdlib.h>
#include <sys/socket.h>

deadline *deadlines_add(deadlines *list, int fd, int64_t now_ms) {
  deadline *entry = calloc(1, sizeof *entry);
  if (entry != NULL) {
    *entry = (deadline){.next = list->first, .fd = fd, .since_ms = now_ms};
    if (list->first != NULL) {
      list->first->previous = entry;
    }
    list->first = entry;
  }
  return entry;
}

void deadlines_remove(deadlines *list, deadline *entry) {
  if (entry == NULL) {
    return;
  }
  if (entry->next != NULL) {
    entry->next->previous = entry->previous;
  }
  if (entry->previous != NULL) {
    entry->previous->next = entry->next;
  } else {
    list->first = entry->next;
  }
  free(entry);
}

void deadlines_enforce(const deadlines *list, int64_t now_ms) {
  for (const deadline *entry = list->first; entry != NULL; entry = entry->next) {
    if (entry->since_ms != 0 && now_ms - entry->since_ms >= list->limit_ms) {
      /* The server sees the end of the stream and closes the socket itself. */
      shutdown(entry->fd, SHUT_RDWR);
    }
  }
}
