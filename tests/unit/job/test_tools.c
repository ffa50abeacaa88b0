/* SPDX-License-Identifier: Apache-2.0
 *
 * Each tool by itself: paths, files, edits, searches, arguments.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

/* One call and what must come of it: code, and a part of the answer or error. */
typedef struct tool_case {
  const char *tool;
  const char *arguments;
  int32_t code;
  const char *part;
} tool_case;

static void run_cases(bench *b, const tool_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int32_t code = bench_tool(b, cases[i].tool, cases[i].arguments);
    const char *text = code == MLOOM_OK ? mloom_buffer_string(&b->out) : b->error.message;
    if (code != cases[i].code || strstr(text, cases[i].part) == NULL) {
      fprintf(stderr, "%s %s: code %d, \"%s\"\n", cases[i].tool, cases[i].arguments, code, text);
    }
    CU_ASSERT_EQUAL(code, cases[i].code);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, cases[i].part));
    /* What is refused is refused with a reason and, for paths, with what to do. */
    CU_ASSERT(code == MLOOM_OK || b->error.message[0] != '\0');
  }
}

#define RUN_CASES(b, cases) run_cases(b, cases, sizeof(cases) / sizeof(cases)[0])

static void test_paths(void) {
  static const tool_case cases[] = {
      {"read_file", "{\"path\": \"main.c\"}", MLOOM_OK, "     1\tint main(void) {"},
      {"read_file", "{\"path\": \"./docs//guide.md\"}", MLOOM_OK, "# Guide"},
      {"read_file", "{\"path\": \"/etc/passwd\"}", MLOOM_E_DENIED, "is absolute"},
      {"read_file", "{\"path\": \"../secret\"}", MLOOM_E_DENIED, "\"..\""},
      {"read_file", "{\"path\": \"docs/../../secret\"}", MLOOM_E_DENIED, "\"..\""},
      {"read_file", "{\"path\": \"docs/..\"}", MLOOM_E_DENIED, "\"..\""},
      {"read_file", "{\"path\": \".git/config\"}", MLOOM_E_DENIED, ".git"},
      {"read_file", "{\"path\": \".GIT/config\"}", MLOOM_E_DENIED, ".git"},
      {"read_file", "{\"path\": \"docs/.Git/config\"}", MLOOM_E_DENIED, ".git"},
      {"write_file", "{\"path\": \".git/hooks/pre-commit\", \"content\": \"x\"}", MLOOM_E_DENIED, ".git"},
      {"write_file", "{\"path\": \"docs/.git\", \"content\": \"gitdir: /tmp\"}", MLOOM_E_DENIED, ".git"},
      {"write_file", "{\"path\": \"/tmp/x\", \"content\": \"x\"}", MLOOM_E_DENIED, "is absolute"},
      {"write_file", "{\"path\": \"\", \"content\": \"x\"}", MLOOM_E_INVALID, "names no file"},
      {"read_file", "{\"path\": \"a\\u0000b\"}", MLOOM_E_DENIED, "control character"},
      {"read_file", "{\"path\": \"a\\nb\"}", MLOOM_E_DENIED, "control character"},
      {"read_file", "{\"path\": \"a\\u007fb\"}", MLOOM_E_DENIED, "control character"},
      {"read_file", "{\"path\": \"nowhere.c\"}", MLOOM_E_NOT_FOUND, "does not exist"},
      {"read_file", "{\"path\": \"docs\"}", MLOOM_E_INVALID, "is a folder"},
      {"read_file", "{\"path\": \"main.c/x\"}", MLOOM_E_NOT_FOUND, "does not exist"},
      {"write_file", "{\"path\": \"docs\", \"content\": \"x\"}", MLOOM_E_DENIED, "is a folder"},
      {"write_file", "{\"path\": \"main.c/x\", \"content\": \"x\"}", MLOOM_E_INVALID, "not a folder"},
      {"search_files", "{\"path\": \"../..\", \"pattern\": \"x\"}", MLOOM_E_DENIED, "\"..\""},
      {"list_files", "{\"path\": \"/\"}", MLOOM_E_DENIED, "is absolute"},
  };
  fixture f;
  bench b;
  fixture_open(&f);
  bench_open(&b, &f, 0);
  RUN_CASES(&b, cases);
  char long_path[4600];
  memset(long_path, 'a', sizeof long_path);
  memcpy(long_path, "{\"path\": \"", 10);
  strcpy(long_path + sizeof long_path - 3, "\"}");
  CU_ASSERT_EQUAL(bench_tool(&b, "read_file", long_path), MLOOM_E_DENIED);
  strcpy(long_path + 400, "\"}");
  CU_ASSERT_EQUAL(bench_tool(&b, "read_file", long_path), MLOOM_E_DENIED);
  /* A model that uses the repository's own path is told the relative one. */
  char absolute[200];
  snprintf(absolute, sizeof absolute, "{\"path\": \"%s/main.c\"}", f.repository);
  CU_ASSERT_EQUAL(bench_tool(&b, "read_file", absolute), MLOOM_E_DENIED);
  CU_ASSERT_PTR_NOT_NULL(strstr(b.error.remedy, "relative"));
  bench_close(&b);
  fixture_close(&f);
}

