/* SPDX-License-Identifier: Apache-2.0
 *
 * What the commands share: complaints, files, the context, styles.
 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "view.h"

#define FILE_LIMIT ((size_t)64 << 20)

void tool_complain(const char *remedy, const char *format, ...) {
  tool_text safe = {NULL, 0, 0};
  char *text = NULL;
  va_list arguments;
  va_start(arguments, format);
  int size = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (size >= 0) {
    tool_text_add(&safe, "mergeloom: ");
    tool_text_add_safe(&safe, text, (size_t)size, 0);
    free(text);
  }
  tool_text_add(&safe, "\n");
  if (remedy != NULL && remedy[0] != '\0') {
    tool_text_add(&safe, "  try: ");
    tool_text_add_safe(&safe, remedy, strlen(remedy), 0);
    tool_text_add(&safe, "\n");
  }
  fflush(stdout);
  fputs(tool_text_get(&safe), stderr);
  tool_text_free(&safe);
}

int tool_complain_error(const mloom_error *error) {
  tool_complain(error->remedy, "%s", error->message[0] != '\0' ? error->message : mloom_code_name(error->code));
  switch (error->code) {
  case MLOOM_E_INVALID:
  case MLOOM_E_NOT_FOUND:
    return TOOL_USAGE;
  case MLOOM_E_BLOCKED:
    return TOOL_BLOCKED;
  case MLOOM_E_NOT_READY:
  case MLOOM_E_NOT_CONFIGURED:
    return TOOL_NOT_READY;
  case MLOOM_E_CANCELLED:
  case MLOOM_E_TIMEOUT:
    return TOOL_CANCELLED;
  default:
    return TOOL_FAILED;
  }
}

static void write_log(int32_t level, const char *component, const char *message, void *userdata) {
  static const char *const names[] = {"error", "warning", "info", "debug"};
  (void)userdata;
  tool_text line = {NULL, 0, 0};
  tool_text_format(&line, "mergeloom: %s: %s: ", level >= 0 && level <= MLOOM_LOG_DEBUG ? names[level] : "log",
                   component);
  tool_text_add_safe(&line, message, strlen(message), 0);
  tool_text_add(&line, "\n");
  view_print_error(tool_text_get(&line));
  tool_text_free(&line);
}

mloom_context *tool_open_context(const tool_options *options, int32_t log_level, int *status) {
  mloom_context_options context_options = {
      .size = sizeof(context_options), .log = write_log, .entering = tool_enter_plugin};
  mloom_context *context = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (options->plugin_path_count > 0) {
    context_options.plugin_paths = (const char *const *)options->plugin_paths;
  }
  context_options.config_path = options->config_path;
  context_options.secrets_path = options->secrets_path;
  context_options.log_level = log_level + options->verbose;
  tool_name_crashing_plugins();
  if (mloom_context_new(&context, &context_options, &error) != MLOOM_OK) {
    *status = tool_complain_error(&error);
    return NULL;
  }
  return context;
}

/* Opens without waiting for the other end of a FIFO; reading waits, as a pipe of the shell wants it. */
static int open_input(const char *path, const char *what) {
  if (strcmp(path, "-") == 0) {
    return dup(STDIN_FILENO);
  }
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat info;
  if (fd >= 0 && fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
    close(fd);
    errno = EISDIR;
    fd = -1;
  }
  if (fd < 0) {
    tool_complain("check the path", "%s %s: %s", what, path, strerror(errno));
  } else {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  }
  return fd;
}

int tool_read_file(char **out, size_t *size, const char *path, const char *what) {
  int fd = open_input(path, what);
  if (fd < 0) {
    return TOOL_USAGE;
  }
  tool_text text = {NULL, 0, 0};
  char chunk[65536];
  ssize_t got = 0;
  while ((got = read(fd, chunk, sizeof(chunk))) > 0 && text.size <= FILE_LIMIT) {
    tool_text_append(&text, chunk, (size_t)got);
  }
  int reason = errno;
  close(fd);
  if (got < 0 || text.size > FILE_LIMIT) {
    tool_complain("name a file that can be read whole", "%s %s: %s", what, path,
                  got < 0 ? strerror(reason) : "larger than 64 MiB");
    tool_text_free(&text);
    return TOOL_USAGE;
  }
  tool_text_append(&text, "", 0);
  *out = text.data;
  *size = text.size;
  return TOOL_OK;
}

