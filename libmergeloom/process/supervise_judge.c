/* SPDX-License-Identifier: Apache-2.0
 *
 * "--judge LOG NAME...": whether a command line that a model wants to run keeps to a list of programs. The question
 * comes on the standard input, as command-line programs for coding put it to their hooks: {"tool_name": "Bash",
 * "tool_input":
 * {"command": "..."}}. The answer is the exit status: 0, or 2 with the reason on the standard error output. What is
 * refused is also appended to the file LOG, a line each.
 */
#include "process/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/shell_line.h"
#include "base/text.h"

#define REFUSED 2
#define QUESTION_LIMIT ((size_t)16 * 1024 * 1024)
#define LOG_LIMIT ((off_t)64 * 1024)

typedef struct question {
  mloom_buffer tool;
  mloom_buffer command;
  int has_command;
} question;

static void free_question(question *self) {
  mloom_buffer_free(&self->tool);
  mloom_buffer_free(&self->command);
}

static int read_all(mloom_buffer *out) {
  char part[4096];
  ssize_t got;
  while ((got = read(STDIN_FILENO, part, sizeof(part))) != 0) {
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0 || out->size > QUESTION_LIMIT || mloom_buffer_append(out, part, (size_t)got) != MLOOM_OK) {
      return -1;
    }
  }
  return 0;
}

static void read_input(mloom_json_reader *reader, question *out) {
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "command")) {
      mloom_buffer_clear(&out->command);
      out->has_command = mloom_json_reader_append_string(reader, &out->command);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
}

static int read_question(const mloom_buffer *text, question *out) {
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, mloom_buffer_string(text), text->size);
  if (!mloom_json_reader_object(&reader)) {
    return -1;
  }
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "tool_name")) {
      mloom_buffer_clear(&out->tool);
      mloom_json_reader_append_string(&reader, &out->tool);
    } else if (mloom_text_equal(key, "tool_input")) {
      read_input(&reader, out);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return mloom_json_reader_end(&reader) == MLOOM_OK ? 0 : -1;
}

static void write_log(const char *path, const mloom_buffer *line) {
  int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd >= 0) {
    if (lseek(fd, 0, SEEK_END) < LOG_LIMIT && write(fd, line->data, line->size) < 0) {
      /* told to the model all the same */
    }
    close(fd);
  }
}

static int refuse(const char *log, const question *asked, const char *reason) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  const char *command = mloom_buffer_string(&asked->command);
  size_t size = asked->command.size > 200 ? mloom_text_complete_prefix(command, 200) : asked->command.size;
  if (mloom_text_append_printable(&line, command, size, 0) == MLOOM_OK &&
      mloom_buffer_append_format(&line, ": %s\n", reason) == MLOOM_OK) {
    write_log(log, &line);
  }
  return dprintf(STDERR_FILENO, "%s\n", reason) < 0 ? 125 : REFUSED;
}

int supervise_judge(int argc, char **argv) {
  MLOOM_AUTO(free_question) question asked = {.tool = MLOOM_BUFFER_INIT};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
  if (argc < 1 || read_all(&text) != 0 || read_question(&text, &asked) != 0) {
    return refuse(argc < 1 ? "" : argv[0], &asked, "the question about a command cannot be read");
  }
  const char *tool = mloom_buffer_string(&asked.tool);
  if (strcmp(tool, "apply_patch") == 0 || (!asked.has_command && strcmp(tool, "Bash") != 0)) {
    return 0; /* runs nothing */
  }
  mloom_bytes command = {mloom_buffer_string(&asked.command), asked.command.size};
  if (!asked.has_command) {
    return refuse(argv[0], &asked, "the question about a command has no command");
  }
  int32_t code = mloom_shell_line_judge(command, (const char *const *)argv + 1, &reason);
  return code == MLOOM_OK ? 0 : refuse(argv[0], &asked, reason.size == 0 ? "out of memory" : reason.data);
}
