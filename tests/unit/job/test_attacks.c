/* SPDX-License-Identifier: Apache-2.0
 *
 * Attacks through run_command, each with programs that the worker allows.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "job/git_guard.h"

/* Runs python3 with code that contains no double quotes and no backslashes. */
static int32_t python(bench *b, const char *code) {
  char arguments[4096];
  snprintf(arguments, sizeof arguments, "{\"argv\": [\"python3\", \"-c\", \"%s\"]}", code);
  return bench_tool(b, "run_command", arguments);
}

static int answered(const bench *b, const char *part) {
  int found = strstr(mloom_buffer_string(&b->out), part) != NULL;
  if (!found) {
    fprintf(stderr, "no \"%s\" in: %s\n", part, mloom_buffer_string(&b->out));
  }
  return found;
}

static void open_both(fixture *f, bench *b) {
  fixture_open(f);
  bench_open(b, f, 0);
}

static void close_both(fixture *f, bench *b) {
  bench_close(b);
  fixture_close(f);
}

static void test_python3_cannot_read_a_secret(void) {
  fixture f;
  bench b;
  open_both(&f, &b);
  fixture_shell(&f, "echo fake-words > ../secret; chmod 644 ../secret");
  UNIT_ASSERT_CODE(python(&b, "open('../secret').read()"), MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "PermissionError"));
  CU_ASSERT(answered(&b, "exit code 1"));
  UNIT_ASSERT_CODE(python(&b, "import os; os.symlink('../secret', 'link'); print(open('link').read())"), MLOOM_OK,
                   &b.error);
  CU_ASSERT(answered(&b, "PermissionError"));
  char program[200];
  snprintf(program, sizeof program, "print(open('/proc/%d/environ').read())", (int)getpid());
  UNIT_ASSERT_CODE(python(&b, program), MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "exit code 1"));
  close_both(&f, &b);
}

static void test_python3_cannot_write_outside(void) {
  fixture f;
  bench b;
  open_both(&f, &b);
  UNIT_ASSERT_CODE(python(&b, "open('../outside', 'w')"), MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "exit code 1"));
  UNIT_ASSERT_CODE(python(&b, "open('/tmp/mergeloom-attack', 'w')"), MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "exit code 1"));
  UNIT_ASSERT_CODE(python(&b, "import os; os.rename('main.c', '../main.c')"), MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "exit code 1"));
  UNIT_ASSERT_STRING(fixture_output(&f, "ls .. && ls main.c"), "repository\nscratch\nmain.c\n");
  close_both(&f, &b);
}

static void test_python3_cannot_connect(void) {
  fixture f;
  bench b;
  open_both(&f, &b);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof address;
  CU_ASSERT_EQUAL(bind(listener, (struct sockaddr *)&address, size), 0);
  CU_ASSERT_EQUAL(listen(listener, 1), 0);
  getsockname(listener, (struct sockaddr *)&address, &size);
  char code[200];
  snprintf(code, sizeof code, "import socket; socket.create_connection(('127.0.0.1', %d)); print('connected')",
           ntohs(address.sin_port));
  UNIT_ASSERT_CODE(python(&b, code), MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "exit code 1"));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "\nconnected"));
  close(listener);
  close_both(&f, &b);
}

static void test_the_environment_is_built_from_nothing(void) {
  fixture f;
  bench b;
  setenv("FAKE_API_KEY", "fake-words", 1);
  open_both(&f, &b);
  UNIT_ASSERT_CODE(python(&b, "import os; print(sorted(os.environ))"), MLOOM_OK, &b.error);
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "FAKE_API_KEY"));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "MERGELOOM"));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "LD_"));
  CU_ASSERT(answered(&b, "'GIT_CONFIG_NOSYSTEM'"));
  unsetenv("FAKE_API_KEY");
  close_both(&f, &b);
}