static int write_all(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t put = write(fd, data, size);
    if (put < 0 && errno == EINTR) {
      continue;
    }
    if (put <= 0) {
      return -1;
    }
    data += put;
    size -= (size_t)put;
  }
  return 0;
}

/* A pipe or a device: nothing that may be replaced. */
static int is_special(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 && !S_ISREG(info.st_mode);
}

int tool_check_output(const char *path) {
  const char *name = strrchr(path, '/');
  tool_text folder = {NULL, 0, 0};
  tool_text_append(&folder, path, name == NULL ? 0 : (size_t)(name - path) + 1);
  const char *target = is_special(path) ? path : folder.size == 0 ? "." : tool_text_get(&folder);
  struct stat info;
  int failed = access(target, W_OK);
  if (failed == 0 && target == path && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    failed = -1;
  }
  if (failed != 0) {
    tool_complain("name a file in a folder that you can write to", "--output %s: %s", path, strerror(errno));
  }
  tool_text_free(&folder);
  return failed != 0 ? TOOL_USAGE : TOOL_OK;
}

/* 0, or -1 with errno. */
static int write_special(const char *path, const char *data, size_t size) {
  int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  int failed = fd < 0 || write_all(fd, data, size) != 0 || write_all(fd, "\n", 1) != 0 ? -1 : 0;
  return fd >= 0 && close(fd) != 0 ? -1 : failed;
}

/* 0, or -1 with errno. */
static int replace_file(const char *path, const char *data, size_t size) {
  tool_text temporary = {NULL, 0, 0};
  tool_text_format(&temporary, "%s.XXXXXX", path);
  int fd = mkstemp(temporary.data);
  mode_t mask = umask(0);
  umask(mask);
  int failed = fd < 0 || write_all(fd, data, size) != 0 || write_all(fd, "\n", 1) != 0 ||
               fchmod(fd, 0666 & ~mask) != 0 || fsync(fd) != 0 || rename(temporary.data, path) != 0;
  int reason = errno;
  if (failed && fd >= 0) {
    unlink(temporary.data);
  }
  if (fd >= 0) {
    close(fd);
  }
  tool_text_free(&temporary);
  errno = reason;
  return failed ? -1 : 0;
}

int tool_write_file(const char *path, const char *data, size_t size) {
  char *target = realpath(path, NULL); /* a link stays one */
  int failed =
      is_special(path) ? write_special(path, data, size) : replace_file(target != NULL ? target : path, data, size);
  if (failed != 0) {
    tool_complain("check the folder and the space left", "--output %s: %s", path, strerror(errno));
  }
  free(target);
  return failed != 0 ? TOOL_FAILED : TOOL_OK;
}

/* A ticket and a template make a job; --job alone is one already, but for the repository. */
static int make_job(char **out, const tool_options *options, const char *repository) {
  char *ticket = NULL;
  char *template_job = NULL;
  size_t ticket_size = 0;
  size_t template_size = 0;
  int status = TOOL_OK;
  if (options->ticket != NULL) {
    status = tool_read_file(&ticket, &ticket_size, options->ticket, "the ticket");
  }
  if (status == TOOL_OK && options->job != NULL) {
    status = tool_read_file(&template_job, &template_size, options->job, "the job");
  }
  char *job = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (status == TOOL_OK &&
      mloom_job_from_ticket(&job, ticket, ticket_size, repository, template_job, template_size, &error) != MLOOM_OK) {
    status = tool_complain_error(&error);
  }
  if (job != NULL) {
    tool_text text = {NULL, 0, 0};
    tool_text_add(&text, job);
    *out = text.data;
    mloom_string_free(job);
  }
  free(ticket);
  free(template_job);
  return status;
}

