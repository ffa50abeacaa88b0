/* SPDX-License-Identifier: Apache-2.0
 *
 * What is let through is judged by bash itself: of random lines that name a program which is not allowed, those that
 * are let through are run, and the program must not have been.
 */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/shell_line.h"

static const char *const names[] = {"git", "python3", "cat", NULL};

static int32_t judge(const char *line, mloom_buffer *reason) {
  mloom_buffer_clear(reason);
  return mloom_shell_line_judge((mloom_bytes){line, strlen(line)}, names, reason);
}

static void test_allowed(void) {
  static const char *const lines[] = {
      "git status",
      "git diff --stat && false",
      "  git log -1 --format='%H; rm $(x)' | head -n 3 || true ; pwd\n",
      "/usr/bin/git x; /bin/cat y",
      "'gi't \"status\"",
      "PYTHONPATH=src FOO+=1 python3 -m unittest \"$HOME/x\" $HOME *.py {a,b} ~/x",
      "cd sub && ls -la",
      "sed -n '1,120p' file | grep -n 'a b' | sort -u | uniq -c",
      "sed -n 10,\\$p file",
      "find . -name '*.c' -type f",
      "rg -n 'a|b' src",
      "[ -f x ] && test ! -d 'y z' && echo yes",
      "git x 2>&1 >out.txt </dev/null 2>/dev/null &>>log <<<word",
      "cat <<'EOF' > made.sh\nrm -rf /; $(evil) `evil`\nEOF\ngit add made.sh",
      "cat <<EOF\nplain \\$(text) $HOME\nEOF\n",
      "cat <<-'A' <<B\n\tone\n\tA\ntwo\nB\ngit status",
      "apply_patch <<'PATCH'\n*** Begin Patch\n*** End Patch\nPATCH\n",
      "git status # evil; evil",
      "# only a comment\n\n",
      "git \\\n  status",
      "git commit -m \"a \\\"quoted\\\" \\$word\"",
      "printf '%s\\n' a b",
      "",
  };
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    int32_t code = judge(lines[i], &reason);
    if (code != MLOOM_OK) {
      fprintf(stderr, "refused: %s: %s\n", lines[i], mloom_buffer_string(&reason));
    }
    CU_ASSERT_EQUAL(code, MLOOM_OK);
    CU_ASSERT_EQUAL(reason.size, 0);
  }
}

