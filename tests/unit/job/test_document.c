/* SPDX-License-Identifier: Apache-2.0
 *
 * Job documents: what is accepted, what is refused and with which words; the schemas agree with the code.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "fixture.h"
#include "job/document.h"

#define TICKET "\"schema\": \"mergeloom.job.v1\", \"ticket\": {\"title\": \"T\"}"

typedef struct document_case {
  const char *text;
  int32_t code;
  const char *part; /* of the message */
} document_case;

static const document_case cases[] = {
    {"{" TICKET "}", MLOOM_OK, ""},
    {"{" TICKET ", \"id\": \"job-1.a_B\"}", MLOOM_OK, ""},
    {"{" TICKET ", \"mode\": \"review\", \"limits\": {\"turns\": 3, \"tokens\": null}}", MLOOM_OK, ""},
    {"{" TICKET ", \"validation\": {\"commands\": [\"make test\", [\"npm\", \"run\", \"a b\"]]}}", MLOOM_OK, ""},
    {"{" TICKET ", \"context\": {\"files\": [\"a\"], \"folders\": [], \"inline\": \"x\"}}", MLOOM_OK, ""},
    {"{" TICKET ", \"workspace\": {\"policy\": {\"allowed_models\": [\"m*\"], \"model_labels\": true}}}", MLOOM_OK, ""},
    {"[]", MLOOM_E_INVALID, "the document must be an object"},
    {"{}", MLOOM_E_INVALID, "member schema"},
    {"{\"schema\": \"mergeloom.job.v2\"}", MLOOM_E_INVALID, "member schema"},
    {"{\"schema\": \"mergeloom.job.v1\"}", MLOOM_E_INVALID, "member ticket is missing"},
    {"{\"schema\": \"mergeloom.job.v1\", \"ticket\": 3}", MLOOM_E_INVALID, "ticket must be an object"},
    {"{\"schema\": \"mergeloom.job.v1\", \"ticket\": {\"title\": 3}}", MLOOM_E_INVALID,
     "ticket.title must be a string"},
    {"{\"schema\": \"mergeloom.job.v1\", \"ticket\": {\"title\": \" \"}}", MLOOM_E_INVALID, "neither title nor"},
    {"{\"schema\": \"mergeloom.job.v1\", \"ticket\": {\"title\": \"a\\u0000b\"}}", MLOOM_E_INVALID, "NUL"},
    {"{\"schema\": \"mergeloom.job.v1\", \"ticket\": {\"title\": \"T\", \"labels\": [1]}}", MLOOM_E_INVALID,
     "ticket.labels[0]"},
    {"{" TICKET ", \"id\": \"../x\"}", MLOOM_E_INVALID, "id must have"},
    {"{" TICKET ", \"id\": \"\"}", MLOOM_E_INVALID, "id must have"},
    {"{" TICKET ", \"id\": \".hidden\"}", MLOOM_E_INVALID, "id must have"},
    {"{" TICKET ", \"id\": \"a\\u0000\"}", MLOOM_E_INVALID, "id must have"},
    {"{" TICKET ", \"mode\": \"destroy\"}", MLOOM_E_INVALID, "implement, investigate or review, not \"destroy\""},
    {"{" TICKET ", \"limits\": {\"turns\": 0}}", MLOOM_E_INVALID, "limits.turns"},
    {"{" TICKET ", \"limits\": {\"seconds\": \"3\"}}", MLOOM_E_INVALID, "limits.seconds must be an integer"},
    {"{" TICKET ", \"validation\": {\"commands\": [[]]}}", MLOOM_E_INVALID, "validation.commands[0]"},
    {"{" TICKET ", \"validation\": {\"commands\": [[\"make\"], 3]}}", MLOOM_E_INVALID, "validation.commands[1]"},
    {"{" TICKET ", \"validation\": {\"commands\": [\"make && rm x\"]}}", MLOOM_E_INVALID, "'&' at byte 6"},
    {"{" TICKET ", \"validation\": {\"commands\": [\"\"]}}", MLOOM_E_INVALID, "the command is empty"},
    {"{" TICKET ", \"validation\": {\"mode\": \"maybe\"}}", MLOOM_E_INVALID, "validation.mode"},
    {"{" TICKET ", \"repository\": {\"workflow\": []}}", MLOOM_E_INVALID, "repository.workflow must be an object"},
    {"{" TICKET, MLOOM_E_INVALID, "line 1"},
};

