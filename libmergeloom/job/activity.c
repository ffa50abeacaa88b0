/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program that works by its own tools tells of them.
 */
#include <stdio.h>
#include <string.h>

#include "job/run.h"

/* 1 when name ends with suffix, which then is cut off. */
static int cut_suffix(char *name, const char *suffix) {
  size_t size = strlen(name);
  size_t suffix_size = strlen(suffix);
  if (size <= suffix_size || strcmp(name + size - suffix_size, suffix) != 0) {
    return 0;
  }
  name[size - suffix_size] = '\0';
  return 1;
}

static void record(mloom_run *run, const char *name, const char *state, mloom_bytes text) {
  if (run->audit == NULL) {
    return;
  }
  mloom_json *fact = mloom_json_new_object();
  mloom_json_set_integer(fact, "turn", run->emitter.turn);
  mloom_json_set_string(fact, "tool", name);
  mloom_json_set_string(fact, "state", state);
  mloom_json_set(fact, "text", mloom_json_new_string(text.data, text.size));
  mloom_audit_write(run->audit, "activity", fact);
}

void mloom_run_activity(mloom_run *run, const mloom_event *event) {
  char name[64];
  size_t size = event->name.size < sizeof name ? event->name.size : sizeof name - 1;
  memcpy(name, size > 0 ? event->name.data : "", size);
  name[size] = '\0';
  int failed = cut_suffix(name, "_failed");
  int ended = failed || cut_suffix(name, "_end");
  int at_once = !ended && (strcmp(name, "file") == 0 || strcmp(name, "plan") == 0);
  if (!ended) {
    run->tool_calls++;
    mloom_emitter_emit(&run->emitter, MLOOM_JOB_EVENT_TOOL_BEGIN, 0, name, event->text, -1);
  }
  if (ended || at_once) {
    mloom_bytes text = at_once ? (mloom_bytes){"", 0} : event->text;
    mloom_emitter_emit(&run->emitter, MLOOM_JOB_EVENT_TOOL_END, failed ? MLOOM_CHECK_FAIL : MLOOM_CHECK_PASS, name,
                       text, -1);
  }
  run->failed_tool_calls += failed != 0;
  record(run, name, failed ? "fail" : ended || at_once ? "pass" : "begin", event->text);
}
