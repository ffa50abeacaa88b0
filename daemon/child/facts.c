/* SPDX-License-Identifier: Apache-2.0 */
#include "child/child.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

mloom_json *child_fact(const char *type) {
  mloom_json *fact = mloom_json_new_object();
  mloom_json_set_string(fact, "type", type);
  return fact;
}

void child_tell(mloom_json *fact) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  /* Without memory there is nobody to tell: the daemon sees that the last line is missing. */
  if (mloom_json_serialize(&line, fact, 0) == MLOOM_OK && mloom_buffer_append_char(&line, '\n') == MLOOM_OK) {
    pthread_mutex_lock(&output_lock);
    size_t written = 0;
    while (written < line.size) {
      ssize_t size = write(STDOUT_FILENO, line.data + written, line.size - written);
      if (size < 0 && errno != EINTR) {
        break;
      }
      written += size < 0 ? 0 : (size_t)size;
    }
    pthread_mutex_unlock(&output_lock);
  }
  if (line.data != NULL) {
    explicit_bzero(line.data, line.capacity);
  }
  mloom_json_wipe(fact);
  mloom_json_unref(fact);
}

void child_tell_error(const mloom_error *error) {
  mloom_json *fact = child_fact("error");
  mloom_json_set_string(fact, "code", mloom_code_name(error->code));
  mloom_json_set_string(fact, "message", error->message);
  mloom_json_set_string(fact, "remedy", error->remedy);
  child_tell(fact);
}