static const char *schemas(void) {
  static char path[4096];
  const char *source = getenv("top_srcdir");
  snprintf(path, sizeof path, "%s/libmergeloom/schemas", source == NULL ? "." : source);
  return path;
}

/* Exit status of the validator: 0 valid, 1 not, 77 no validator here. */
static int validate(const char *name, const char *suffix, const char *text) {
  char path[] = "/tmp/mergeloom-schema-XXXXXX";
  char full[64];
  char command[9000];
  int fd = mkstemp(path);
  CU_ASSERT(fd >= 0);
  close(fd);
  snprintf(full, sizeof full, "%s%s", path, suffix);
  FILE *file = fopen(full, "w");
  CU_ASSERT_PTR_NOT_NULL_FATAL(file);
  fputs(text, file);
  fclose(file);
  snprintf(command, sizeof command, "/usr/bin/python3 %s/../../tests/unit/job/validate.py %s %s %s", schemas(),
           schemas(), name, full);
  int status = system(command);
  unlink(full);
  unlink(path);
  return status < 0 ? -1 : status / 256;
}

/* The validator's judgement, which may be missing only where nobody counts on it. */
static void expect_valid(int expected, const char *name, const char *suffix, const char *text) {
  int status = validate(name, suffix, text);
  const char *ci = getenv("CI");
  if (status == 77 && (ci == NULL || strcmp(ci, "true") != 0)) {
    fprintf(stderr, "SKIP: %s is not validated: python3-jsonschema is not installed\n", name);
    return;
  }
  CU_ASSERT_EQUAL(status, expected ? 0 : 1);
}

static void test_every_case(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mloom_job *job = NULL;
    mloom_error error = MLOOM_ERROR_INIT;
    int32_t code = mloom_job_parse(&job, cases[i].text, strlen(cases[i].text), &error);
    if (code != cases[i].code || strstr(error.message, cases[i].part) == NULL) {
      fprintf(stderr, "%s: code %d, \"%s\"\n", cases[i].text, code, error.message);
    }
    CU_ASSERT_EQUAL(code, cases[i].code);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, cases[i].part));
    mloom_job_free(job);
  }
}

/* The schema accepts what the code accepts; of what the code refuses, the schema may know less. */
static void test_the_schema_accepts_what_the_code_accepts(void) {
  int accepted = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    if (cases[i].code == MLOOM_OK) {
      expect_valid(1, "mergeloom.job.v1", ".json", cases[i].text);
      accepted++;
    }
  }
  CU_ASSERT(accepted > 0);
  expect_valid(0, "mergeloom.job.v1", ".json", "{" TICKET ", \"id\": \"../x\"}");
}

static void test_unknown_members_are_warnings(void) {
  mloom_job *job = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  static const char text[] = "{" TICKET ", \"later\": 1, \"limits\": {\"euros\": 3}}";
  UNIT_ASSERT_CODE(mloom_job_parse(&job, text, strlen(text), &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(job->warnings.count, 2);
  CU_ASSERT_PTR_NOT_NULL(strstr(job->warnings.items[0], "member later"));
  CU_ASSERT_PTR_NOT_NULL(strstr(job->warnings.items[1], "member limits.euros"));
  CU_ASSERT(strlen(job->id) > 20);
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_job_document(job), "id", ""), job->id);
  mloom_job_free(job);
}

static void test_command_lines(void) {
  /* sh is the judge of words: printf '%s|' prints them. */
  static const char *const lines[] = {"make test",          "a 'b c' d",        "a \"b c\" 'd'\"e\"", "a\\ b c",
                                      "  x\t y  ",          "p '' q",           "a=b --c=\"d e\"",    "'it'\\''s' fine",
                                      "\"a\\\"b\\\\c\\d\"", "x 'a \"b\" \\c' y"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
    mloom_command_line line;
    mloom_error error = MLOOM_ERROR_INIT;
    UNIT_ASSERT_CODE(mloom_command_line_split(&line, lines[i], strlen(lines[i]), &error), MLOOM_OK, &error);
    char command[512];
    char expected[512] = "";
    char words[512] = "";
    snprintf(command, sizeof command, "printf '%%s|' %s", lines[i]);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    size_t size = fread(expected, 1, sizeof expected - 1, pipe);
    expected[size] = '\0';
    pclose(pipe);
    for (size_t k = 0; k < line.count; k++) {
      strcat(words, line.argv[k]);
      strcat(words, "|");
    }
    UNIT_ASSERT_STRING(words, expected);
    /* What is shown to people splits into the same words again. */
    mloom_command_line again;
    UNIT_ASSERT_CODE(mloom_command_line_split(&again, line.text, strlen(line.text), &error), MLOOM_OK, &error);
    CU_ASSERT_EQUAL(again.count, line.count);
    mloom_command_line_free(&again);
    mloom_command_line_free(&line);
  }
  static const char *const refused[] = {"a | b", "a > b", "$HOME", "\"$HOME\"", "`x`", "a; b", "*.c",
                                        "'open", "a\nb",  "(a)",   "a &",       "# x", "~/x"};
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    mloom_command_line line;
    CU_ASSERT_EQUAL(mloom_command_line_split(&line, refused[i], strlen(refused[i]), NULL), MLOOM_E_INVALID);
    mloom_command_line_free(&line);
  }
}