static void test_symbolic_links(void) {
  static const tool_case cases[] = {
      {"read_file", "{\"path\": \"inside\"}", MLOOM_OK, "int main"},
      {"read_file", "{\"path\": \"docs_link/guide.md\"}", MLOOM_OK, "# Guide"},
      {"read_file", "{\"path\": \"outside\"}", MLOOM_E_DENIED, "leads out"},
      {"read_file", "{\"path\": \"relative\"}", MLOOM_E_DENIED, "leads out"},
      {"read_file", "{\"path\": \"out_folder/secret\"}", MLOOM_E_DENIED, "leads out"},
      {"read_file", "{\"path\": \"config_link\"}", MLOOM_E_DENIED, ".git"},
      {"read_file", "{\"path\": \"git_link/config\"}", MLOOM_E_DENIED, ".git"},
      {"read_file", "{\"path\": \"self\"}", MLOOM_E_DENIED, "symbolic link"},
      {"read_file", "{\"path\": \"proc\"}", MLOOM_E_DENIED, ""},
      {"write_file", "{\"path\": \"inside\", \"content\": \"x\"}", MLOOM_E_DENIED, "symbolic link"},
      {"write_file", "{\"path\": \"outside\", \"content\": \"x\"}", MLOOM_E_DENIED, "symbolic link"},
      {"write_file", "{\"path\": \"out_folder/new\", \"content\": \"x\"}", MLOOM_E_DENIED, "symbolic link"},
      {"write_file", "{\"path\": \"docs_link/new\", \"content\": \"x\"}", MLOOM_E_DENIED, "symbolic link"},
      {"write_file", "{\"path\": \"git_link/hooks/x\", \"content\": \"x\"}", MLOOM_E_DENIED, "symbolic link"},
      {"edit_file", "{\"path\": \"inside\", \"old_text\": \"return 1\", \"new_text\": \"x\"}", MLOOM_E_DENIED,
       "symbolic link"},
      {"list_files", "{}", MLOOM_OK, "outside -> /etc/passwd"},
      {"list_files", "{\"path\": \"out_folder\"}", MLOOM_E_DENIED, "symbolic link"},
      {"search_files", "{\"pattern\": \"secret word\"}", MLOOM_OK, "No match."},
      {"search_files", "{\"pattern\": \"secret w.rd\", \"regex\": true}", MLOOM_OK, "No match."},
      {"search_files", "{\"pattern\": \"secret w.rd\", \"regex\": true, \"path\": \"out_folder\"}", MLOOM_E_DENIED,
       "leads out"},
  };
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(
      &f, "ln -s main.c inside; ln -s docs docs_link; ln -s /etc/passwd outside; ln -s ../secret relative; "
          "mkdir ../out; echo secret word > ../out/secret; ln -s ../out out_folder; ln -s .git/config config_link; "
          "ln -s .git git_link; ln -s self self; ln -s /proc/self/environ proc");
  bench_open(&b, &f, 0);
  RUN_CASES(&b, cases);
  UNIT_ASSERT_STRING(fixture_output(&f, "ls ../out"), "secret\n");
  bench_close(&b);
  fixture_close(&f);
}

