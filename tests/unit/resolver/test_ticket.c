/* SPDX-License-Identifier: Apache-2.0 */
#include <mergeloom/resolution.h>

#include <stdlib.h>

#include "base/json.h"
#include "harness.h"

static mloom_json *job_of(const char *ticket, size_t size, const char *template_job) {
  mloom_error error = MLOOM_ERROR_INIT;
  char *text = NULL;
  mloom_json *job = NULL;
  UNIT_ASSERT_CODE(mloom_job_from_ticket(&text, ticket, size, "/srv/repository", template_job,
                                         template_job == NULL ? 0 : strlen(template_job), &error),
                   MLOOM_OK, &error);
  if (text != NULL) {
    UNIT_ASSERT_CODE(mloom_json_parse(&job, text, strlen(text), "the job", &error), MLOOM_OK, &error);
  }
  free(text);
  return job;
}

typedef struct ticket_case {
  const char *text;
  const char *key;
  const char *title;
  const char *description;
  const char *labels; /* joined by | */
  int64_t line;       /* where the description begins; 0: not said */
} ticket_case;

static const ticket_case tickets[] = {
    {"Fix the parser", NULL, "Fix the parser", "", "", 1},
    {"# Fix the parser\n\nIt fails.\n", NULL, "Fix the parser", "\nIt fails.\n", "", 2},
    {"\n\n  ## Fix #3  \nIt fails.", NULL, "Fix #3", "It fails.", "", 4},
    {"Fix\nLabels: bug, model:sonnet\nKey: X-1\n\nIt fails.", "X-1", "Fix", "\nIt fails.", "bug|model:sonnet", 4},
    {"Fix\r\n\r\nkey: X-1\r\nlabels: a,,b ,\r\nText\r\n", "X-1", "Fix", "Text\r\n", "a|b", 5},
    {"Fix\n\n\nLabels: too late", NULL, "Fix", "\n\nLabels: too late", "", 2},
    {"Fix\nText\nKey: no header", NULL, "Fix", "Text\nKey: no header", "", 2},
    {"\xef\xbb\xbf"
     "Fix\rText",
     NULL, "Fix", "Text", "", 2},
    {"Fix\n\n[JCA]\nprovider=a\n[/JCA]", NULL, "Fix", "\n[JCA]\nprovider=a\n[/JCA]", "", 2},
    {"{not JSON but text}\n\nText", NULL, "{not JSON but text}", "\nText", "", 2},
    {"{\"key\": \"X-1\", \"title\": \"Fix\", \"description\": \"a\\r\\nb\", \"labels\": [\"bug\", \"c\"]}", "X-1",
     "Fix", "a\r\nb", "bug|c", 0},
    {"  {\"title\": \"Fix\", \"status\": \"open\", \"labels\": null}\n", NULL, "Fix", NULL, "", 0},
    {"{\"description\": \"Only this\"}", NULL, NULL, "Only this", "", 0},
};

static void test_tickets(void) {
  for (size_t i = 0; i < sizeof tickets / sizeof tickets[0]; i++) {
    mloom_json *job = job_of(tickets[i].text, strlen(tickets[i].text), NULL);
    const mloom_json *ticket = mloom_json_member(job, "ticket");
    UNIT_ASSERT_STRING(mloom_json_member_string(ticket, "key", NULL), tickets[i].key);
    UNIT_ASSERT_STRING(mloom_json_member_string(ticket, "title", NULL), tickets[i].title);
    UNIT_ASSERT_STRING(mloom_json_member_string(ticket, "description", NULL), tickets[i].description);
    char labels[128] = "";
    const mloom_json *list = mloom_json_member(ticket, "labels");
    for (size_t j = 0; j < mloom_json_count(list); j++) {
      size_t used = strlen(labels);
      snprintf(labels + used, sizeof labels - used, "%s%s", j == 0 ? "" : "|",
               mloom_json_text(mloom_json_at(list, j)).data);
    }
    UNIT_ASSERT_STRING(labels, tickets[i].labels);
    CU_ASSERT_EQUAL(mloom_json_member_integer(ticket, "description_line", 0), tickets[i].line);
    UNIT_ASSERT_STRING(mloom_json_member_string(job, "schema", NULL), "mergeloom.job.v1");
    UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_member(job, "repository"), "path", NULL), "/srv/repository");
    mloom_json_unref(job);
  }
}