static void test_results_and_events_against_their_schemas(void) {
  fixture f;
  fixture_open(&f);
  const char *turns[] = {
      "text Hm.\nreasoning Well.\ncall read_file {\"path\": \"main.c\"}\ncall nothing {}\n"
      "call edit_file {\"path\": \"main.c\", \"old_text\": \"1\", \"new_text\": \"0\"}\n"
      "call run_command {\"argv\": [\"cat\", \"main.c\"]}\ncall inspect_diff {}\n",
      "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", \"notes\": \"None.\", "
      "\"files_changed\": [\"main.c\", \"x\"]}\n",
      "call submit_result {\"status\": \"completed\", \"summary\": \"Done.\", \"files_changed\": []}\n", NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, "\"later\": 1, \"validation\": {\"commands\": [\"true\", \"false\"]}", turns, 0),
                   MLOOM_OK, &f.error);
  expect_valid(1, "mergeloom.result.v1", ".json", mloom_result_json(f.result));
  expect_valid(1, "mergeloom.event.v1", ".jsonl", mloom_buffer_string(&f.events));
  const char *failing[] = {"fail -9 down\n", NULL};
  UNIT_ASSERT_CODE(fixture_run(&f, NULL, failing, 0), MLOOM_OK, &f.error);
  expect_valid(1, "mergeloom.result.v1", ".json", mloom_result_json(f.result));
  fixture_close(&f);
}

static void test_a_refused_job_has_a_result(void) {
  fixture f;
  fixture_open(&f);
  mloom_job *job = NULL;
  mloom_result *result = NULL;
  mloom_error reason = MLOOM_ERROR_INIT;
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_error_set(&reason, MLOOM_E_BLOCKED, MLOOM_DOMAIN_RESOLVER, "change the ticket", "two model labels");
  static const char text[] = "{" TICKET ", \"id\": \"refused-1\"}";
  UNIT_ASSERT_CODE(mloom_job_parse(&job, text, strlen(text), &error), MLOOM_OK, &error);
  const mloom_job_run_args args = {.job = job, .rules = &f.rules};
  UNIT_ASSERT_CODE(mloom_result_new_refused(&result, &args, MLOOM_JOB_BLOCKED, &reason, &error), MLOOM_OK, &error);
  CU_ASSERT_EQUAL(mloom_result_state(result, &error), MLOOM_JOB_BLOCKED);
  UNIT_ASSERT_STRING(error.message, "two model labels");
  UNIT_ASSERT_STRING(mloom_result_diff(result), "");
  expect_valid(1, "mergeloom.result.v1", ".json", mloom_result_json(result));
  mloom_result_free(result);
  /* Run again, it leaves a second record. */
  UNIT_ASSERT_CODE(mloom_result_new_refused(&result, &args, MLOOM_JOB_BLOCKED, &reason, &error), MLOOM_OK, &error);
  UNIT_ASSERT_STRING(fixture_output(&f, "cd ../audit && ls && cat * | wc -l"),
                     "refused-1.2.jsonl\nrefused-1.jsonl\n4\n");
  mloom_result_free(result);
  mloom_job_free(job);
  fixture_close(&f);
}

static const unit_test tests[] = {
    {"every case", test_every_case},
    {"the schema accepts what the code accepts", test_the_schema_accepts_what_the_code_accepts},
    {"unknown members are warnings", test_unknown_members_are_warnings},
    {"command lines", test_command_lines},
    {"results and events against their schemas", test_results_and_events_against_their_schemas},
    {"a refused job has a result", test_a_refused_job_has_a_result},
};

UNIT_MAIN("job document", tests)