static void test_special_files(void) {
  static const tool_case cases[] = {
      {"read_file", "{\"path\": \"fifo\"}", MLOOM_E_INVALID, "is a FIFO"},
      {"read_file", "{\"path\": \"socket\"}", MLOOM_E_INVALID, "is a socket"},
      {"read_file", "{\"path\": \"sparse\"}", MLOOM_E_LIMIT, "2147483648 bytes"},
      {"read_file", "{\"path\": \"binary\"}", MLOOM_OK, "binary is a binary file of 4 bytes."},
      {"read_file", "{\"path\": \"empty\"}", MLOOM_OK, "empty is empty."},
      {"edit_file", "{\"path\": \"binary\", \"old_text\": \"a\", \"new_text\": \"b\"}", MLOOM_E_INVALID, "binary"},
      {"edit_file", "{\"path\": \"fifo\", \"old_text\": \"a\", \"new_text\": \"b\"}", MLOOM_E_INVALID, "FIFO"},
      {"write_file", "{\"path\": \"fifo\", \"content\": \"b\"}", MLOOM_E_DENIED, "FIFO"},
      {"list_files", "{}", MLOOM_OK, "fifo  (special file)"},
      {"search_files", "{\"pattern\": \"hello\"}", MLOOM_OK, "script.py:1: print(\"hello\")"},
      {"search_files", "{\"pattern\": \"hel+o\", \"regex\": true}", MLOOM_OK, "script.py:1:print(\"hello\")"},
      {"inspect_diff", "{}", MLOOM_OK, ""},
  };
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(&f,
                "mkfifo fifo && truncate -s 2G sparse && printf 'a\\0b\\n' > binary && : > empty && python3 -c 'import "
                "socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'");
  bench_open(&b, &f, 0);
  RUN_CASES(&b, cases);
  bench_close(&b);
  fixture_close(&f);
}

/* A model's command leaves a giant behind: it is named, not hashed. */
static void test_a_giant_in_the_diff(void) {
  fixture f;
  bench b;
  fixture_open(&f);
  bench_open(&b, &f, 0);
  fixture_shell(&f, "truncate -s 2G sparse && mkfifo fifo && echo x >> main.c");
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{}"), MLOOM_OK, &b.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "Large file sparse (2147483648 bytes) is not shown"));
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "+x"));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "fifo"));
  /* Each path shows its own part, whatever comes before it in the list. */
  fixture_shell(&f,
                "truncate -s 1G a-giant && rm docs/guide.md && ln -s ../main.c docs/guide.md && echo y >> script.py");
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{\"path\": \"script.py\"}"), MLOOM_OK, &b.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "+y"));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "main.c"));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "Large"));
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{\"path\": \"docs\"}"), MLOOM_OK, &b.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "-Read me."));
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "+../main.c"));
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{\"path\": \"a-giant\"}"), MLOOM_OK, &b.error);
  UNIT_ASSERT_STRING(b.out.data, "Large file a-giant (1073741824 bytes) is not shown\n");
  bench_close(&b);
  fixture_close(&f);
}

/* The list of files alone is longer than the diff that is kept. */
static void test_a_long_diff(void) {
  fixture f;
  bench b;
  fixture_open(&f);
  bench_open(&b, &f, 0);
  fixture_shell(&f, "python3 -c 'import os\n"
                    "folder = \"/\".join([\"f\" * 250] * 13)\n"
                    "os.makedirs(folder)\n"
                    "os.chdir(folder)\n"
                    "for i in range(1250): print(file=open(f\"{i:0200}\", \"w\"))'");
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{}"), MLOOM_OK, &b.error);
  CU_ASSERT_EQUAL(b.changes.file_count, 1250);
  CU_ASSERT_EQUAL(b.changes.added, 1250);
  CU_ASSERT_EQUAL(b.changes.truncated, 1);
  CU_ASSERT(b.changes.patch.size < (9u << 20));
  bench_close(&b);
  fixture_close(&f);
}