int tool_make_job(char **out, const tool_options *options, int needs_repository) {
  if (options->ticket == NULL && options->job == NULL) {
    tool_complain(needs_repository ? "mergeloom run --repo DIR --ticket FILE" : "mergeloom resolve --ticket FILE",
                  "no ticket was given");
    return TOOL_USAGE;
  }
  if (options->repository == NULL && needs_repository && options->job == NULL) {
    tool_complain("add --repo DIR", "no repository was given");
    return TOOL_USAGE;
  }
  char *repository = NULL;
  if (options->repository != NULL) {
    struct stat info;
    repository = realpath(options->repository, NULL);
    if (repository != NULL && stat(repository, &info) == 0 && !S_ISDIR(info.st_mode)) {
      free(repository);
      repository = NULL;
      errno = ENOTDIR;
    }
    if (repository == NULL) {
      tool_complain("check the path", "the repository %s: %s", options->repository, strerror(errno));
      return TOOL_USAGE;
    }
  }
  int status = make_job(out, options, repository);
  free(repository);
  return status;
}

int tool_has_screen(void) {
  const char *term = getenv("TERM");
  return isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0;
}

int tool_terminal_width(void) {
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 80;
}

void tool_append_duration(tool_text *out, long long milliseconds) {
  if (milliseconds < 1000) {
    tool_text_format(out, "%lld ms", milliseconds < 0 ? 0 : milliseconds);
  } else if (milliseconds < 60000) {
    tool_text_format(out, "%lld.%lld s", milliseconds / 1000, milliseconds % 1000 / 100);
  } else {
    tool_text_format(out, "%lld min %02lld s", milliseconds / 60000, milliseconds / 1000 % 60);
  }
}

void tool_append_count(tool_text *out, unsigned long long count) {
  if (count < 1000) {
    tool_text_format(out, "%llu", count);
  } else if (count < 1000000) {
    tool_text_format(out, "%llu.%lluk", count / 1000, count % 1000 / 100);
  } else {
    tool_text_format(out, "%llu.%lluM", count / 1000000, count % 1000000 / 100000);
  }
}

void tool_append_styled(tool_text *out, int color, int style, const char *text) {
  static const char *const codes[] = {"", "\033[2m", "\033[1m", "\033[32m", "\033[33m", "\033[31m", "\033[36m"};
  int on = color && style != TOOL_STYLE_PLAIN;
  if (on) {
    tool_text_add(out, codes[style]);
  }
  tool_text_add_safe(out, text, strlen(text), 0);
  if (on) {
    tool_text_add(out, "\033[0m");
  }
}

void tool_add_wrapped(tool_text *out, int color, int style, const char *text, size_t indent) {
  size_t width = isatty(STDOUT_FILENO) ? (size_t)tool_terminal_width() - 1 : (size_t)-1;
  size_t columns = width > indent + 10 ? width - indent : (size_t)-1;
  size_t lines = 0;
  tool_text safe = {NULL, 0, 0};
  tool_text_add_safe(&safe, text, strlen(text), 1);
  for (const char *line = tool_text_get(&safe); *line != '\0';) {
    size_t size = strcspn(line, "\n");
    size_t next = size;
    size_t shown = size > 0 ? tool_text_break(line, size, columns, &next) : 0;
    tool_text piece = {NULL, 0, 0};
    tool_text_append(&piece, line, shown);
    tool_text_pad(out, lines++ > 0 ? indent : 0);
    tool_append_styled(out, color, style, tool_text_get(&piece));
    tool_text_add(out, "\n");
    tool_text_free(&piece);
    line += next + (next == size && line[size] == '\n');
  }
  tool_text_add(out, lines == 0 ? "\n" : "");
  tool_text_free(&safe);
}

const char *tool_check_mark(unsigned state) {
  static const char *const fine[] = {"\xE2\x9C\x93", "!", "\xE2\x9C\x97", "-"};
  static const char *const plain[] = {"+", "!", "x", "-"};
  unsigned index = state <= MLOOM_CHECK_SKIPPED ? state : MLOOM_CHECK_FAIL;
  return tool_text_is_utf8() ? fine[index] : plain[index];
}

int tool_check_style(unsigned state) {
  static const int styles[] = {TOOL_STYLE_GREEN, TOOL_STYLE_YELLOW, TOOL_STYLE_RED, TOOL_STYLE_DIM};
  return styles[state <= MLOOM_CHECK_SKIPPED ? state : MLOOM_CHECK_FAIL];
}

unsigned tool_check_state(const char *name) {
  for (unsigned state = MLOOM_CHECK_PASS; state <= MLOOM_CHECK_SKIPPED; state++) {
    if (strcmp(mloom_check_name(state), name) == 0) {
      return state;
    }
  }
  return MLOOM_CHECK_FAIL;
}
