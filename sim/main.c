/* SPDX-License-Identifier: Apache-2.0
 *
 * mergeloom-sim: a model server that plays a script.
 */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/text.h"
#include "builtin.h"
#include "service.h"

static void usage(FILE *stream) {
  fputs("usage: mergeloom-sim [--port PORT] [--script FILE]... [--verbose]\n"
        "\n"
        "Serves scripted answers of a model on 127.0.0.1 until it is interrupted, and prints\n"
        "\"listening on http://127.0.0.1:PORT\" once it accepts connections.\n"
        "\n"
        "  --port PORT    the port; 0, the default, takes a free one\n"
        "  --script FILE  a script in JSON; several are searched in order. The script of the tool-calling\n"
        "                 self-test is built in and searched last\n"
        "  --verbose      print a line on standard error for each request\n"
        "  --help, --version\n"
        "\n"
        "Base URL for chat completions: http://127.0.0.1:PORT/v1. The line protocol of the minimal provider\n"
        "example is at /minimal.\n",
        stream);
}

static int print_error(const mloom_error *error) {
  fprintf(stderr, "mergeloom-sim: %s%s%s\n", error->message, error->remedy[0] != '\0' ? "; " : "", error->remedy);
  return 2;
}

/* Readable when the process is asked to end. */
static int stop_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int serve(sim_service *service, uint16_t port) {
  mloom_error error = MLOOM_ERROR_INIT;
  sim_server *server = NULL;
  MLOOM_AUTO(mloom_auto_close) int stop_fd = stop_signals();
  int32_t code = sim_server_new(&server, &port, sim_service_handle, service, &error);
  if (code == MLOOM_OK) {
    printf("listening on http://127.0.0.1:%d\n", (int)port);
    fflush(stdout);
    code = sim_server_run(server, stop_fd, &error);
  }
  sim_server_free(server);
  return code == MLOOM_OK ? 0 : print_error(&error);
}

/* The exit status, or -1 to go on. */
static int read_options(int argc, char **argv, sim_service *service, uint16_t *port) {
  static const struct option options[] = {
      {"port", required_argument, NULL, 'p'}, {"script", required_argument, NULL, 's'},
      {"verbose", no_argument, NULL, 'v'},    {"help", no_argument, NULL, 'h'},
      {"version", no_argument, NULL, 'V'},    {NULL, 0, NULL, 0}};
  mloom_error error = MLOOM_ERROR_INIT;
  int option;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    int64_t number = 0;
    switch (option) {
    case 'p':
      if (mloom_text_parse_int64(mloom_text_bytes(optarg), &number) != MLOOM_OK || number < 0 || number > 65535) {
        fprintf(stderr, "mergeloom-sim: \"%s\" is no port; use 0 to 65535\n", optarg);
        return 2;
      }
      *port = (uint16_t)number;
      break;
    case 's':
      if (sim_script_add_file(service->script, optarg, &error) != MLOOM_OK) {
        return print_error(&error);
      }
      break;
    case 'v':
      service->is_verbose = 1;
      break;
    case 'h':
      usage(stdout);
      return 0;
    case 'V':
      puts("mergeloom-sim " PACKAGE_VERSION);
      return 0;
    default:
      usage(stderr);
      return 2;
    }
  }
  if (optind < argc) {
    fprintf(stderr, "mergeloom-sim: unexpected argument \"%s\"\n", argv[optind]);
    return 2;
  }
  return -1;
}

int main(int argc, char **argv) {
  mloom_error error = MLOOM_ERROR_INIT;
  sim_service service = {0};
  uint16_t port = 0;
  if (sim_script_new(&service.script, &error) != MLOOM_OK) {
    return print_error(&error);
  }
  int status = read_options(argc, argv, &service, &port);
  if (status < 0 && sim_script_add(service.script, sim_builtin_script, strlen(sim_builtin_script),
                                   "the built-in script", &error) != MLOOM_OK) {
    status = print_error(&error);
  }
  if (status < 0) {
    status = serve(&service, port);
  }
  sim_script_free(service.script);
  return status;
}