static void test_read_ranges(void) {
  static const tool_case cases[] = {
      {"read_file", "{\"path\": \"many\", \"start_line\": 10, \"end_line\": 11}", MLOOM_OK,
       "    10\tline 10\n    11\tline "
       "11\n[lines 12 to 3000"},
      {"read_file", "{\"path\": \"many\"}", MLOOM_OK,
       "[lines 2001 to 3000 are not shown; read them with start_line 2001]"},
      {"read_file", "{\"path\": \"many\", \"start_line\": 3000}", MLOOM_OK, "  3000\tline 3000\n"},
      {"read_file", "{\"path\": \"many\", \"start_line\": 3001}", MLOOM_E_INVALID, "has 3000 lines"},
      {"read_file", "{\"path\": \"many\", \"start_line\": 9, \"end_line\": 8}", MLOOM_E_INVALID, "lines 9 to 8"},
      {"read_file", "{\"path\": \"many\", \"start_line\": 0}", MLOOM_E_INVALID, "from 1 on"},
      {"read_file", "{\"path\": \"many\", \"start_line\": 2.5}", MLOOM_E_INVALID, "integer"},
      {"read_file", "{\"path\": \"wide\"}", MLOOM_OK, " [line cut]"},
      {"read_file", "{\"path\": \"latin\"}", MLOOM_OK, "caf\xef\xbf\xbd"},
      {"read_file", "{\"path\": \"crlf\"}", MLOOM_OK, "     1\tone\n     2\ttwo\n"},
  };
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(&f, "seq -f 'line %%g' 3000 > many; head -c 5000 /dev/zero | tr '\\0' x > wide; printf 'caf\\351\\n' > "
                    "latin; printf 'one\\r\\ntwo\\r\\n' > crlf");
  bench_open(&b, &f, 0);
  RUN_CASES(&b, cases);
  bench_close(&b);
  fixture_close(&f);
}

static void test_edits(void) {
  static const tool_case cases[] = {
      {"edit_file", "{\"path\": \"t\", \"old_text\": \"beta\", \"new_text\": \"BETA\"}", MLOOM_OK, "line 2"},
      {"edit_file", "{\"path\": \"t\", \"old_text\": \"alpha\", \"new_text\": \"x\"}", MLOOM_E_CONFLICT,
       "2 times in t, first in lines 1 and 3"},
      {"edit_file", "{\"path\": \"t\", \"old_text\": \"alpha\", \"new_text\": \"ALPHA\", \"replace_all\": true}",
       MLOOM_OK, "Replaced 2 passages"},
      {"edit_file", "{\"path\": \"t\", \"old_text\": \"  gamme = 1\", \"new_text\": \"x\"}", MLOOM_E_NOT_FOUND,
       "line 4 comes nearest: gamma = 1"},
      {"edit_file", "{\"path\": \"t\", \"old_text\": \"entirely different\", \"new_text\": \"x\"}", MLOOM_E_NOT_FOUND,
       "does not stand in t"},
      {"edit_file", "{\"path\": \"t\", \"old_text\": \"\", \"new_text\": \"x\"}", MLOOM_E_INVALID, "old_text is empty"},
      {"edit_file", "{\"path\": \"t\", \"old_text\": \"a\", \"new_text\": \"a\"}", MLOOM_E_INVALID, "the same"},
      {"edit_file", "{\"path\": \"crlf\", \"old_text\": \"one\\ntwo\", \"new_text\": \"eins\\nzwei\"}", MLOOM_OK,
       "line 1"},
      {"edit_file", "{\"path\": \"nowhere\", \"old_text\": \"a\", \"new_text\": \"b\"}", MLOOM_E_NOT_FOUND,
       "not exist"},
      {"edit_file", "{\"path\": \"run.sh\", \"old_text\": \"echo\", \"new_text\": \"printf\"}", MLOOM_OK, "line 2"},
      {"edit_file", "{\"path\": \"linked\", \"old_text\": \"same\", \"new_text\": \"other\"}", MLOOM_OK, "line 1"},
      {"write_file", "{\"path\": \"a/b/c/new.txt\", \"content\": \"new\\n\"}", MLOOM_OK,
       "Created a/b/c/new.txt, 4 bytes."},
      {"write_file", "{\"path\": \"a/b/c/new.txt\", \"content\": \"\"}", MLOOM_OK, "Replaced a/b/c/new.txt, 0 bytes."},
  };
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(&f, "printf 'alpha\\nbeta\\nalpha\\n  gamma = 1\\n' > t; printf 'one\\r\\ntwo\\r\\n' > crlf; printf "
                    "'#!/bin/sh\\necho x\\n' > run.sh; chmod 4751 run.sh; echo same > ../other; ln ../other linked");
  bench_open(&b, &f, 0);
  RUN_CASES(&b, cases);
  UNIT_ASSERT_STRING(fixture_file(&f, "t"), "ALPHA\nBETA\nALPHA\n  gamma = 1\n");
  UNIT_ASSERT_STRING(fixture_file(&f, "crlf"), "eins\r\nzwei\r\n");
  /* The mode stays but for set-user-id: no model writes what runs as another user. */
  UNIT_ASSERT_STRING(fixture_output(&f, "stat -c %a run.sh"), "751\n");
  /* The other name of a hard link keeps its content. */
  UNIT_ASSERT_STRING(fixture_output(&f, "cat ../other linked"), "same\nother\n");
  UNIT_ASSERT_STRING(fixture_output(&f, "find . -name '.mergeloom-*'"), "");
  bench_close(&b);
  fixture_close(&f);
}