static void test_refused(void) {
  static const struct {
    const char *line;
    const char *reason;
  } cases[] = {
      {"evil", "evil; allowed are git, python3, cat"},
      {"git x && evil", "evil"},
      {"git x | xargs rm", "xargs"},
      {"git x\nevil", "evil"},
      {"git x;evil", "evil"},
      {"'evil' x", "evil"},
      {"e\\vil", "evil"},
      {">out evil", "evil"},
      {"X=1 evil", "evil"},
      {"git $(evil)", "$("},
      {"git \"$(evil)\"", "$("},
      {"git `evil`", "`"},
      {"git \"`evil`\"", "`"},
      {"git ${x@P}", "${"},
      {"git $[a[$(evil)]]", "$["},
      {"git $'\\'; evil'", "$'"},
      {"cat <(evil)", "$("},
      {"git x & evil", "background"},
      {"(evil)", "parentheses"},
      {"git() { evil; }", "parentheses"},
      {"if git x; then evil; fi", "if"},
      {"for a in b; do git; done", "for"},
      {"{ git x; }", "plain name"},
      {"! git x", "plain name"},
      {"$x status", "plain name"},
      {"gi* x", "plain name"},
      {"{git,x}", "plain name"},
      {"./git", "plain name"},
      {"/opt/bin/git", "plain name"},
      {"sub/git", "plain name"},
      {"~/git", "plain name"},
      {"'' x", "plain name"},
      {"PATH=. git", "PATH"},
      {"LD_PRELOAD=./x.so git", "PATH"},
      {"BASH_ENV=x git", "PATH"},
      {"sed -i s/a/b/ x", "-i"},
      {"sed 's/x/y/e' x", "s/x/y/e"},
      {"sed -n '1e evil' x", "1e evil"},
      {"sed -n $x y", "$x"},
      {"find . -exec evil {} +", "-exec"},
      {"find . $x", "$x"},
      {"find . -ex{ec,x}", "{"},
      {"rg --pre evil x", "--pre"},
      {"rg x *", "*"},
      {"sort --compress-program=evil x", "--compress"},
      {"printf -v 'a[$(evil)]' x", "-v"},
      {"[ -v 'a[$(evil)]' ]", "-v"},
      {"eval evil", "eval"},
      {"exec evil", "exec"},
      {"command evil", "command"},
      {". ./evil", "commands: .;"},
      {"trap evil EXIT", "trap"},
      {"cat <<EOF\n$(evil)\nEOF", "$("},
      {"cat <<EOF\nEO\\\nF\nevil", "backslash"},
      {"cat <<'E'\nE\nevil", "evil"},
      {"cat <<'E' <<'F'\nE\nF\nevil", "evil"},
      {"git 'open", "not closed"},
      {"git \"open", "not closed"},
      {"git >", "no file"},
  };
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int32_t code = judge(cases[i].line, &reason);
    int told = strstr(mloom_buffer_string(&reason), cases[i].reason) != NULL;
    if (code != MLOOM_E_DENIED || !told) {
      fprintf(stderr, "%s: %d, %s\n", cases[i].line, (int)code, mloom_buffer_string(&reason));
    }
    CU_ASSERT_EQUAL(code, MLOOM_E_DENIED);
    CU_ASSERT(told);
  }
  mloom_buffer_clear(&reason);
  CU_ASSERT_EQUAL(mloom_shell_line_judge((mloom_bytes){"git\0x", 5}, names, &reason), MLOOM_E_DENIED);
}

static void test_started(void) {
  static const struct {
    const char *text;
    int32_t code;
  } cases[] = {{"/bin/bash -lc \"git status\"", MLOOM_OK},
               {"/bin/bash -c 'git x && evil'", MLOOM_E_DENIED},
               {"/usr/bin/zsh -lc \"python3 -c 'print(\\\"\\$x\\\")'\"", MLOOM_OK},
               {"bash -c evil", MLOOM_E_DENIED},
               {"git status", MLOOM_OK},
               {"evil status", MLOOM_E_DENIED},
               {"/bin/bash -c 'open", MLOOM_E_INVALID},
               {"a | b", MLOOM_E_INVALID},
               {"", MLOOM_E_INVALID}};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    mloom_buffer_clear(&reason);
    int32_t code = mloom_shell_line_judge_started((mloom_bytes){cases[i].text, strlen(cases[i].text)}, names, &reason);
    if (code != cases[i].code) {
      fprintf(stderr, "%s: %d\n", cases[i].text, (int)code);
    }
    CU_ASSERT_EQUAL(code, cases[i].code);
    CU_ASSERT_EQUAL(reason.size > 0, cases[i].code == MLOOM_E_DENIED);
  }
}

/* ---- Against bash ---- */

typedef struct random_lines {
  uint64_t state;
  char folder[40];
  char ran[60];
} random_lines;

static uint32_t next(random_lines *self, uint32_t limit) {
  self->state = self->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(self->state >> 33) % limit;
}

