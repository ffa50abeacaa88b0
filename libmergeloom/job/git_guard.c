/* SPDX-License-Identifier: Apache-2.0 */
#include "job/git_guard.h"

#include <string.h>
#include <strings.h>

#include "base/error.h"

typedef struct refusal {
  const char *name;
  const char *why;
} refusal;

/* Commands by what they would do. */
static const refusal commands[] = {
    {"push", "the worker publishes, not the job"},
    {"fetch", "a job has no remote"},
    {"pull", "a job has no remote"},
    {"clone", "a job has no remote"},
    {"remote", "a job has no remote"},
    {"ls-remote", "a job has no remote"},
    {"fetch-pack", "a job has no remote"},
    {"send-pack", "a job has no remote"},
    {"upload-pack", "a job serves nothing"},
    {"receive-pack", "a job serves nothing"},
    {"upload-archive", "a job serves nothing"},
    {"daemon", "a job serves nothing"},
    {"http-backend", "a job serves nothing"},
    {"instaweb", "a job serves nothing"},
    {"shell", "it runs other programs"},
    {"credential", "credentials are none of the job's business"},
    {"credential-store", "credentials are none of the job's business"},
    {"credential-cache", "credentials are none of the job's business"},
    {"submodule", "it fetches and runs configured commands"},
    {"send-email", "a job sends nothing"},
    {"imap-send", "a job sends nothing"},
    {"request-pull", "a job has no remote"},
    {"svn", "a job has no remote"},
    {"p4", "a job has no remote"},
    {"cvsimport", "a job has no remote"},
    {"cvsserver", "a job serves nothing"},
    {"archimport", "a job has no remote"},
    {"quiltimport", "it runs other programs"},
    {"config", "the repository's configuration stays as it is"},
    {"filter-branch", "it runs other programs"},
    {"filter-repo", "it runs other programs"},
    {"difftool", "it runs other programs"},
    {"mergetool", "it runs other programs"},
    {"gui", "it runs other programs"},
    {"citool", "it runs other programs"},
    {"gitk", "it runs other programs"},
    {"web--browse", "it runs other programs"},
    {"hook", "it runs other programs"},
    {"maintenance", "it changes the configuration"},
    {"worktree", "a job has one working tree"},
    {"init", "a job has one repository"},
    {"help", "it opens a viewer"},
    {"fsmonitor--daemon", "it leaves a process behind"},
    {"replace", "it changes how the history reads"},
    {"update-server-info", "a job serves nothing"},
};

/* Options of git itself, before the command. */
static const refusal global_options[] = {
    {"-c", "configuration can name programs to run"},
    {"--config-env", "configuration can name programs to run"},
    {"--exec-path", "it replaces git's own programs"},
    {"-C", "a job works in its repository only"},
    {"--git-dir", "a job works in its repository only"},
    {"--work-tree", "a job works in its repository only"},
    {"--namespace", "a job works in its repository only"},
    {"--super-prefix", "a job works in its repository only"},
    {"-p", "a pager would wait for keys"},
    {"--paginate", "a pager would wait for keys"},
    {"--html-path", "it is of no use here"},
};

/* Options of any command. git accepts every unique beginning of a long option, so those count too, from
 * three letters on. */
static const refusal command_options[] = {
    {"--upload-pack", "it names a program to run"},         {"--receive-pack", "it names a program to run"},
    {"--ext-diff", "it runs a configured program"},         {"--textconv", "it runs a configured program"},
    {"--open-files-in-pager", "it names a program to run"}, {"--exec", "it names a program to run"},
    {"--filters", "it runs configured programs"},           {"--strategy", "it names a program to run"},
    {"--gpg-sign", "it starts the signing program"},        {"--interactive", "it opens an editor"},

};

static const refusal *find(const refusal *list, size_t count, const char *name, size_t size) {
  for (size_t i = 0; i < count; i++) {
    if (strlen(list[i].name) == size && memcmp(list[i].name, name, size) == 0) {
      return &list[i];
    }
  }
  return NULL;
}

static int32_t refuse(const char *what, const char *why, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_DENIED, MLOOM_DOMAIN_JOB,
                         "use git for status, diff, log, show, blame, add, commit and the like, with plain options",
                         "git %.80s is not allowed: %s", what, why);
}

static int32_t check_option(const char *command, const char *word, mloom_error *error) {
  size_t size = strcspn(word, "=");
  if (strncmp(word, "--", 2) == 0 && size >= 5) {
    for (size_t i = 0; i < sizeof command_options / sizeof *command_options; i++) {
      const refusal *option = &command_options[i];
      if (strlen(option->name) >= size && memcmp(option->name, word, size) == 0) {
        return refuse(word, option->why, error);
      }
    }
  }
  int is_short = word[0] == '-' && word[1] != '-' && word[1] != '\0';
  if (strcmp(command, "grep") == 0 && is_short && strchr(word, 'O') != NULL) {
    return refuse("grep -O", "it names a program to run", error);
  }
  if (strcmp(command, "rebase") == 0 && is_short && (strchr(word, 'x') != NULL || strchr(word, 'i') != NULL)) {
    return refuse(strchr(word, 'x') != NULL ? "rebase -x" : "rebase -i", "it runs other programs", error);
  }
  if (strcmp(command, "archive") == 0 && strncmp(word, "--remote", 8) == 0) {
    return refuse("archive --remote", "a job has no remote", error);
  }
  if ((strcmp(command, "merge") == 0 || strcmp(command, "cherry-pick") == 0 || strcmp(command, "revert") == 0 ||
       strcmp(command, "rebase") == 0) &&
      is_short && word[1] == 's') {
    return refuse("-s", "a merge strategy names a program to run", error);
  }
  return MLOOM_OK;
}

int32_t mloom_git_guard_check(const char *const *argv, size_t count, mloom_error *error) {
  size_t at = 1;
  for (; at < count && argv[at][0] == '-'; at++) {
    const char *word = argv[at];
    size_t size = strncmp(word, "--", 2) == 0 ? strcspn(word, "=") : strlen(word);
    const refusal *option = find(global_options, sizeof global_options / sizeof *global_options, word, size);
    /* -cname=value and -Cpath are one word too. */
    if (option == NULL && (strncmp(word, "-c", 2) == 0 || strncmp(word, "-C", 2) == 0)) {
      option = word[1] == 'c' ? &global_options[0] : &global_options[3];
    }
    if (option != NULL) {
      return refuse(option->name, option->why, error);
    }
  }
  if (at == count) {
    return MLOOM_OK; /* git --version and its like */
  }
  const char *command = argv[at];
  const refusal *refused = find(commands, sizeof commands / sizeof *commands, command, strlen(command));
  if (refused != NULL) {
    return refuse(command, refused->why, error);
  }
  if (strncmp(command, "remote-", 7) == 0 || strncmp(command, "credential-", 11) == 0) {
    return refuse(command, "a job has no remote", error);
  }
  if (strcmp(command, "bisect") == 0 && at + 1 < count && strcmp(argv[at + 1], "run") == 0) {
    return refuse("bisect run", "it runs other programs", error);
  }
  for (at++; at < count && strcmp(argv[at], "--") != 0; at++) {
    int32_t code = check_option(command, argv[at], error);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}
