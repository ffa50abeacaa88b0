/* SPDX-License-Identifier: Apache-2.0 */
#include "tool.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

const tool_command tool_commands[] = {
    {"run", "Run a job on a repository", "--repo DIR --ticket FILE [--job FILE] | --job FILE [--repo DIR]", "rtjonNdJ",
     "On a terminal the progress is shown as it goes. With --json every event is one line of JSON, and\n"
     "the last line is the result document. Ctrl-C cancels the job; a second one ends mergeloom at once.",
     0, tool_run},
    {"resolve", "Show which provider and model a job would use, and why", "--ticket FILE [--job FILE] | --job FILE",
     "rtjJ", "Nothing is run and nothing is asked over the network.", 0, tool_resolve},
    {"check", "Check that providers are ready", "[PROVIDER]...", "mTnJ",
     "Without a name all providers are checked at once. The exit status is 0 when every provider that was\n"
     "named is ready, or, without a name, when at least one is; else 4.",
     -1, tool_check},
    {"login", "Log in to a provider that is a program", "PROVIDER", "DBkOT",
     "The page to open and the code to type in there are shown as soon as the program tells them. On a terminal\n"
     "what you type goes to the program. --verbose shows all that it writes. Then: mergeloom check PROVIDER.",
     1, tool_login},
    {"providers", "List the providers and their settings", "[PROVIDER]...", "J",
     "Secrets are shown as a fingerprint. --verbose shows every setting and the variable that sets it.", -1,
     tool_providers},
    {"plugins", "List the plugins, and why one was refused", "", "J", "", 0, tool_plugins},
    {"result", "Show a stored result or audit record", "FILE|JOB-ID", "dJ",
     "FILE is what mergeloom run --output wrote, or an audit record. A JOB-ID is looked up in the audit folder\n"
     "(JCA_WORKER_AUDIT_PATH).",
     1, tool_result},
    {NULL, NULL, NULL, NULL, NULL, 0, NULL}};

/* A program started with a standard stream closed would give its number to the next file that is opened. */
static void open_standard_streams(void) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
      /* Reading from and writing to the wrong direction fails, as it should. */
      int opened = open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
      if (opened != fd && opened >= 0) {
        close(opened);
      }
    }
  }
}

/* What could not be written is a failure, even when all else went well. */
static int close_output(int status) {
  int failed = ferror(stdout);
  int reason = errno;
  if (fflush(stdout) != 0) {
    failed = 1;
    reason = errno;
  }
  if (failed && status != TOOL_USAGE) {
    tool_complain("look at where the output goes: a full disk, a closed pipe", "the output could not be written: %s",
                  strerror(reason));
    return status == TOOL_OK ? TOOL_FAILED : status;
  }
  return status;
}

/* A core would hold the secrets of providers, and would go to whatever collects cores here. */
static void leave_no_core(void) {
  const struct rlimit none = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
  (void)prctl(PR_SET_DUMPABLE, 0);
}

int main(int argc, char **argv) {
  tool_options options;
  const tool_command *command = NULL;
  memset(&options, 0, sizeof(options));
  leave_no_core();
  open_standard_streams();
  tool_text_init();
  int status = tool_read_options(&options, &command, argc, argv);
  if (status < 0) {
    status = command->run(&options);
  }
  tool_free_options(&options);
  return close_output(status);
}
