/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "job/run.h"

#define REPORT_BYTES 12000u

static int succeeded(const mloom_command_outcome *outcome) {
  return outcome->report.ended == MLOOM_PROCESS_EXITED && outcome->report.exit_code == 0;
}

/* What the model needs to mend it: the end of the output, where tools put their verdict. */
static int32_t append_failure(mloom_buffer *report, const mloom_command_line *line,
                              const mloom_command_outcome *outcome) {
  int32_t code = mloom_buffer_append_format(report, "$ %s\n", line->text);
  size_t skip = outcome->output.size > REPORT_BYTES ? outcome->output.size - REPORT_BYTES : 0;
  const char *output = mloom_buffer_string(&outcome->output) + skip;
  if (skip > 0 && code == MLOOM_OK) {
    const char *newline = strchr(output, '\n');
    output = newline == NULL ? output : newline + 1;
    code = mloom_buffer_append_string(report, "[the beginning is left out]\n");
  }
  code = code == MLOOM_OK ? mloom_text_append_utf8(report, output, strlen(output)) : code;
  code = code == MLOOM_OK ? mloom_buffer_append_char(report, '\n') : code;
  code = code == MLOOM_OK ? mloom_command_append_ending(outcome, report) : code;
  return code == MLOOM_OK ? mloom_buffer_append_string(report, "\n\n") : code;
}

static int32_t record(mloom_run *run, const mloom_command_line *line, const mloom_command_outcome *outcome,
                      const mloom_error *refused) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  int passed = refused == NULL && succeeded(outcome);
  int32_t code = refused == NULL ? mloom_command_append_ending(outcome, &text)
                                 : mloom_buffer_append_string(&text, refused->message);
  if (code != MLOOM_OK) {
    return code;
  }
  mloom_json *entry = mloom_json_new_object();
  mloom_json_set_string(entry, "command", line->text);
  mloom_json_set_integer(entry, "attempt", run->repairs + 1);
  mloom_json_set_string(entry, "state", passed ? "pass" : "fail");
  mloom_json_set_string(entry, "outcome", mloom_buffer_string(&text));
  mloom_json_set_integer(entry, "duration_ms", outcome->report.duration_ms);
  if (!passed && refused == NULL) {
    size_t size = outcome->output.size;
    size_t skip = size > 4000 ? size - 4000 : 0;
    while (skip > 0 && skip < size && ((unsigned char)outcome->output.data[skip] & 0xc0) == 0x80) {
      skip++;
    }
    mloom_json_set(entry, "output", mloom_json_new_string(mloom_buffer_string(&outcome->output) + skip, size - skip));
  }
  mloom_audit_write(run->audit, "validation", mloom_json_ref(entry));
  mloom_run_emit(run, MLOOM_JOB_EVENT_VALIDATION, passed ? MLOOM_CHECK_PASS : MLOOM_CHECK_FAIL, line->text,
                 mloom_buffer_string(&text), outcome->report.duration_ms);
  return mloom_json_add(run->validation, entry);
}

static int32_t run_one(mloom_run *run, const mloom_command_line *line, int *passed, mloom_buffer *report,
                       mloom_error *error) {
  MLOOM_AUTO(mloom_command_outcome_free) mloom_command_outcome outcome;
  mloom_error refused = MLOOM_ERROR_INIT;
  int32_t code =
      mloom_command_run(&run->runner, &run->call, (const char *const *)line->argv, line->count, 0, &outcome, &refused);
  int could_not_run = code == MLOOM_E_DENIED || code == MLOOM_E_NOT_FOUND || code == MLOOM_E_INVALID;
  if (code != MLOOM_OK && !could_not_run) {
    mloom_error_copy(error, &refused);
    return code;
  }
  *passed = code == MLOOM_OK && succeeded(&outcome);
  if ((code == MLOOM_OK && mloom_tool_record_command(&run->tools, "validation", line, &outcome) != MLOOM_OK) ||
      record(run, line, &outcome, could_not_run ? &refused : NULL) != MLOOM_OK) {
    return mloom_error_memory(error);
  }
  if (could_not_run) {
    code = mloom_buffer_append_format(report, "$ %s\nThis command cannot be run here: %s\n\n", line->text,
                                      refused.message);
  } else {
    code = *passed ? MLOOM_OK : append_failure(report, line, &outcome);
  }
  return code == MLOOM_OK ? code : mloom_error_memory(error);
}

int32_t mloom_validate(mloom_run *run, int *passed, mloom_buffer *report, mloom_error *error) {
  const mloom_job *job = run->job;
  *passed = 1;
  if (job->validation_mode == MLOOM_VALIDATION_OFF || job->validation_count == 0) {
    run->validation_state = MLOOM_CHECK_SKIPPED;
    return MLOOM_OK;
  }
  int64_t begin = run->call.clock->monotonic_ms(run->call.clock);
  int32_t code = MLOOM_OK;
  for (size_t i = 0; i < job->validation_count && code == MLOOM_OK; i++) {
    int ok = 1;
    code = run_one(run, &job->validation[i], &ok, report, error);
    *passed &= ok;
  }
  run->validation_ms += run->call.clock->monotonic_ms(run->call.clock) - begin;
  run->validation_state = *passed                                             ? MLOOM_CHECK_PASS
                          : job->validation_mode == MLOOM_VALIDATION_ADVISORY ? MLOOM_CHECK_WARN
                                                                              : MLOOM_CHECK_FAIL;
  return code;
}