static void test_commands_are_named_not_located(void) {
  static const char *const refused[] = {"{\"argv\": [\"/usr/bin/python3\"]}",
                                        "{\"argv\": [\"./script.py\"]}",
                                        "{\"argv\": [\"curl\"]}",
                                        "{\"argv\": [\"\"]}",
                                        "{\"argv\": [\"git; ls\"]}",
                                        "{\"argv\": [\"..\"]}",
                                        "{\"argv\": [\"python3 \"]}"};
  fixture f;
  bench b;
  open_both(&f, &b);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    UNIT_ASSERT_CODE(bench_tool(&b, "run_command", refused[i]), MLOOM_E_DENIED, &b.error);
  }
  CU_ASSERT_EQUAL(bench_tool(&b, "run_command", "{\"argv\": []}"), MLOOM_E_INVALID);
  CU_ASSERT_EQUAL(bench_tool(&b, "run_command", "{\"argv\": [1]}"), MLOOM_E_INVALID);
  CU_ASSERT_EQUAL(bench_tool(&b, "run_command", "{\"argv\": \"git status\"}"), MLOOM_E_INVALID);
  /* An argument is an argument: nothing splits or expands it. */
  UNIT_ASSERT_CODE(python(&b, "import sys; print(sys.argv[1:])\", \"$HOME; ls | cat"), MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "['$HOME; ls | cat']"));
  /* A program of the repository's does not stand in for an allowed one. */
  fixture_shell(&f, "printf '#!/bin/sh\\necho mine\\n' > true && chmod +x true");
  UNIT_ASSERT_CODE(bench_tool(&b, "run_command", "{\"argv\": [\"true\"]}"), MLOOM_OK, &b.error);
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "mine"));
  close_both(&f, &b);
}

static void test_git_with_words_that_run_programs(void) {
  static const char *const refused[][6] = {{"git", "-c", "core.pager=touch x", "log"},
                                           {"git", "-ccore.pager=touch x", "log"},
                                           {"git", "--config-env=core.pager=HOME", "log"},
                                           {"git", "--exec-path=/tmp", "status"},
                                           {"git", "-C", "/", "status"},
                                           {"git", "--git-dir=/tmp/x", "status"},
                                           {"git", "--git-dir", "/tmp/x", "status"},
                                           {"git", "--work-tree=/", "status"},
                                           {"git", "-p", "log"},
                                           {"git", "push", "origin", "main"},
                                           {"git", "fetch"},
                                           {"git", "pull"},
                                           {"git", "clone", "ext::sh -c x"},
                                           {"git", "remote", "add", "x", "y"},
                                           {"git", "ls-remote", "--upload-pack=touch x", "."},
                                           {"git", "submodule", "update"},
                                           {"git", "send-email"},
                                           {"git", "daemon"},
                                           {"git", "config", "core.hooksPath", "hooks"},
                                           {"git", "filter-branch"},
                                           {"git", "bisect", "run", "sh"},
                                           {"git", "difftool"},
                                           {"git", "mergetool"},
                                           {"git", "rebase", "-x", "sh", "HEAD~1"},
                                           {"git", "rebase", "--exec=sh", "HEAD~1"},
                                           {"git", "rebase", "--exe", "sh", "HEAD~1"},
                                           {"git", "rebase", "-i", "HEAD~1"},
                                           {"git", "grep", "-Osh", "x"},
                                           {"git", "grep", "--open-files-in-pager=sh", "x"},
                                           {"git", "grep", "--open", "x"},
                                           {"git", "diff", "--ext-diff"},
                                           {"git", "log", "-p", "--ext-d"},
                                           {"git", "show", "--textconv"},
                                           {"git", "cat-file", "--textconv", "HEAD:x"},
                                           {"git", "archive", "--remote=x", "HEAD"},
                                           {"git", "archive", "--exec=x", "HEAD"},
                                           {"git", "credential", "fill"},
                                           {"git", "remote-ext", "x"},
                                           {"git", "worktree", "add", "../x"}};
  static const char *const allowed[][6] = {
      {"git", "status", "--short"},     {"git", "diff", "--stat"},      {"git", "log", "--oneline", "-5"},
      {"git", "show", "HEAD"},          {"git", "blame", "main.c"},     {"git", "add", "-A"},
      {"git", "commit", "-m", "-x"},    {"git", "grep", "-n", "main"},  {"git", "--version"},
      {"git", "--no-pager", "log"},     {"git", "checkout", "-b", "x"}, {"git", "log", "--", "--exec"},
      {"git", "diff", "--no-ext-diff"}, {"git", "log", "--since=1.day"}};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    size_t count = 0;
    while (count < 6 && refused[i][count] != NULL) {
      count++;
    }
    mloom_error error = MLOOM_ERROR_INIT;
    if (mloom_git_guard_check(refused[i], count, &error) != MLOOM_E_DENIED) {
      fprintf(stderr, "let through: git %s %s\n", refused[i][1], refused[i][2] == NULL ? "" : refused[i][2]);
      CU_FAIL("a git command line was let through");
    }
    CU_ASSERT(error.message[0] != '\0' && error.remedy[0] != '\0');
  }
  for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
    size_t count = 0;
    while (count < 6 && allowed[i][count] != NULL) {
      count++;
    }
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(mloom_git_guard_check(allowed[i], count, &error), MLOOM_OK, &error);
  }
}

