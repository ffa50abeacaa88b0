/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define KEY_LIMIT 4096

static void show(uint32_t event, const char *text, void *userdata) {
  const tool_options *options = userdata;
  tool_text line = {NULL, 0, 0};
  if (event == MLOOM_LOGIN_EVENT_TEXT) {
    /* The page and the code stand in these lines too. */
    if (options->verbose > 0) {
      tool_append_styled(&line, options->color_on, TOOL_STYLE_DIM, text);
    }
  } else {
    tool_text_add(&line, event == MLOOM_LOGIN_EVENT_URL ? "Open this page:     " : "Type in this code:  ");
    tool_append_styled(&line, options->color_on, TOOL_STYLE_BOLD, text);
  }
  if (line.size > 0) {
    puts(tool_text_get(&line));
    fflush(stdout);
  }
  tool_text_free(&line);
}

/* 1 when there is something to read, 0 when the token was triggered. A signal interrupts poll and not read. */
static int wait_for_input(const mloom_cancel *cancel) {
  struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
  while (!mloom_cancel_is_triggered(cancel)) {
    if (poll(&input, 1, -1) >= 0 || errno != EINTR) {
      return 1;
    }
  }
  return 0;
}

/* A line from standard input, not shown on a terminal. Its size, or -1. */
static ssize_t read_key(char *out, size_t out_size, const mloom_cancel *cancel) {
  struct termios modes;
  int on_terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &modes) == 0;
  if (on_terminal) {
    struct termios quiet = modes;
    quiet.c_lflag &= (tcflag_t) ~(unsigned)ECHO;
    fputs("API key: ", stderr);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  size_t size = 0;
  ssize_t got = 1;
  while (size < out_size - 1 && got > 0 && (size == 0 || out[size - 1] != '\n') && wait_for_input(cancel)) {
    got = read(STDIN_FILENO, out + size, 1);
    size += got > 0 ? (size_t)got : 0;
  }
  if (on_terminal) {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &modes);
    fputs("\n", stderr);
  }
  while (size > 0 && (out[size - 1] == '\n' || out[size - 1] == '\r' || out[size - 1] == ' ')) {
    size--;
  }
  out[size] = '\0';
  return size > 0 ? (ssize_t)size : -1;
}

static int log_in(const tool_options *options, mloom_context *context, mloom_cancel *cancel) {
  static const int typed = STDIN_FILENO;
  char key[KEY_LIMIT] = "";
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_login_options login = {.size = sizeof(login),
                               .kind = (uint32_t)options->login_kind,
                               .cancel = cancel,
                               .timeout_ms = options->timeout_seconds * 1000,
                               .typed = isatty(STDIN_FILENO) ? &typed : NULL,
                               .event = show,
                               .userdata = (void *)(uintptr_t)options};
  if (options->login_kind == (int)MLOOM_LOGIN_API_KEY) {
    ssize_t size = read_key(key, sizeof(key), cancel);
    if (mloom_cancel_is_triggered(cancel)) {
      explicit_bzero(key, sizeof(key));
      tool_complain(NULL, "the login was cancelled");
      return TOOL_CANCELLED;
    }
    if (size < 0) {
      tool_complain("write it to standard input: mergeloom login PROVIDER --api-key < FILE", "there is no API key");
      return TOOL_USAGE;
    }
    login.api_key = key;
    login.api_key_size = (size_t)size;
  }
  int32_t code = mloom_login(context, options->arguments[0], &login, &error);
  explicit_bzero(key, sizeof(key));
  if (code != MLOOM_OK) {
    return tool_complain_error(&error);
  }
  printf("%s; mergeloom check %s shows whether it works\n",
         options->login_kind == (int)MLOOM_LOGIN_OUT ? "logged out" : "logged in", options->arguments[0]);
  return TOOL_OK;
}

int tool_login(const tool_options *options) {
  int status = TOOL_OK;
  mloom_cancel *cancel = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (options->argument_count == 0) {
    tool_complain("mergeloom login --help", "no provider was named");
    return TOOL_USAGE;
  }
  mloom_context *context = tool_open_context(options, MLOOM_LOG_WARNING, &status);
  if (context == NULL) {
    return status;
  }
  if (mloom_cancel_new(&cancel, &error) != MLOOM_OK) {
    mloom_context_free(context);
    return tool_complain_error(&error);
  }
  tool_catch_signals(cancel, 0);
  status = log_in(options, context, cancel);
  tool_release_signals();
  mloom_context_free(context);
  mloom_cancel_unref(cancel);
  return status;
}
