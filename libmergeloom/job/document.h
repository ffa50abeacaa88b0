/* SPDX-License-Identifier: Apache-2.0
 *
 * The mergeloom.job.v1 document in the form the engine works with.
 */
#ifndef MLOOM_JOB_DOCUMENT_H
#define MLOOM_JOB_DOCUMENT_H

#include "job/job.h"

#define MLOOM_JOB_MODE_IMPLEMENT 0u
#define MLOOM_JOB_MODE_INVESTIGATE 1u
#define MLOOM_JOB_MODE_REVIEW 2u

#define MLOOM_VALIDATION_OFF 0u
#define MLOOM_VALIDATION_ADVISORY 1u
#define MLOOM_VALIDATION_REQUIRED 2u

#define MLOOM_JOB_DOCUMENT_LIMIT (8u << 20)
#define MLOOM_JOB_COMMAND_LIMIT 64u /* validation commands of one job */

/* One validation command. */
typedef struct mloom_command_line {
  char **argv; /* ends with NULL */
  size_t count;
  char *text; /* for people: the words, quoted where needed */
} mloom_command_line;

typedef struct mloom_text_list {
  char **items;
  size_t count;
} mloom_text_list;

struct mloom_job {
  mloom_json *document; /* as given, with an id */
  char id[80];
  const char *key; /* borrowed from document; "" when absent */
  const char *title;
  mloom_bytes description;
  uint32_t mode;
  uint32_t validation_mode;
  mloom_command_line *validation;
  size_t validation_count;
  uint64_t limit_turns; /* 0: the worker's */
  uint64_t limit_tokens;
  uint64_t limit_seconds;
  uint64_t limit_output_bytes;
  mloom_text_list context_files;
  mloom_text_list context_folders;
  mloom_buffer context_inline;
  mloom_text_list labels;
  mloom_text_list warnings; /* members that this version does not know */
};

/* "implement", ... and "off", ...: static. */
const char *mloom_job_mode_name(uint32_t mode);
const char *mloom_validation_mode_name(uint32_t mode);

/* Splits text into words as a shell would, quotes and backslashes included, and expands nothing: what would need a
 * shell (pipes, redirections, variables, globs) is refused. MLOOM_E_INVALID with what and where. */
int32_t mloom_command_line_split(mloom_command_line *out, const char *text, size_t size, mloom_error *error);
/* Takes over nothing; copies the words of argv. */
int32_t mloom_command_line_copy(mloom_command_line *out, const char *const *argv, size_t count, mloom_error *error);
void mloom_command_line_free(mloom_command_line *line);
/* Appends the words with quotes where a shell would need them. */
int32_t mloom_command_line_format(mloom_buffer *out, char *const *argv, size_t count);

int32_t mloom_text_list_add(mloom_text_list *list, const char *data, size_t size);
void mloom_text_list_free(mloom_text_list *list);
void mloom_text_list_sort(mloom_text_list *list);
/* 1 when a sorted list holds text. */
int mloom_text_list_contains(const mloom_text_list *list, const char *text);

#endif