/* The guard stands before the tool: the words never reach git. */
static void test_git_words_through_the_tool(void) {
  fixture f;
  bench b;
  open_both(&f, &b);
  UNIT_ASSERT_CODE(bench_tool(&b, "run_command", "{\"argv\": [\"git\", \"-c\", \"core.pager=x\", \"log\"]}"),
                   MLOOM_E_DENIED, &b.error);
  UNIT_ASSERT_CODE(bench_tool(&b, "run_command", "{\"argv\": [\"git\", \"push\"]}"), MLOOM_E_DENIED, &b.error);
  UNIT_ASSERT_CODE(bench_tool(&b, "run_command", "{\"argv\": [\"git\", \"status\"]}"), MLOOM_OK, &b.error);
  close_both(&f, &b);
}

/* The second wall: python3 starts git, so that no guard sees the words. */
static void test_git_push_through_python3(void) {
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(&f, "git init -q --bare ../remote && git remote add origin ../remote");
  bench_open(&b, &f, 0);
  UNIT_ASSERT_CODE(python(&b, "import subprocess; subprocess.call(['git', 'push', 'origin', 'main'])"), MLOOM_OK,
                   &b.error);
  UNIT_ASSERT_STRING(fixture_output(&f, "git -C ../remote for-each-ref"), "");
  close_both(&f, &b);
}

static void test_hooks_written_by_python3(void) {
  fixture f;
  bench b;
  open_both(&f, &b);
  fixture_shell(
      &f, "git config core.editor true && cp .git/config ../config-before && ls -lR .git/hooks > ../hooks-before");
  mloom_git_metadata_free(&b.metadata);
  UNIT_ASSERT_CODE(mloom_git_metadata_load(&b.metadata, &b.workspace, &b.error), MLOOM_OK, &b.error);
  UNIT_ASSERT_CODE(
      python(
          &b,
          "import os; open('.git/hooks/post-checkout', 'w').write('#!/bin/sh'); os.chmod('.git/hooks/post-checkout', "
          "0o755); os.remove('.git/hooks/pre-commit.sample'); open('.git/hooks/update.sample', 'a').write('x')"),
      MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "exit code 0"));
  CU_ASSERT(answered(&b, ".git/hooks/post-checkout was changed by this command and has been put back"));
  CU_ASSERT(answered(&b, ".git/hooks/pre-commit.sample"));
  CU_ASSERT(answered(&b, ".git/hooks/update.sample"));
  CU_ASSERT_EQUAL(b.tools.tampered.count, 3);
  CU_ASSERT_PTR_NULL(fixture_file(&f, ".git/hooks/post-checkout"));
  UNIT_ASSERT_STRING(fixture_output(&f,
                                    "ls -lR .git/hooks | sed 's/ [A-Z][a-z]* .*:.. / /' > ../a; sed 's/ [A-Z][a-z]* "
                                    ".*:.. / /' ../hooks-before | diff - ../a && echo same"),
                     "same\n");
  close_both(&f, &b);
}

