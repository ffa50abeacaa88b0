/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a ticket: refused with a reason, or a job document that can be read back.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include <mergeloom/resolution.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
  if (!condition) {
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_error error = MLOOM_ERROR_INIT;
  char *job = NULL;
  if (mloom_job_from_ticket(&job, (const char *)data, size, "/repository", NULL, 0, &error) != MLOOM_OK) {
    require(job == NULL && error.message[0] != '\0' && error.remedy[0] != '\0');
    return 0;
  }
  mloom_json *json = NULL;
  require(mloom_json_parse(&json, job, strlen(job), "the job", &error) == MLOOM_OK);
  const mloom_json *ticket = mloom_json_member(json, "ticket");
  require(mloom_json_text(mloom_json_member(ticket, "title")).size > 0 ||
          mloom_json_text(mloom_json_member(ticket, "description")).size > 0);
  mloom_json_unref(json);
  free(job);
  return 0;
}
