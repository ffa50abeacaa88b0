/* SPDX-License-Identifier: Apache-2.0 */
#include "backup_command.h"

#include <stdio.h>
#include <string.h>

#include "store/backup.h"

static int32_t back_up(const deployment *where, const char *file, int with_key, int force, mloom_error *error) {
  int32_t code = backup_write(where, file, with_key, force, error);
  if (code != MLOOM_OK) {
    return code;
  }
  printf("mergeloomd: settings, jobs and audit are in %s\n", file);
  printf(with_key ? "mergeloomd: the key of its secrets is in it too: whoever reads it reads them (%s)\n"
                  : "mergeloomd: its secrets are sealed; the key is not in it: keep a copy of %s in another place\n",
         where->secret_key_path);
  return MLOOM_OK;
}

static int32_t restore(const deployment *where, const char *file, int without_secrets, mloom_error *error) {
  backup_report report;
  int32_t code = backup_restore(where, file, without_secrets, &report, error);
  if (code != MLOOM_OK) {
    return code;
  }
  printf("mergeloomd: restored what %s held at %s\n", file, report.made_at);
  if (report.suffix[0] != '\0') {
    printf("mergeloomd: the former files have %s at the end of their names now\n", report.suffix);
  }
  if (report.lost_secrets > 0) {
    printf("mergeloomd: %d secrets do not open and have to be entered again\n", report.lost_secrets);
  }
  return MLOOM_OK;
}

int backup_command_is(const char *word) {
  return strcmp(word, "backup") == 0 || strcmp(word, "restore") == 0;
}

int32_t backup_command_run(const deployment *where, const char *command, int count, char **words, mloom_error *error) {
  int is_restore = strcmp(command, "restore") == 0, force = 0, with_key = 0, without_secrets = 0;
  const char *file = NULL;
  for (int i = 0; i < count; i++) {
    if (!is_restore && strcmp(words[i], "--force") == 0) {
      force = 1;
    } else if (!is_restore && strcmp(words[i], "--with-key") == 0) {
      with_key = 1;
    } else if (is_restore && strcmp(words[i], "--without-secrets") == 0) {
      without_secrets = 1;
    } else if (words[i][0] == '-' || words[i][0] == '\0' || file != NULL) {
      return BACKUP_USAGE;
    } else {
      file = words[i];
    }
  }
  if (file == NULL) {
    return BACKUP_USAGE;
  }
  return is_restore ? restore(where, file, without_secrets, error) : back_up(where, file, with_key, force, error);
}