static void test_lists_and_searches(void) {
  static const tool_case cases[] = {
      {"list_files", "{}", MLOOM_OK, "docs/\nmain.c  31\nscript.py  15\n"},
      {"list_files", "{\"recursive\": true, \"pattern\": \"*.md\"}", MLOOM_OK, "docs/guide.md"},
      {"list_files", "{\"recursive\": true, \"pattern\": \"docs/*\"}", MLOOM_OK, "docs/guide.md"},
      {"list_files", "{\"path\": \"docs\"}", MLOOM_OK, "docs/guide.md"},
      {"list_files", "{\"path\": \"main.c\"}", MLOOM_OK, "main.c  31"},
      {"list_files", "{\"pattern\": \"*.none\"}", MLOOM_OK, "Nothing found."},
      {"list_files", "{\"pattern\": \"*a*a*a*a*a*a*a*a*\"}", MLOOM_E_INVALID, "too complicated"},
      {"list_files", "{\"path\": \"nowhere\"}", MLOOM_E_NOT_FOUND, ""},
      {"search_files", "{\"pattern\": \"return\"}", MLOOM_OK, "main.c:2:   return 1;"},
      {"search_files", "{\"pattern\": \"RETURN\", \"ignore_case\": true}", MLOOM_OK, "main.c:2:"},
      {"search_files", "{\"pattern\": \"return\", \"glob\": \"*.py\"}", MLOOM_OK, "No match."},
      {"search_files", "{\"pattern\": \"Read\", \"path\": \"docs/guide.md\"}", MLOOM_OK, "docs/guide.md:3: Read me."},
      {"search_files", "{\"pattern\": \"^  ret[a-z]+ [0-9]\", \"regex\": true}", MLOOM_OK, "main.c:2:"},
      {"search_files", "{\"pattern\": \"-rf\", \"regex\": true}", MLOOM_OK, "No match."},
      {"search_files", "{\"pattern\": \"(\", \"regex\": true}", MLOOM_E_INVALID, "not accepted"},
      {"search_files", "{\"pattern\": \"\"}", MLOOM_E_INVALID, "empty"},
      {"search_files", "{\"pattern\": \"a\\nb\"}", MLOOM_E_INVALID, "several lines"},
      {"search_files", "{\"pattern\": \"repositoryformatversion\"}", MLOOM_OK, "No match."},
      {"search_files", "{\"pattern\": \"repositoryformatversion\", \"regex\": true}", MLOOM_OK, "No match."},
  };
  fixture f;
  bench b;
  fixture_open(&f);
  bench_open(&b, &f, 0);
  RUN_CASES(&b, cases);
  CU_ASSERT_EQUAL(bench_tool(&b, "list_files", "{\"recursive\": true}"), MLOOM_OK);
  CU_ASSERT_PTR_NULL(strstr(b.out.data, ".git"));
  fixture_shell(&f, "mkdir many && cd many && seq 1500 | xargs touch && seq 1500 | sed s/^/needle/ > all");
  CU_ASSERT_EQUAL(bench_tool(&b, "list_files", "{\"path\": \"many\"}"), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "[501 more are not shown"));
  CU_ASSERT_EQUAL(bench_tool(&b, "search_files", "{\"pattern\": \"needle\"}"), MLOOM_OK);
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "there may be more"));
  bench_close(&b);
  fixture_close(&f);
}

