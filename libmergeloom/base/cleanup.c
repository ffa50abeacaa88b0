/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"

#include <stdlib.h>
#include <unistd.h>

void mloom_auto_free(void *pointer_to_pointer) {
  free(*(void **)pointer_to_pointer);
}

void mloom_auto_close(int *fd) {
  if (*fd >= 0) {
    close(*fd);
  }
}

void mloom_auto_close_folder(DIR **folder) {
  if (*folder != NULL) {
    closedir(*folder);
  }
}
