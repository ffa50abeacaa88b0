/* SPDX-License-Identifier: Apache-2.0 */
#include <mergeloom/cancel.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/call.h"
#include "base/error.h"

struct mloom_cancel {
  atomic_uint references;
  atomic_int triggered;
  int fd; /* an eventfd, so that a wait in poll ends at once */
};

int32_t mloom_cancel_new(mloom_cancel **out, mloom_error *error) {
  *out = NULL;
  mloom_cancel *cancel = malloc(sizeof(*cancel));
  if (cancel == NULL) {
    return mloom_error_memory(error);
  }
  cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (cancel->fd < 0) {
    int reason = errno;
    free(cancel);
    return mloom_error_set_errno(error, reason, MLOOM_DOMAIN_SYSTEM, "close files or raise the limit (ulimit -n)",
                                 "cannot make a cancel token");
  }
  atomic_init(&cancel->references, 1);
  atomic_init(&cancel->triggered, 0);
  *out = cancel;
  return MLOOM_OK;
}

mloom_cancel *mloom_cancel_ref(mloom_cancel *cancel) {
  if (cancel != NULL) {
    atomic_fetch_add_explicit(&cancel->references, 1, memory_order_relaxed);
  }
  return cancel;
}

void mloom_cancel_unref(mloom_cancel *cancel) {
  if (cancel != NULL && atomic_fetch_sub_explicit(&cancel->references, 1, memory_order_acq_rel) == 1) {
    close(cancel->fd);
    free(cancel);
  }
}

void mloom_cancel_trigger(mloom_cancel *cancel) {
  if (cancel == NULL || atomic_exchange(&cancel->triggered, 1) != 0) {
    return;
  }
  /* A signal handler may run this between any two instructions of the interrupted code. */
  int saved = errno;
  uint64_t one = 1;
  ssize_t written;
  do {
    written = write(cancel->fd, &one, sizeof(one));
  } while (written < 0 && errno == EINTR);
  errno = saved;
}

int32_t mloom_cancel_is_triggered(const mloom_cancel *cancel) {
  return cancel != NULL && atomic_load(&((mloom_cancel *)cancel)->triggered) != 0;
}

int mloom_cancel_fd(const mloom_cancel *cancel) {
  return cancel == NULL ? -1 : cancel->fd;
}
