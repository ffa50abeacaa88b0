/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "job/events.h"

#define RECORDS_OF_ONE_ID 1000u

struct mloom_audit {
  int fd;
  char *path;
  mloom_redactor *redactor;
  mloom_error failure;
};

/* Sets path and fd; fd is negative with errno when the file cannot be made. */
static int32_t open_record(mloom_audit *audit, const char *folder, const char *job_id, unsigned attempt) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_format(&path, "%s/%s", folder, job_id);
  if (code == MLOOM_OK && attempt > 1) {
    code = mloom_buffer_append_format(&path, ".%u", attempt);
  }
  code = code == MLOOM_OK ? mloom_buffer_append_string(&path, ".jsonl") : code;
  free(audit->path);
  audit->path = code == MLOOM_OK ? mloom_buffer_take(&path) : NULL;
  if (audit->path == NULL) {
    return MLOOM_E_MEMORY;
  }
  audit->fd = open(audit->path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  return MLOOM_OK;
}

int32_t mloom_audit_open(mloom_audit **out, const char *folder, const char *job_id, mloom_redactor *redactor,
                         mloom_error *error) {
  *out = NULL;
  if (folder == NULL || *folder == '\0') {
    return MLOOM_OK;
  }
  MLOOM_AUTO(mloom_audit_close_auto) mloom_audit *audit = calloc(1, sizeof *audit);
  if (audit == NULL) {
    return mloom_error_memory(error);
  }
  audit->fd = -1;
  audit->redactor = redactor;
  audit->failure = (mloom_error)MLOOM_ERROR_INIT;
  int failed = mloom_file_make_folder(folder);
  if (failed != 0) {
    return mloom_error_set_errno(error, failed, MLOOM_DOMAIN_JOB,
                                 "let the worker's audit_path be a folder that it can write to",
                                 "the folder of audit records %s cannot be made", folder);
  }
  /* A job that is run again has the same id; its earlier record stays. */
  for (unsigned attempt = 1; attempt <= RECORDS_OF_ONE_ID && audit->fd < 0; attempt++) {
    int32_t code = open_record(audit, folder, job_id, attempt);
    if (code != MLOOM_OK) {
      return mloom_error_memory(error);
    }
    if (audit->fd < 0 && errno != EEXIST) {
      break;
    }
  }
  if (audit->fd < 0) {
    return mloom_error_set_errno(error, errno, MLOOM_DOMAIN_JOB,
                                 "let the worker's audit_path be a folder that it can write to",
                                 "the audit record %s cannot be made", audit->path);
  }
  *out = MLOOM_STEAL(audit);
  return MLOOM_OK;
}

static void write_line(mloom_audit *audit, const mloom_buffer *line) {
  const char *data = mloom_buffer_string(line);
  size_t size = line->size;
  while (size > 0) {
    ssize_t put = write(audit->fd, data, size);
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put < 0) {
      mloom_error_set_errno(&audit->failure, errno, MLOOM_DOMAIN_JOB, "free space where audit records are kept",
                            "the audit record %s is incomplete", audit->path);
      return;
    }
    data += put;
    size -= (size_t)put;
  }
}

void mloom_audit_write(mloom_audit *audit, const char *fact, mloom_json *members) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *object = members == NULL ? mloom_json_new_object() : members;
  if (audit == NULL || audit->failure.code != MLOOM_OK) {
    return;
  }
  char now[32];
  const mloom_clock *clock = mloom_clock_system();
  mloom_clock_format(clock->wall_ms(clock), now);
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer rest = MLOOM_BUFFER_INIT;
  int32_t code = mloom_buffer_append_format(&line, "{\"time\":\"%s\",\"fact\":\"%s\"", now, fact);
  code = code == MLOOM_OK ? mloom_json_serialize(&rest, object, 0) : code;
  /* The members follow the two that every line begins with. */
  if (code == MLOOM_OK && mloom_json_count(object) > 0) {
    const char *first = strchr(mloom_buffer_string(&rest), '"');
    code = mloom_buffer_append_char(&line, ',');
    code = code == MLOOM_OK ? mloom_buffer_append_string(&line, first == NULL ? "}" : first) : code;
  } else if (code == MLOOM_OK) {
    code = mloom_buffer_append_char(&line, '}');
  }
  if (code != MLOOM_OK) {
    mloom_error_memory(&audit->failure);
    return;
  }
  mloom_redactor_apply(audit->redactor, &line);
  if (mloom_buffer_append_char(&line, '\n') == MLOOM_OK) {
    write_line(audit, &line);
  }
}

const char *mloom_audit_path(const mloom_audit *audit) {
  return audit == NULL ? "" : audit->path;
}

int32_t mloom_audit_status(const mloom_audit *audit, mloom_error *error) {
  if (audit == NULL || audit->failure.code == MLOOM_OK) {
    return MLOOM_OK;
  }
  mloom_error_copy(error, &audit->failure);
  return audit->failure.code;
}

void mloom_audit_close(mloom_audit *audit) {
  if (audit == NULL) {
    return;
  }
  mloom_auto_close(&audit->fd);
  free(audit->path);
  free(audit);
}
