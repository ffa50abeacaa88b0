/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs one process through mergeloom-supervise, a small program that applies the sandbox, starts the command and kills
 * every descendant of it at the end, also when this process dies.
 */
#ifndef MLOOM_PROCESS_PROCESS_H
#define MLOOM_PROCESS_PROCESS_H

#include "base/call.h"
#include "process/sandbox.h"
#include <mergeloom/plugin.h>

/* Why a process ended. */
#define MLOOM_PROCESS_EXITED 0u
#define MLOOM_PROCESS_SIGNALLED 1u
#define MLOOM_PROCESS_TIMED_OUT 2u /* total time */
#define MLOOM_PROCESS_IDLE 3u      /* idle time */
#define MLOOM_PROCESS_TOO_MANY 4u  /* process limit */
#define MLOOM_PROCESS_OUTPUT_LIMIT 5u
#define MLOOM_PROCESS_CANCELLED 6u
#define MLOOM_PROCESS_NOT_STARTED 7u
/* Its receiver had all it needs, and the program went on for longer than the grace. */
#define MLOOM_PROCESS_COMPLETE 8u

typedef struct mloom_process_limits {
  uint64_t total_timeout_ms; /* 0: the call's deadline only */
  uint64_t idle_timeout_ms;
  uint64_t grace_ms;          /* between SIGTERM and SIGKILL; at most 1500 */
  uint64_t output_bytes;      /* of stdout and stderr together; 0: none. More ends the process */
  uint64_t memory_bytes;      /* RLIMIT_AS of each process; 0: none */
  uint64_t file_bytes;        /* RLIMIT_FSIZE; 0: none */
  uint64_t processes;         /* of the whole tree; 0: none */
  uint64_t open_files;        /* 0: none */
  uint64_t complete_grace_ms; /* after output returned MLOOM_COMPLETE */
} mloom_process_limits;

typedef struct mloom_process_plan {
  const char *supervise_path;     /* absolute */
  const char *const *argv;        /* argv[0] absolute */
  const char *const *environment; /* exactly this */
  const char *working_directory;
  const mloom_bytes *input;     /* NULL: /dev/null */
  const int *input_fd;          /* in its place: read until its end, not closed; NULL: none */
  const mloom_sandbox *sandbox; /* NULL: unconfined, for programs of the host's own choice only */
  mloom_process_limits limits;
  /* A timer of the kernel at whose end the process ends as when it is cancelled, with the grace as its interval: also
   * while this process is stopped. Without O_NONBLOCK reads could hang. NULL: none. */
  const int *lease_fd;
  uint32_t terminal; /* 1: the three standard descriptors are a terminal of its own; input is not used */
  uint32_t reserved;
  /* With terminal: readable when a person has typed something, which is handed on; NULL: nobody types. */
  const int *typed;
} mloom_process_plan;

typedef struct mloom_process_report {
  uint32_t ended;    /* MLOOM_PROCESS_... */
  int32_t exit_code; /* of MLOOM_PROCESS_EXITED */
  int32_t signal;
  uint32_t survivors; /* descendants that had to be killed after the command itself ended */
  int64_t duration_ms;
  int64_t cpu_ms; /* of the whole tree */
  int64_t max_rss_kib;
  uint64_t output_bytes;
  int32_t landlock_abi; /* that the sandbox used; 0: none */
  uint32_t layers;      /* of the sandbox, see supervise_protocol.h */
} mloom_process_report;

/* Blocking. MLOOM_OK whenever the command was started and everything of it has ended, however; report says how. sink's
 * output functions get bytes as they come and may be NULL; a negative return ends the process and is returned,
 * MLOOM_COMPLETE lets it go on for complete_grace_ms.
 * MLOOM_E_NOT_FOUND, MLOOM_E_DENIED: not started. MLOOM_E_UNSUPPORTED: the sandbox is required and cannot be had.
 * MLOOM_E_CANCELLED (also at the end of the lease) and MLOOM_E_TIMEOUT (the call's own) after everything has ended.
 * Thread-safe. */
int32_t mloom_process_run(const mloom_call *call, const mloom_process_plan *plan, const mloom_process_sink *sink,
                          mloom_process_report *report, mloom_error *error);

/* Keeps the head and the tail of an output that is too long to keep. */
typedef struct mloom_output_capture mloom_output_capture;
int32_t mloom_output_capture_new(mloom_output_capture **out, size_t head_bytes, size_t tail_bytes);
int32_t mloom_output_capture_add(mloom_output_capture *capture, const char *data, size_t size);
/* Appends what was kept as UTF-8, with a line "[... N bytes left out ...]" between head and tail. */
int32_t mloom_output_capture_append_to(const mloom_output_capture *capture, mloom_buffer *out);
uint64_t mloom_output_capture_total(const mloom_output_capture *capture);
void mloom_output_capture_free(mloom_output_capture *capture);

/* Looks up a bare command name in fixed_path ("/usr/local/bin:/usr/bin:/bin"); symbolic links are followed, the result
 * is an absolute path of an executable regular file. MLOOM_E_NOT_FOUND. */
int32_t mloom_process_find(mloom_buffer *out, const char *name, const char *fixed_path, mloom_error *error);

#endif
