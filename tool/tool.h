/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line mergeloom. It uses the public interface of the library and nothing else of it.
 */
#ifndef MERGELOOM_TOOL_H
#define MERGELOOM_TOOL_H

#include <mergeloom/mergeloom.h>

#include "text.h"

/* Exit status. */
#define TOOL_OK 0
#define TOOL_FAILED 1
#define TOOL_USAGE 2
#define TOOL_BLOCKED 3
#define TOOL_NOT_READY 4
#define TOOL_CANCELLED 5

#define TOOL_COLOR_AUTO 0
#define TOOL_COLOR_ALWAYS 1
#define TOOL_COLOR_NEVER 2

/* Options of all commands, in one place: a command takes those that its row of the table names. */
typedef struct tool_options {
  const char *command;
  char *plugin_paths[17]; /* absolute, ends with NULL */
  size_t plugin_path_count;
  char *config_path;
  char *secrets_path;
  int verbose; /* how often it was given */
  int color;
  int json;
  int no_self_test;
  int no_readiness;
  int show_diff;
  int login_kind; /* MLOOM_LOGIN_..., 0: what the provider has */
  int color_on;   /* decided for stdout */
  const char *repository;
  const char *ticket;
  const char *job;
  const char *output;
  const char *model;
  long long timeout_seconds;
  char *const *arguments; /* what is left */
  int argument_count;
} tool_options;

typedef struct tool_command {
  const char *name;
  const char *summary;
  const char *usage;     /* after "mergeloom NAME " */
  const char *options;   /* letters of the options it takes besides the common ones */
  const char *help;      /* the text under its options */
  int maximum_arguments; /* -1: any number */
  int (*run)(const tool_options *options);
} tool_command;

extern const tool_command tool_commands[];

int tool_run(const tool_options *options);
int tool_resolve(const tool_options *options);
int tool_check(const tool_options *options);
int tool_providers(const tool_options *options);
int tool_login(const tool_options *options);
int tool_plugins(const tool_options *options);
int tool_result(const tool_options *options);

/* Reads the command line. Returns -1 to go on with options and command filled, else the exit status. */
int tool_read_options(tool_options *options, const tool_command **command, int argc, char **argv);
void tool_free_options(tool_options *options);

/* "mergeloom: message" and "  try: remedy" on stderr; remedy may be NULL or "". */
__attribute__((format(printf, 2, 3))) void tool_complain(const char *remedy, const char *format, ...);
/* The same for an error of the library, and the exit status for it. */
int tool_complain_error(const mloom_error *error);

/* A context with what the options say; prints why not and returns NULL with *status set. The log is
 * shown from log_level on, and one level more of it for each --verbose. */
mloom_context *tool_open_context(const tool_options *options, int32_t log_level, int *status);

/* Reads a file, or stdin for "-". 0, or the exit status after complaining. The caller frees *out. */
int tool_read_file(char **out, size_t *size, const char *path, const char *what);
/* 0 when --output can be written as far as one can tell before the job, or the exit status after complaining. */
int tool_check_output(const char *path);
/* Replaces a file in one step, or writes to a pipe or device. 0, or the exit status after complaining. */
int tool_write_file(const char *path, const char *data, size_t size);
/* Makes the job document out of --repo, --ticket and --job. 0, or the exit status after complaining. The caller
 * frees *out. */
int tool_make_job(char **out, const tool_options *options, int needs_repository);

/* From now on SIGINT, SIGTERM and SIGHUP trigger the token, a second signal ends the program at once, and output that
 * nobody reads is an error and no death. */
void tool_catch_signals(mloom_cancel *cancel, int restore_terminal);
void tool_release_signals(void);

/* 1 when stdout is a terminal that obeys. */
int tool_has_screen(void);
/* From now on a plugin that crashes while it is loaded, shut down or asked is named; tool_enter_plugin is told which.
 */
void tool_name_crashing_plugins(void);
void tool_enter_plugin(const char *path, void *userdata);

/* Columns of the terminal behind stdout, 80 when there is none. */
int tool_terminal_width(void);

/* "12 ms", "1.2 s", "2 min 05 s"; "950", "3.4k". */
void tool_append_duration(tool_text *out, long long milliseconds);
void tool_append_count(tool_text *out, unsigned long long count);

#define TOOL_STYLE_PLAIN 0
#define TOOL_STYLE_DIM 1
#define TOOL_STYLE_BOLD 2
#define TOOL_STYLE_GREEN 3
#define TOOL_STYLE_YELLOW 4
#define TOOL_STYLE_RED 5
#define TOOL_STYLE_CYAN 6
/* Appends text between the codes of a style, without them when color is 0. text is made safe. */
void tool_append_styled(tool_text *out, int color, int style, const char *text);
/* Appends text, made safe, and a newline. On a terminal it is wrapped; lines after the first are indented. */
void tool_add_wrapped(tool_text *out, int color, int style, const char *text, size_t indent);
/* Mark and style of a check's state: a check mark, "!", a cross, "-". */
const char *tool_check_mark(unsigned state);
int tool_check_style(unsigned state);
/* The state of its name in JSON. */
unsigned tool_check_state(const char *name);

#endif