static void test_names_that_hurt_terminals(void) {
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(&f, "touch \"$(printf 'red\\033[31m')\" \"$(printf 'two\\nlines')\" \"$(printf 'latin\\351')\"");
  bench_open(&b, &f, 0);
  CU_ASSERT_EQUAL(bench_tool(&b, "list_files", "{}"), MLOOM_OK);
  CU_ASSERT_PTR_NULL(strchr(b.out.data, '\033'));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "two\nlines"));
  fixture_shell(&f, "echo x > \"$(printf 'more\\nlines')\"");
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{}"), MLOOM_OK, &b.error);
  CU_ASSERT_EQUAL(b.changes.file_count, 1);
  UNIT_ASSERT_STRING(b.changes.files[0].path, "more\nlines");
  bench_close(&b);
  fixture_close(&f);
}

static void test_diffs_of_every_kind(void) {
  fixture f;
  bench b;
  fixture_open(&f);
  fixture_shell(&f, "printf 'a\\0b' > blob && echo '*.log' > .gitignore && git add -A && git -c user.name=Test -c "
                    "user.email=test@localhost commit -qm More");
  bench_open(&b, &f, 0);
  fixture_shell(&f,
                "rm script.py && chmod +x main.c && printf 'a\\0c' > blob && echo log > x.log && ln -s main.c link && "
                "rm docs/guide.md && mkdir docs/guide.md && echo in > docs/guide.md/in");
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{}"), MLOOM_OK, &b.error);
  static const struct {
    const char *path;
    char status;
    uint32_t binary;
  } expected[] = {{"blob", 'M', 1}, {"docs/guide.md", 'D', 0}, {"docs/guide.md/in", 'A', 0},
                  {"link", 'A', 0}, {"main.c", 'M', 0},        {"script.py", 'D', 0}};
  CU_ASSERT_EQUAL_FATAL(b.changes.file_count, 6);
  for (size_t i = 0; i < 6; i++) {
    UNIT_ASSERT_STRING(b.changes.files[i].path, expected[i].path);
    CU_ASSERT_EQUAL(b.changes.files[i].status, expected[i].status);
    CU_ASSERT_EQUAL(b.changes.files[i].binary, expected[i].binary);
  }
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{\"path\": \"docs\"}"), MLOOM_OK, &b.error);
  CU_ASSERT_PTR_NOT_NULL(strstr(b.out.data, "+in"));
  CU_ASSERT_PTR_NULL(strstr(b.out.data, "script.py"));
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{\"path\": \"none\"}"), MLOOM_OK, &b.error);
  UNIT_ASSERT_STRING(b.out.data, "Nothing has been changed there.\n");
  /* Taking everything back leaves nothing. */
  fixture_shell(&f, "rm -rf docs/guide.md link && git checkout -q .");
  UNIT_ASSERT_CODE(bench_tool(&b, "inspect_diff", "{}"), MLOOM_OK, &b.error);
  CU_ASSERT_EQUAL(b.changes.file_count, 0);
  bench_close(&b);
  fixture_close(&f);
}

static void test_the_schemas(void) {
  mloom_tool_set set;
  CU_ASSERT_EQUAL_FATAL(mloom_tool_set_make(&set, 0, NULL, 0, NULL), MLOOM_OK);
  CU_ASSERT_EQUAL(set.count, 8);
  for (size_t i = 0; i < set.count; i++) {
    mloom_json *schema = NULL;
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(
        mloom_json_parse(&schema, set.tools[i]->parameters.data, set.tools[i]->parameters.size, "schema", &error),
        MLOOM_OK, &error);
    CU_ASSERT_EQUAL(mloom_json_member_boolean(schema, "additionalProperties", 1), 0);
    UNIT_ASSERT_STRING(mloom_json_member_string(schema, "type", ""), "object");
    mloom_json_unref(schema);
  }
  UNIT_ASSERT_STRING(
      set.tools[6]->parameters.data,
      "{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\",\"description\":\"Show only this "
      "file or folder.\"}},\"required\":[],\"additionalProperties\":false}");
  mloom_tool_set_free(&set);
}

static const unit_test tests[] = {
    {"paths", test_paths},
    {"symbolic links", test_symbolic_links},
    {"special files", test_special_files},
    {"a giant in the diff", test_a_giant_in_the_diff},
    {"a long diff", test_a_long_diff},
    {"read ranges", test_read_ranges},
    {"edits", test_edits},
    {"lists and searches", test_lists_and_searches},
    {"names that hurt terminals", test_names_that_hurt_terminals},
    {"diffs of every kind", test_diffs_of_every_kind},
    {"the schemas", test_the_schemas},
};

UNIT_MAIN("job tools", tests)
