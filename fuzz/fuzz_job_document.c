/* SPDX-License-Identifier: Apache-2.0
 *
 * Job documents, and the splitting of command lines.
 */
#include <stdlib.h>
#include <string.h>

#include "job/document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mloom_job *job = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (mloom_job_parse(&job, (const char *)data, size, &error) == MLOOM_OK) {
    /* What was accepted names an audit file: it must not lead anywhere. */
    if (strchr(job->id, '/') != NULL || job->id[0] == '.' || job->id[0] == '\0') {
      abort();
    }
    for (size_t i = 0; i < job->validation_count; i++) {
      if (job->validation[i].count == 0 || job->validation[i].text == NULL) {
        abort();
      }
    }
    mloom_job_free(job);
  } else if (error.message[0] == '\0') {
    abort();
  }
  mloom_command_line line;
  mloom_command_line again;
  if (mloom_command_line_split(&line, (const char *)data, size, NULL) == MLOOM_OK) {
    /* What is shown splits into the same words, unless a word has a line break or the like. */
    if (mloom_command_line_split(&again, line.text, strlen(line.text), NULL) == MLOOM_OK && again.count != line.count) {
      abort();
    }
    mloom_command_line_free(&again);
  }
  mloom_command_line_free(&line);
  return 0;
}