static void test_the_configuration_edited_by_python3(void) {
  fixture f;
  bench b;
  open_both(&f, &b);
  char before[4096];
  snprintf(before, sizeof before, "%s", fixture_file(&f, ".git/config"));
  UNIT_ASSERT_CODE(python(&b, "open('.git/config', 'a').write('[core]' + chr(10) + 'fsmonitor = touch pwned')"),
                   MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, ".git/config was changed by this command and has been put back"));
  UNIT_ASSERT_STRING(fixture_file(&f, ".git/config"), before);
  /* Through a link, with a replaced folder, and with more places that git believes. */
  fixture_shell(&f, "echo untouched > ../victim");
  UNIT_ASSERT_CODE(python(&b, "import os, shutil; os.remove('.git/config'); os.symlink('../../victim', '.git/config'); "
                              "shutil.rmtree('.git/hooks'); os.symlink('../docs', '.git/hooks'); "
                              "open('.git/info/attributes', 'w').write('* filter=x'); "
                              "open('.git/commondir', 'w').write('../docs'); os.makedirs('.git/rebase-merge'); "
                              "open('.git/rebase-merge/git-rebase-todo', 'w').write('exec sh')"),
                   MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "exit code 0"));
  UNIT_ASSERT_STRING(fixture_file(&f, ".git/config"), before);
  UNIT_ASSERT_STRING(
      fixture_output(&f, "cat ../victim; ls docs; git fsck 2>&1; git status --short; ls -d .git/hooks/*.sample "
                         "| wc -l; ls .git/rebase-merge .git/commondir .git/info/attributes 2>/dev/null"),
      "untouched\nguide.md\n13\n");
  close_both(&f, &b);
}

/* What was not remembered, because there is too much of it, is not taken for new once there is room for it. */
static void test_more_hooks_than_are_remembered(void) {
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(&f, "python3 -c 'for i in range(5200): open(f\".git/hooks/h{i}\", \"w\").close()'");
  bench_open(&b, &f, 0);
  CU_ASSERT_EQUAL(b.metadata.incomplete, 1);
  UNIT_ASSERT_CODE(
      bench_tool(&b, "run_command", "{\"argv\": [\"sh\", \"-c\", \"rm $(ls .git/hooks/h* | head -300)\"]}"), MLOOM_OK,
      &b.error);
  /* Of the 300, few are among the 200 that were not remembered. */
  CU_ASSERT(atoi(fixture_output(&f, "ls .git/hooks | wc -l")) > 5150);
  close_both(&f, &b);
}

static void test_a_replaced_repository_ends_the_job(void) {
  fixture f;
  fixture_open(&f);
  const char *turns[] = {
      "call run_command {\"argv\": [\"sh\", \"-c\", \"mv .git .old; mkdir .git; cp -r .old/. .git/; echo x "
      ">> .git/config\"]}\n",
      "text never asked\n", NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
  UNIT_ASSERT_STRING(fixture_result(&f, "state"), "failed");
  UNIT_ASSERT_STRING(fixture_result(&f, "tampered.0"), ".git");
  UNIT_ASSERT_STRING(fixture_result(&f, "turns"), "1");
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.message, "replaced the repository's .git"));
  fixture_close(&f);
}

/* A filter that the repository's owner configured runs for the model's git inside the sandbox only, and for the
 * engine's git not at all. */
