/* SPDX-License-Identifier: Apache-2.0
 *
 * The tools a model is offered: their schemas, the check of arguments, and what they do.
 */
#ifndef MLOOM_JOB_TOOLS_H
#define MLOOM_JOB_TOOLS_H

#include "base/json.h"
#include "job/changes.h"
#include "job/command.h"
#include "job/workspace.h"

#define MLOOM_TOOL_ARGUMENTS_LIMIT (4u << 20)

/* What tools work on. Borrowed. */
typedef struct mloom_tool_context {
  const mloom_workspace *workspace;
  mloom_command_runner *runner;
  mloom_changes *changes;
  const mloom_call *call;
  uint32_t read_only;       /* 1: edit_file and write_file are not offered */
  uint32_t damaged;         /* 1: .git could not be put back; the job ends */
  uint32_t submitted;       /* 1: submission is set */
  mloom_json *submission;   /* arguments of submit_result; owned */
  mloom_json *commands;     /* {argv, outcome, duration_ms} of each command; owned */
  mloom_text_list tampered; /* parts of .git that commands changed and that were put back */
} mloom_tool_context;

/* The tools on offer, schemas included. Freed by mloom_tool_set_free; extra are borrowed and come last. */
typedef struct mloom_tool_set {
  const mloom_tool **tools;
  size_t count;
  mloom_tool *own;
  mloom_buffer *schemas;
  size_t own_count;
} mloom_tool_set;

int32_t mloom_tool_set_make(mloom_tool_set *out, int read_only, const mloom_tool *const *extra, size_t extra_count,
                            mloom_error *error);
/* For a program with tools of its own: submit_result alone, whose schema is that of the result. Every member is
 * required, as strict servers want it. */
int32_t mloom_tool_set_make_result(mloom_tool_set *out, mloom_error *error);
void mloom_tool_set_free(mloom_tool_set *set);

/* Parses and checks the arguments of a built-in tool: an object of known members of the right kinds. The error is
 * written for the model. MLOOM_E_NOT_FOUND: no such built-in tool. */
int32_t mloom_tool_parse_arguments(mloom_json **out, const char *name, const char *text, size_t size,
                                   mloom_error *error);

/* Runs a built-in tool. MLOOM_OK with what the model is told in out. Another code with error is for the model too,
 * except MLOOM_E_CANCELLED, MLOOM_E_MEMORY, MLOOM_E_CONFLICT of domain workspace, and MLOOM_E_TIMEOUT of the call. */
int32_t mloom_tool_run(mloom_tool_context *context, const char *name, const mloom_json *arguments, mloom_buffer *out,
                       mloom_error *error);
/* Appends one line for people: what the call is to do. */
int32_t mloom_tool_describe(const char *name, const mloom_json *arguments, mloom_buffer *out);

/* Each in the file of its kind. */
typedef int32_t (*mloom_tool_fn)(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                                 mloom_error *error);
int32_t mloom_tool_read_file(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                             mloom_error *error);
int32_t mloom_tool_list_files(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                              mloom_error *error);
int32_t mloom_tool_search_files(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                                mloom_error *error);
int32_t mloom_tool_edit_file(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                             mloom_error *error);
int32_t mloom_tool_write_file(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                              mloom_error *error);
int32_t mloom_tool_run_command(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                               mloom_error *error);
int32_t mloom_tool_inspect_diff(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                                mloom_error *error);
int32_t mloom_tool_submit_result(mloom_tool_context *context, const mloom_json *arguments, mloom_buffer *out,
                                 mloom_error *error);

/* The member name as a normal path; "" (the root) when it is absent. */
int32_t mloom_tool_path(const mloom_tool_context *context, const mloom_json *arguments, const char *name,
                        mloom_buffer *out, mloom_error *error);
/* Records one command of the job. name tells who asked for it ("model", "validation"). */
int32_t mloom_tool_record_command(mloom_tool_context *context, const char *by, const mloom_command_line *line,
                                  const mloom_command_outcome *outcome);

#endif