static void test_template(void) {
  mloom_json *job = job_of("Fix", 3,
                           "{\"id\": \"j1\", \"ticket\": {\"title\": \"old\"}, \"repository\": {\"path\": \"/old\", "
                           "\"workflow\": {\"provider\": \"a\"}}, \"mode\": \"review\"}");
  const mloom_json *repository = mloom_json_member(job, "repository");
  UNIT_ASSERT_STRING(mloom_json_member_string(job, "id", NULL), "j1");
  UNIT_ASSERT_STRING(mloom_json_member_string(job, "mode", NULL), "review");
  UNIT_ASSERT_STRING(mloom_json_member_string(repository, "path", NULL), "/srv/repository");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_member(repository, "workflow"), "provider", NULL), "a");
  UNIT_ASSERT_STRING(mloom_json_member_string(mloom_json_member(job, "ticket"), "title", NULL), "Fix");
  mloom_json_unref(job);
}

typedef struct refused_case {
  const char *text;
  size_t size;
  const char *message;
  const char *remedy;
} refused_case;

#define TEXT(literal) literal, sizeof(literal) - 1
static const refused_case refused[] = {
    {TEXT(""), "it is empty", "first line"},
    {TEXT(" \n# \n"), "it is empty", "first line"},
    {TEXT("a\xff"), "not UTF-8", "UTF-8"},
    {TEXT("a\0b"), "NUL", "plain text"},
    {TEXT("{\"title\": 1}"), "title must be a string", "quotes"},
    {TEXT("{\"title\": \"x\", "), "line 1", ""},
    {TEXT("{\"titel\": \"x\"}"), "neither title nor description", "name the member title"},
    {TEXT("{\"summary\": \"x\"}"), "neither title nor description", "name the member title"},
    {TEXT("{\"descriptoin\": \"x\"}"), "neither title nor description", "name the member description"},
    {TEXT("{\"title\": \"x\", \"labels\": \"a\"}"), "labels must be a list", "["},
    {TEXT("{\"title\": \"x\", \"labels\": [1]}"), "labels must be a list", "["},
    {TEXT("{\"title\": \"x\", \"description\": 1}"), "description must be a string", "quotes"},
    {TEXT("{\"title\": \"x\",}"), "line 1", ""},
    {TEXT("{\"schema\": \"mergeloom.job.v1\", \"ticket\": {}}"), "a whole job document", "--job"},
};

static void test_refused(void) {
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    mloom_error error = MLOOM_ERROR_INIT;
    char *text = NULL;
    UNIT_ASSERT_CODE(mloom_job_from_ticket(&text, refused[i].text, refused[i].size, "/r", NULL, 0, &error),
                     MLOOM_E_INVALID, &error);
    if (strstr(error.message, refused[i].message) == NULL || strstr(error.remedy, refused[i].remedy) == NULL) {
      fprintf(stderr, "case %zu: %s; %s\n", i, error.message, error.remedy);
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, refused[i].message));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.remedy, refused[i].remedy));
    CU_ASSERT_PTR_NULL(text);
  }
  static const char *const templates[] = {"[]", "{", "{\"repository\": 1}"};
  for (size_t i = 0; i < 3; i++) {
    mloom_error error = MLOOM_ERROR_INIT;
    char *text = NULL;
    UNIT_ASSERT_CODE(mloom_job_from_ticket(&text, "Fix", 3, "/r", templates[i], strlen(templates[i]), &error),
                     MLOOM_E_INVALID, &error);
    CU_ASSERT_NOT_EQUAL(error.message[0], '\0');
  }
}

static void test_large_tickets(void) {
  mloom_error error = MLOOM_ERROR_INIT;
  size_t size = 2 * 1024 * 1024;
  char *ticket = malloc(size + 1), *text = NULL;
  memset(ticket, 'x', size + 1);
  ticket[0] = 'T';
  ticket[1] = '\n';
  UNIT_ASSERT_CODE(mloom_job_from_ticket(&text, ticket, size, "/r", NULL, 0, &error), MLOOM_OK, &error);
  free(text);
  UNIT_ASSERT_CODE(mloom_job_from_ticket(&text, ticket, size + 1, "/r", NULL, 0, &error), MLOOM_E_INVALID, &error);
  ticket[1] = 'x';
  UNIT_ASSERT_CODE(mloom_job_from_ticket(&text, ticket, 1001, "/r", NULL, 0, &error), MLOOM_E_INVALID, &error);
  free(ticket);
}

static const unit_test tests[] = {
    {"tickets in text and JSON", test_tickets},
    {"a template's other members stay", test_template},
    {"what is refused", test_refused},
    {"large tickets", test_large_tickets},
};
UNIT_MAIN("ticket", tests)
