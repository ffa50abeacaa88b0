/* SPDX-License-Identifier: Apache-2.0 */
#include "running.h"

#include <string.h>

#define SHOWN 1000

static void add_job(const store_job *job, void *userdata) {
  mloom_json *list = mloom_json_member(userdata, job->executor);
  if (list == NULL) {
    list = mloom_json_new_array();
    mloom_json_set(userdata, job->executor, list);
  }
  mloom_json_add(list, mloom_json_new_string(job->id, strlen(job->id)));
}

mloom_json *running_jobs(store *from) {
  mloom_json *found = mloom_json_new_object();
  if (found != NULL) {
    (void)store_each_job(from, "running", 0, SHOWN, add_job, found, NULL);
  }
  return found;
}