static void make_line(random_lines *self, mloom_buffer *out) {
  static const char *const pieces[] = {
      "evil", "evil",     "evil",   "git",      "cat",     "sed -n",     "find .", "rg x",   "sort",  "test",
      "[",    "]",        "printf", "echo",     "cd .",    "eval",       "exec",   ".",      "trap",  "command",
      "X=1",  "PATH=.",   "Y",      "=",        " ",       " ",          " ",      " ",      " ",     "\n",
      "\n",   "\n",       "\t",     ";",        "&",       "&&",         "||",     "|",      "|&",    "(",
      ")",    "{",        "}",      "{evil,x}", "!",       "'",          "'",      "\"",     "\"",    "\\",
      "\\",   "$",        "$x",     "$(evil",   "`evil`",  "${",         "$'",     "$\"",    "<",     ">",
      ">>",   "<<<",      "<<E",    "<<'E'",    "<<-E",    "<<\\E",      "E",      "\nE\n",  "\nE\n", "\n\tE\n",
      "\\\n", "#",        " #",     "2>&1",     ">&2",     "2>x",        "&>x",    "*",      "?",     "~",
      "-v",   "-exec",    "-n",     "1p",       "1e evil", "a[$(evil)]", "if",     "then",   "fi",    "for x in y; do",
      "done", "function", "[[",     "]]",       "((",      "--pre=evil", "$((",    "\\\nE\n"};
  uint32_t count = 2 + next(self, 9);
  mloom_buffer_clear(out);
  for (uint32_t i = 0; i < count; i++) {
    mloom_buffer_append_string(out, pieces[next(self, sizeof(pieces) / sizeof(pieces[0]))]);
    if (next(self, 3) == 0) {
      mloom_buffer_append_char(out, ' ');
    }
  }
}

static void run_by_bash(const random_lines *self, const char *line) {
  char path[60];
  snprintf(path, sizeof(path), "PATH=%s", self->folder);
  char *const arguments[] = {(char[]){"bash"}, (char[]){"-c"}, (char *)line, NULL};
  char *const environment[] = {path, NULL};
  pid_t child = fork();
  if (child == 0) {
    int null = open("/dev/null", O_RDWR);
    if (chdir(self->folder) != 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0) {
      _exit(1);
    }
    alarm(20); /* a guard */
    execve("/bin/bash", arguments, environment);
    _exit(127);
  }
  CU_ASSERT_FATAL(child > 0);
  CU_ASSERT_EQUAL(waitpid(child, NULL, 0), child);
}

static int has_run(const random_lines *self) {
  return unlink(self->ran) == 0;
}

static void test_against_bash(void) {
  random_lines self = {.state = 20240229, .folder = "/tmp/mergeloom-shell-XXXXXX"};
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer reason = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer program = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(self.folder));
  snprintf(self.ran, sizeof(self.ran), "%s.ran", self.folder);
  mloom_buffer_append_format(&program, "%s/evil", self.folder);
  mloom_buffer_append_format(&text, "#!/bin/sh\n: > %s\n", self.ran);
  CU_ASSERT_EQUAL_FATAL(mloom_file_replace(program.data, text.data, text.size, 0700, MLOOM_DOMAIN_SYSTEM, NULL),
                        MLOOM_OK);
  run_by_bash(&self, "evil");
  CU_ASSERT_FATAL(has_run(&self));
  const char *wanted = getenv("MERGELOOM_SHELL_LINES");
  for (int left = wanted == NULL ? 200 : atoi(wanted); left > 0;) {
    make_line(&self, &line);
    if (strstr(mloom_buffer_string(&line), "evil") != NULL && judge(mloom_buffer_string(&line), &reason) == MLOOM_OK) {
      left--;
      run_by_bash(&self, line.data);
      int ran = has_run(&self);
      if (ran) {
        fprintf(stderr, "let through: <<%s>>\n", line.data);
      }
      CU_ASSERT_FALSE(ran);
    }
  }
  mloom_file_remove_tree(self.folder, NULL);
}

static const unit_test tests[] = {{"lines that keep to the list", test_allowed},
                                  {"lines that do not, or cannot be told", test_refused},
                                  {"words of a program that starts shells", test_started},
                                  {"what bash runs of random lines", test_against_bash}};
UNIT_MAIN("shell lines", tests)