static void test_smudge_and_clean_filters(void) {
  fixture f;
  fixture_open(&f);
  fixture_shell(&f, "git config filter.evil.clean 'touch ../cleaned; cat' && git config filter.evil.smudge 'touch "
                    "../smudged; cat'");
  const char *turns[] = {"call write_file {\"path\": \".gitattributes\", \"content\": \"* filter=evil diff=evil\\n\"}\n"
                         "call edit_file {\"path\": \"main.c\", \"old_text\": \"1\", \"new_text\": \"0\"}\n"
                         "call inspect_diff {}\ncall run_command {\"argv\": [\"git\", \"add\", \"-A\"]}\n"
                         "call run_command {\"argv\": [\"git\", \"checkout\", \"-f\", \"HEAD\", \"script.py\"]}\n",
                         "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", \"files_changed\": "
                         "[\"main.c\", \".gitattributes\"]}\n",
                         NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
  UNIT_ASSERT_STRING(fixture_result(&f, "state"), "completed");
  UNIT_ASSERT_STRING(fixture_result(&f, "diff.files"), "2");
  UNIT_ASSERT_STRING(fixture_output(&f, "ls .. | grep -E 'cleaned|smudged'; true"), "");
  fixture_close(&f);
}

static void test_a_new_repository_inside_is_reported(void) {
  fixture f;
  fixture_open(&f);
  const char *turns[] = {
      "call run_command {\"argv\": [\"sh\", \"-c\", \"git init -q inner && echo x > inner/x\"]}\n"
      "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", \"files_changed\": []}\n",
      NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(fixture_result(&f, "discrepancies"), "inner/ is a new repository of its own"));
  fixture_close(&f);
}

/* A git that looks at the whole tree starts what the configuration of a repository inside it names. */
static void test_repositories_inside(void) {
  fixture f;
  fixture_open(&f);
  fixture_shell(&f,
                "git init -q kept && cd kept && git config user.name Test && git config user.email t@localhost && echo "
                "k > k && git add k && git commit -qm Kept && cd .. && git clone -q kept moved && git worktree add -q "
                "tree 2>/dev/null && cp tree/.git ../tree-git && cp kept/.git/config ../kept-config");
  const char *turns[] = {
      "call run_command {\"argv\": [\"sh\", \"-c\", \"git init -q -b main new && cd new && echo n > n && git add n && "
      "git commit -qm New && git config core.fsmonitor 'touch ../../owned;false' && cd .. && git add new && for i in "
      "kept "
      "moved; do git -C $i config core.fsmonitor 'touch ../../owned;false'; done; mv moved new/moved; git init -q "
      "docs/x && "
      "mv docs/x/.git evil && echo 'gitdir: ../evil' | tee docs/.git > tree/.git; git -C kept add k; echo o >> "
      "new/n\"]}\n"
      "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", \"files_changed\": []}\n",
      NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
  UNIT_ASSERT_STRING(fixture_result(&f, "state"), "completed");
  static const char *const tampered[] = {"docs/.git", "kept/.git/config", "new/.git/config", "new/moved/.git/config",
                                         "tree/.git"};
  for (size_t i = 0; i < sizeof tampered / sizeof *tampered; i++) {
    CU_ASSERT_PTR_NOT_NULL(strstr(fixture_result(&f, "tampered"), tampered[i]));
  }
  fixture_shell(&f, "git status >/dev/null; git diff >/dev/null; for i in new kept new/moved docs tree; do git -C $i "
                    "status >/dev/null 2>&1; done");
  UNIT_ASSERT_STRING(fixture_output(&f, "ls ../owned 2>/dev/null; git ls-files -s new | cut -c1-6"), "160000\n");
  UNIT_ASSERT_STRING(fixture_output(&f, "diff kept/.git/config ../kept-config; diff tree/.git ../tree-git"), "");
  fixture_close(&f);
}

/* What the model's git says to the index does not hide changes from the diff. */
static void test_changes_cannot_be_hidden(void) {
  fixture f;
  fixture_open(&f);
  const char *turns[] = {
      "call run_command {\"argv\": [\"git\", \"update-index\", \"--assume-unchanged\", \"main.c\"]}\n"
      "call edit_file {\"path\": \"main.c\", \"old_text\": \"1\", \"new_text\": \"0\"}\n"
      "call run_command {\"argv\": [\"sh\", \"-c\", \"echo script.py >> .git/info/exclude; git rm -q "
      "--cached script.py; echo y >> script.py; git commit -qam Hidden\"]}\n"
      "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", \"files_changed\": []}\n",
      NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
  UNIT_ASSERT_STRING(fixture_result(&f, "files_changed.0.path"), "main.c");
  UNIT_ASSERT_STRING(fixture_result(&f, "files_changed.1.path"), "script.py");
  char before[80];
  snprintf(before, sizeof before, "%s", fixture_result(&f, "repository.head_before"));
  CU_ASSERT_STRING_NOT_EQUAL(fixture_result(&f, "repository.head_after"), before);
  fixture_close(&f);
}

/* An index that an earlier job, or its owner, told to overlook files: not written, not there, or in two parts. */
static void test_an_index_that_hides(void) {
  static const char *const setups[] = {
      "git update-index --assume-unchanged main.c",
      "git update-index --index-version 4 && git update-index --assume-unchanged main.c",
      "git update-index --split-index --assume-unchanged main.c",
      "git update-index --assume-unchanged main.c && git update-index --split-index",
      "git sparse-checkout set --no-cone /docs /script.py",
      "git sparse-checkout set --cone docs && git update-index --skip-worktree main.c",
      "git config core.safecrlf true && git config core.autocrlf true"};
  const char *turns[] = {
      "call write_file {\"path\": \"main.c\", \"content\": \"hidden\\nlines\\r\\n\"}\n"
      "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", \"files_changed\": []}\n",
      NULL};
  for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
    fixture f;
    fixture_open(&f);
    CU_ASSERT_EQUAL(fixture_shell(&f, "%s", setups[i]), 0);
    UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
    UNIT_ASSERT_STRING(fixture_result(&f, "state"), "completed");
    UNIT_ASSERT_STRING(fixture_result(&f, "diff.files"), "1");
    UNIT_ASSERT_STRING(fixture_result(&f, "files_changed.0.path"), "main.c");
    UNIT_ASSERT_STRING(fixture_result(&f, "files_changed.0.status"), "modified");
    UNIT_ASSERT_STRING(fixture_result(&f, "repository.dirty_before"), "false");
    fixture_close(&f);
  }
}

/* A tree that comes with a .git of its maker's choice does not open folders of the worker's machine to commands. */
static void test_a_git_that_points_elsewhere(void) {
  static const char *const setups[] = {
      "mv .git ../real && echo 'gitdir: ../private' > .git",
      "mkdir m && cp .git/HEAD m && realpath ../private > m/commondir && mv .git ../real && echo gitdir: m > .git",
      "realpath ../private > .git/objects/info/alternates"};
  const char *turns[] = {"call run_command {\"argv\": [\"cat\", \"../private/HEAD\"]}\n"
                         "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", "
                         "\"files_changed\": []}\n",
                         NULL};
  for (size_t i = 0; i < sizeof setups / sizeof *setups; i++) {
    fixture f;
    fixture_open(&f);
    CU_ASSERT_EQUAL(
        fixture_shell(&f, "mkdir ../private && echo of-nobodys-business > ../private/HEAD && %s", setups[i]), 0);
    UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
    CU_ASSERT_FALSE(fixture_was_told(&f, "of-nobodys-business"));
    UNIT_ASSERT_STRING(fixture_result(&f, "state"), i < 2 ? "failed" : "completed");
    fixture_close(&f);
  }
}

static void test_a_repository_without_a_tree(void) {
  fixture f;
  fixture_open(&f);
  const char *turns[] = {"text never asked\n", NULL};
  fixture_shell(&f, "git clone -q --bare . ../bare && rm -rf ./* .git && mv ../bare/* .");
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
  UNIT_ASSERT_STRING(fixture_result(&f, "state"), "failed");
  CU_ASSERT_PTR_NOT_NULL(strstr(f.error.message, "is a repository without a working tree"));
  fixture_close(&f);
}

static void test_credentials_in_the_configuration(void) {
  fixture f;
  fixture_open(&f);
  fixture_shell(
      &f, "git remote add origin https://user:obviously-fake-words@localhost/x.git && git remote add other "
          "https://a-fake-token@localhost/y && git config http.extraheader 'AUTHORIZATION: basic ZmFrZSB3b3Jkcw=='");
  const char *turns[] = {"call run_command {\"argv\": [\"cat\", \".git/config\"]}\n"
                         "call submit_result {\"status\": \"completed\", \"summary\": \"It is obviously-fake-words.\", "
                         "\"files_changed\": []}\n",
                         NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, turns, 0), MLOOM_OK, &f.error);
  CU_ASSERT(fixture_was_told(&f, "[remote \"origin\"]"));
  CU_ASSERT_FALSE(fixture_was_told(&f, "obviously-fake-words"));
  CU_ASSERT_FALSE(fixture_was_told(&f, "a-fake-token"));
  CU_ASSERT_FALSE(fixture_was_told(&f, "ZmFrZSB3b3Jkcw"));
  CU_ASSERT_PTR_NULL(strstr(fixture_result(&f, "summary"), "obviously"));
  CU_ASSERT_PTR_NULL(strstr(f.events.data, "obviously-fake"));
  fixture_close(&f);
}

static void test_endless_output_and_left_processes(void) {
  fixture f;
  bench b;
  open_both(&f, &b);
  UNIT_ASSERT_CODE(bench_tool(&b, "run_command", "{\"argv\": [\"sh\", \"-c\", \"cat /dev/zero\"]}"), MLOOM_OK,
                   &b.error);
  CU_ASSERT(answered(&b, "it wrote too much output"));
  CU_ASSERT(b.out.size < 200000);
  UNIT_ASSERT_CODE(bench_tool(&b, "run_command",
                              "{\"argv\": [\"sh\", \"-c\", \"(trap '' TERM; setsid sleep 301) >/dev/null 2>&1 & echo "
                              "started\"]}"),
                   MLOOM_OK, &b.error);
  CU_ASSERT(answered(&b, "started"));
  UNIT_ASSERT_STRING(fixture_output(&f, "pgrep -fx 'sleep 301' || echo none"), "none\n");
  UNIT_ASSERT_CODE(bench_tool(&b, "run_command", "{\"argv\": [\"sleep\", \"302\"], \"timeout_seconds\": 1}"), MLOOM_OK,
                   &b.error);
  CU_ASSERT(answered(&b, "it ran longer than its time limit"));
  close_both(&f, &b);
}

static const unit_test tests[] = {
    {"python3 cannot read a secret", test_python3_cannot_read_a_secret},
    {"python3 cannot write outside", test_python3_cannot_write_outside},
    {"python3 cannot connect", test_python3_cannot_connect},
    {"the environment is built from nothing", test_the_environment_is_built_from_nothing},
    {"commands are named, not located", test_commands_are_named_not_located},
    {"git with words that run programs", test_git_with_words_that_run_programs},
    {"git words through the tool", test_git_words_through_the_tool},
    {"git push through python3", test_git_push_through_python3},
    {"hooks written by python3", test_hooks_written_by_python3},
    {"the configuration edited by python3", test_the_configuration_edited_by_python3},
    {"more hooks than are remembered", test_more_hooks_than_are_remembered},
    {"a replaced repository ends the job", test_a_replaced_repository_ends_the_job},
    {"smudge and clean filters", test_smudge_and_clean_filters},
    {"a new repository inside is reported", test_a_new_repository_inside_is_reported},
    {"repositories inside", test_repositories_inside},
    {"changes cannot be hidden", test_changes_cannot_be_hidden},
    {"an index that hides", test_an_index_that_hides},
    {"a .git that points elsewhere", test_a_git_that_points_elsewhere},
    {"a repository without a tree", test_a_repository_without_a_tree},
    {"credentials in the configuration", test_credentials_in_the_configuration},
    {"endless output and left processes", test_endless_output_and_left_processes},
};

UNIT_MAIN("job attacks", tests)
