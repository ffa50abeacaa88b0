/* SPDX-License-Identifier: Apache-2.0
 *
 * Columns and lines in these tables are counted by hand in an editor.
 */
#include "resolver/directives.h"

#include <stdlib.h>

#include "harness.h"

static mloom_directives *parse(const char *text, size_t size) {
  mloom_error error = MLOOM_ERROR_INIT;
  mloom_directives *directives = NULL;
  UNIT_ASSERT_CODE(mloom_directives_parse(&directives, text, size, &error), MLOOM_OK, &error);
  return directives;
}

static size_t blockers(const mloom_directives *directives) {
  size_t count = 0;
  for (size_t i = 0; i < mloom_directives_note_count(directives); i++) {
    count += mloom_directives_note_at(directives, i)->blocks;
  }
  return count;
}

/* ---- What is obeyed ---- */

typedef struct obeyed_case {
  const char *text;
  const char *provider;
  const char *model;
  uint32_t line; /* of the provider's value */
  uint32_t column;
} obeyed_case;

static const obeyed_case obeyed[] = {
    {"[JCA]\nprovider=claude-api\nmodel=sonnet\n[/JCA]", "claude-api", "sonnet", 2, 10},
    {"Fix it.\n\n[JCA]\nprovider=claude-api\n[/JCA]\nThanks.", "claude-api", NULL, 4, 10},
    /* what trackers do to line ends and blanks */
    {"[JCA]\r\nprovider=claude-api\r\nmodel=sonnet\r\n[/JCA]\r\n", "claude-api", "sonnet", 2, 10},
    {"[JCA]\rprovider=claude-api\rmodel=sonnet\r[/JCA]\r", "claude-api", "sonnet", 2, 10},
    {"  [JCA]  \n\tprovider = claude-api \t\n   model=  sonnet   \n [/JCA] ", "claude-api", "sonnet", 2, 13},
    {"\xc2\xa0[JCA]\xc2\xa0\n\xc2\xa0provider\xc2\xa0=\xc2\xa0"
     "claude-api\xc2\xa0\n[/JCA]",
     "claude-api", NULL, 2, 13},
    {"\xef\xbb\xbf[JCA]\nprovider=claude-api\n[/JCA]", "claude-api", NULL, 2, 10},
    {"\xef\xbb\xbf[JCA] provider=claude-api [/JCA]", "claude-api", NULL, 1, 16},
    /* case, blank lines, comments */
    {"[jca]\nPROVIDER=claude-api\nModel=Sonnet\n[/Jca]", "claude-api", "Sonnet", 2, 10},
    {"[JCA]\n\n# provider=other\n   # model=other\nprovider=claude-api\n\n[/JCA]", "claude-api", NULL, 5, 10},
    /* fences, quotes and emphasis around the block */
    {"```\n[JCA]\nprovider=claude-api\n[/JCA]\n```", "claude-api", NULL, 3, 10},
    {"[JCA]\n```ini\nprovider=claude-api\n```\n[/JCA]", "claude-api", NULL, 3, 10},
    {"{code:title=x}\n[JCA]\nprovider=claude-api\n[/JCA]\n{code}", "claude-api", NULL, 3, 10},
    {"{noformat}[JCA]\nprovider=claude-api\n[/JCA]{noformat}", "claude-api", NULL, 2, 10},
    {"> [JCA]\n> provider=claude-api\n>model=sonnet\n> [/JCA]", "claude-api", "sonnet", 2, 12},
    {"> > [JCA]\n> > provider=claude-api\n> >\n> > [/JCA]", "claude-api", NULL, 2, 14},
    {"**[JCA]**\nprovider=claude-api\n**[/JCA]**", "claude-api", NULL, 2, 10},
    /* tags that share a line */
    {"[JCA] provider=claude-api [/JCA]", "claude-api", NULL, 1, 16},
    {"[JCA] provider=claude-api\nmodel=sonnet [/JCA]", "claude-api", "sonnet", 1, 16},
    {"Please: [JCA]\nprovider=claude-api\n[/JCA]", "claude-api", NULL, 2, 10},
    /* speaking of a block is not writing one */
    {"Choose in the [JCA]...[/JCA] block.\n[JCA]\nprovider=claude-api\n[/JCA]", "claude-api", NULL, 3, 10},
    {"A [JCA] block chooses.\n[JCA]\nprovider=claude-api\n[/JCA]", "claude-api", NULL, 3, 10},
    {"No block here, only (JCA) and [ABC].", NULL, NULL, 0, 0},
    {"", NULL, NULL, 0, 0},
    {"[JCA]\n[/JCA]", NULL, NULL, 0, 0},
    /* names that models have */
    {"[JCA]\nmodel=anthropic.claude-3-5:0@x/y+z\n[/JCA]", NULL, "anthropic.claude-3-5:0@x/y+z", 0, 0},
    /* columns count characters, not bytes */
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 [JCA] provider=claude-api [/JCA]", "claude-api", NULL, 1, 20},
};

static void test_obeyed(void) {
  for (size_t i = 0; i < sizeof obeyed / sizeof obeyed[0]; i++) {
    mloom_directives *directives = parse(obeyed[i].text, strlen(obeyed[i].text));
    uint32_t line = 0, column = 0;
    UNIT_ASSERT_STRING(mloom_directives_value(directives, "provider", &line, &column), obeyed[i].provider);
    UNIT_ASSERT_STRING(mloom_directives_value(directives, "model", NULL, NULL), obeyed[i].model);
    if (line != obeyed[i].line || column != obeyed[i].column || mloom_directives_note_count(directives) != 0) {
      const mloom_directive_note *note = mloom_directives_note_at(directives, 0);
      fprintf(stderr, "case %zu: line %u column %u, note %s\n", i, line, column, note == NULL ? "-" : note->message);
    }
    CU_ASSERT_EQUAL(line, obeyed[i].line);
    CU_ASSERT_EQUAL(column, obeyed[i].column);
    CU_ASSERT_EQUAL(mloom_directives_note_count(directives), 0);
    mloom_directives_free(directives);
  }
}

/* ---- What is reported ---- */

typedef struct note_case {
  const char *text;
  uint32_t blocks;
  uint32_t line;
  uint32_t column;
  const char *message;  /* a part of the first note */
  const char *remedy;   /* a part of its remedy, or NULL */
  const char *provider; /* what is obeyed all the same */
} note_case;

static const note_case reported[] = {
    /* the grammar */
    {"[JCA]\nprovider=a\nprovider=b\n[/JCA]", 1, 3, 1, "provider is given a second time", "keep one", "a"},
    {"[JCA]\nprovider=a\nPROVIDER = a\n[/JCA]", 1, 3, 1, "provider", NULL, "a"},
    {"[JCA]\nprovider=a\n", 1, 1, 1, "no closing [/JCA]", "[/JCA]", NULL},
    {"x\n  [JCA]\nprovider=a\n\n[JCA]\nprovider=b\n[/JCA]", 1, 2, 3, "no closing [/JCA]", NULL, NULL},
    {"provider=a\n[/JCA]", 1, 2, 1, "no [JCA] before it", NULL, NULL},
    {"[JCA]\nprovider=\n[/JCA]", 1, 2, 1, "provider has no value", NULL, NULL},
    {"[JCA]\n  model =  \n[/JCA]", 1, 2, 3, "model has no value", NULL, NULL},
    {"[JCA]\nprovdier=a\n[/JCA]", 0, 2, 1, "unknown key 'provdier'", "did you mean provider?", NULL},
    {"[JCA]\nwork-repos=a\n[/JCA]", 0, 2, 1, "unknown key 'work-repos'", "did you mean work_repos?", NULL},
    {"[JCA]\ncolour=red\nprovider=a\n[/JCA]", 0, 2, 1, "unknown key 'colour'", "remove the line", "a"},
    {"[JCA]\nprovider: a\n[/JCA]", 1, 2, 1, "is no key=value", "write key=value", NULL},
    {"[JCA]\n- provider=a\n[/JCA]", 1, 2, 1, "'- provider' is no key", NULL, NULL},
    {"[JCA]\n=a\n[/JCA]", 1, 2, 1, "'' is no key", NULL, NULL},
    {"[JCA] provider=a model=b [/JCA]", 1, 1, 17, "is not one name", "a line of its own", NULL},
    {"[JCA]\nprovider=a,b\n[/JCA]", 1, 2, 11, "is not one name", NULL, NULL},
    {"[JCA]\nprovider=a\n[/JCA]\n\n[JCA]\nmodel=b\n[/JCA]", 0, 5, 1, "only the first", NULL, "a"},
    {"[JCA]\nprovider=a\n[/JCA] model=b", 0, 3, 7, "text after [/JCA]", NULL, "a"},
    {"In a [JCA] block one chooses.", 0, 1, 6, "is not read", NULL, NULL},
    {"[JCA] provider [/JCA]", 1, 1, 7, "is no key=value", NULL, NULL},
    /* hidden characters */
    {"[JCA]\nprovider=claude\xe2\x80\x8b-api\n[/JCA]", 1, 2, 16, "U+200B (zero-width space)", NULL, NULL},
    {"[JCA]\nprovider=claude-api\xe2\x80\x8b\n[/JCA]", 1, 2, 20, "U+200B", NULL, NULL},
    {"[JCA]\n\xef\xbb\xbfprovider=a\n[/JCA]", 1, 2, 1, "U+FEFF (byte-order mark)", NULL, NULL},
    {"[JCA]\npro\xc2\xadvider=a\n[/JCA]", 1, 2, 4, "U+00AD (soft hyphen)", NULL, NULL},
    {"[JCA]\nprovider=a\xe2\x80\xaeipa\n[/JCA]", 1, 2, 11, "U+202E", NULL, NULL},
    {"[JCA]\nprovider=a\x1b[31m\n[/JCA]", 1, 2, 11, "U+001B (control character)", NULL, NULL},
    {"[JCA]\nprovider=a\xff\n[/JCA]", 1, 2, 11, "malformed UTF-8", NULL, NULL},
    {"[JCA]\nprovider=a\xe2\x80\xa8model=b\n[/JCA]", 1, 2, 11, "U+2028 (line separator)", NULL, NULL},
    {"[JCA]\n\xe2\x80\x8b\nprovider=a\n[/JCA]", 0, 2, 1, "U+200B", NULL, "a"},
    /* full-width forms */
    {"[JCA]\nprovider\xef\xbc\x9d"
     "a\n[/JCA]",
     1, 2, 9, "U+FF1D (full-width equals sign)", NULL, NULL},
    {"[JCA]\nprovider=\xef\xbd\x81\n[/JCA]", 1, 2, 10, "U+FF41 (full-width character)", NULL, NULL},
    {"\xef\xbc\xbbJCA\xef\xbc\xbd\nprovider=a\n\xef\xbc\xbb/JCA\xef\xbc\xbd", 1, 1, 1, "U+FF3B", "[JCA]", NULL},
    {"x\n \xef\xbc\xbb\xef\xbc\xaa\xef\xbc\xa3\xef\xbc\xa1\xef\xbc\xbd\nprovider=a", 1, 2, 2, "U+FF3B", NULL, NULL},
    {"[J\xe2\x80\x8b"
     "CA]\nprovider=a\n[/JCA]",
     1, 1, 1, "U+200B (zero-width space)", NULL, NULL},
    {"[JCA]\nprovider=a\n[/JCA\xef\xbc\xbd", 1, 3, 1, "U+FF3D", NULL, NULL},
    {"[JCA]\nprovider=a\n\xef\xbc\xbb/JCA]\n[/JCA]", 1, 3, 1, "U+FF3B", NULL, NULL},
    {"\xef\xbc\xbbJCA\xef\xbc\xbd\n[JCA]\nprovider=a\n[/JCA]", 0, 1, 1, "U+FF3B", NULL, "a"},
    /* escapes and markup */
    {"\\[JCA\\]\nprovider=a\n\\[/JCA\\]", 1, 1, 1, "escapes or blanks", NULL, NULL},
    {"&#91;JCA&#93;\nprovider=a\n&#91;/JCA&#93;", 1, 1, 1, "escapes or blanks", NULL, NULL},
    {"[ JCA ]\nprovider=a\n[/JCA]", 1, 1, 1, "escapes or blanks", NULL, NULL},
    {"[JCA]\nprovider=&quot;a&quot;\n[/JCA]", 1, 2, 10, "HTML-escaped", NULL, NULL},
    {"[JCA]\nprovider=\"a\"\n[/JCA]", 1, 2, 10, "quotation mark", "without quotes", NULL},
    {"[JCA]\nprovider=\xe2\x80\x9c"
     "a\xe2\x80\x9d\n[/JCA]",
     1, 2, 10, "quotation mark", NULL, NULL},
    {"[JCA]\nprovider=a<br>\n[/JCA]", 1, 2, 11, "markup", NULL, NULL},
    {"[JCA]\nprovider=a\\\nmodel=b\n[/JCA]", 1, 2, 11, "markup", NULL, NULL},
    {"[JCA]\nprovider=\xd0\xb0\n[/JCA]", 1, 2, 10, "U+0430", "ASCII", NULL},
    {"[JCA]\ninline_context=a\xe2\x80\x8b b\n[/JCA]", 1, 2, 17, "U+200B", NULL, NULL},
    {"[JCA]\ninline_context=a \xe2\x80\xae b\n[/JCA]", 1, 2, 18, "U+202E", NULL, NULL},
    {"[JCA]\ninline_context=a &amp; b\n[/JCA]", 0, 2, 18, "HTML-escaped", NULL, NULL},
    /* lists and paths */
    {"[JCA]\ncontext_files=api:../secret\n[/JCA]", 1, 2, 15, "leads out of", NULL, NULL},
    {"[JCA]\ncontext_files=api:a/b, /etc/passwd\n[/JCA]", 1, 2, 24, "leads out of", NULL, NULL},
    {"[JCA]\nwork_repos=a,,b\n[/JCA]", 0, 2, 14, "empty element", NULL, NULL},
};

static void test_reported(void) {
  for (size_t i = 0; i < sizeof reported / sizeof reported[0]; i++) {
    const note_case *expected = &reported[i];
    mloom_directives *directives = parse(expected->text, strlen(expected->text));
    const mloom_directive_note *note = mloom_directives_note_at(directives, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(note);
    if (note->line != expected->line || note->column != expected->column || note->blocks != expected->blocks ||
        strstr(note->message, expected->message) == NULL ||
        (expected->remedy != NULL && strstr(note->remedy, expected->remedy) == NULL)) {
      fprintf(stderr, "case %zu: %u:%u blocks %u: %s; %s\n", i, note->line, note->column, note->blocks, note->message,
              note->remedy);
    }
    CU_ASSERT_EQUAL(note->line, expected->line);
    CU_ASSERT_EQUAL(note->column, expected->column);
    CU_ASSERT_EQUAL(note->blocks, expected->blocks);
    CU_ASSERT_PTR_NOT_NULL(strstr(note->message, expected->message));
    CU_ASSERT(expected->remedy == NULL || strstr(note->remedy, expected->remedy) != NULL);
    CU_ASSERT_EQUAL(blockers(directives) > 0, expected->blocks);
    CU_ASSERT_NOT_EQUAL(note->remedy[0], '\0');
    UNIT_ASSERT_STRING(mloom_directives_value(directives, "provider", NULL, NULL), expected->provider);
    mloom_directives_free(directives);
  }
}

static void test_all_keys(void) {
  static const char text[] = "[JCA]\nwork_repos=api, web\ncontext_repos=shared-docs\n"
                             "context_files=api:MERGELOOM.md, api:my file.txt\ncontext_folders=api:src/billing\n"
                             "inline_context=Use the existing retry policy from the billing service.\n[/JCA]";
  mloom_directives *directives = parse(text, sizeof text - 1);
  CU_ASSERT_EQUAL(mloom_directives_note_count(directives), 0);
  CU_ASSERT_EQUAL(mloom_directives_list_count(directives, "work_repos"), 2);
  UNIT_ASSERT_STRING(mloom_directives_list_at(directives, "work_repos", 0), "api");
  UNIT_ASSERT_STRING(mloom_directives_list_at(directives, "work_repos", 1), "web");
  UNIT_ASSERT_STRING(mloom_directives_list_at(directives, "work_repos", 2), NULL);
  UNIT_ASSERT_STRING(mloom_directives_list_at(directives, "context_repos", 0), "shared-docs");
  UNIT_ASSERT_STRING(mloom_directives_list_at(directives, "context_files", 1), "api:my file.txt");
  UNIT_ASSERT_STRING(mloom_directives_list_at(directives, "context_folders", 0), "api:src/billing");
  UNIT_ASSERT_STRING(mloom_directives_value(directives, "inline_context", NULL, NULL),
                     "Use the existing retry policy from the billing service.");
  UNIT_ASSERT_STRING(mloom_directives_value(directives, "no_such_key", NULL, NULL), NULL);
  mloom_directives_free(directives);
}

static void test_free_text_keeps_its_script(void) {
  /* Full-width punctuation and a joiner inside an emoji belong to the text. */
  static const char text[] = "[JCA]\ninline_context=\xe7\x9b\xb4\xe3\x81\x99\xef\xbc\x81 \xf0\x9f\x91\xa9\xe2\x80\x8d"
                             "\xf0\x9f\x92\xbb\n[/JCA]";
  mloom_directives *directives = parse(text, sizeof text - 1);
  CU_ASSERT_EQUAL(mloom_directives_note_count(directives), 0);
  CU_ASSERT_PTR_NOT_NULL(mloom_directives_value(directives, "inline_context", NULL, NULL));
  mloom_directives_free(directives);
}

static char *block_of(const char *line, size_t count, size_t *size) {
  size_t line_size = strlen(line);
  char *text = malloc(count * (line_size + 1) + 32);
  size_t used = (size_t)sprintf(text, "[JCA]\n");
  for (size_t i = 0; i < count; i++) {
    used += (size_t)sprintf(text + used, "%s\n", line);
  }
  used += (size_t)sprintf(text + used, "[/JCA]");
  *size = used;
  return text;
}

static void test_limits(void) {
  size_t size = 0;
  /* 200 lines: the rest of the tag's own line and 199 more. */
  char *text = block_of("# c", 199, &size);
  mloom_directives *directives = parse(text, size);
  CU_ASSERT_EQUAL(mloom_directives_note_count(directives), 0);
  mloom_directives_free(directives);
  free(text);
  text = block_of("# c", 200, &size);
  directives = parse(text, size);
  CU_ASSERT_EQUAL(blockers(directives), 1);
  CU_ASSERT_EQUAL(mloom_directives_note_at(directives, 0)->line, 201);
  mloom_directives_free(directives);
  free(text);

  /* More warnings than are kept do not hide what blocks. */
  char many[3000] = "[JCA]\nmodel=a\n";
  for (int i = 0; i < 150; i++) {
    strcat(many, "unknown=1\n");
  }
  strcat(many, "model=b\n[/JCA]");
  directives = parse(many, strlen(many));
  CU_ASSERT_EQUAL(blockers(directives), 1);
  mloom_directives_free(directives);

  char value[5000];
  memset(value, 'x', sizeof value);
  memcpy(value, "inline_context=", 15);
  value[15 + 4096] = '\0';
  text = block_of(value, 1, &size);
  directives = parse(text, size);
  CU_ASSERT_EQUAL(mloom_directives_note_count(directives), 0);
  mloom_directives_free(directives);
  free(text);
  value[15 + 4096] = 'x';
  value[15 + 4097] = '\0';
  text = block_of(value, 1, &size);
  directives = parse(text, size);
  CU_ASSERT_EQUAL(blockers(directives), 1);
  mloom_directives_free(directives);
  free(text);

  size_t large = 1024 * 1024;
  text = malloc(large + 1);
  memset(text, 'j', large + 1);
  memcpy(text + large - 19, "[JCA]\nmodel=b[/JCA]", 19);
  directives = parse(text, large);
  UNIT_ASSERT_STRING(mloom_directives_value(directives, "model", NULL, NULL), "b");
  mloom_directives_free(directives);
  directives = parse(text, large + 1);
  CU_ASSERT_EQUAL(blockers(directives), 1);
  UNIT_ASSERT_STRING(mloom_directives_value(directives, "model", NULL, NULL), NULL);
  mloom_directives_free(directives);
  free(text);
}

/* Text around a block, and the way its lines end, change where things stand but not what they say. */
static void test_surroundings_do_not_matter(void) {
  static const char *const before[] = {"", "Some text.\n", "\n\n\n", "- a list\n- of things\n\n", "h2. Title\r\n\r\n"};
  static const char *const after[] = {"", "\n", "\nmore text = here\n", "\r\n\r\nend"};
  static const char *const ends[] = {"\n", "\r\n", "\r"};
  char text[512];
  for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
    for (size_t j = 0; j < sizeof after / sizeof after[0]; j++) {
      for (size_t k = 0; k < sizeof ends / sizeof ends[0]; k++) {
        int size = snprintf(text, sizeof text, "%s[JCA]%smodel=sonnet%sprovider=claude-api%s[/JCA]%s", before[i],
                            ends[k], ends[k], ends[k], after[j]);
        mloom_directives *directives = parse(text, (size_t)size);
        UNIT_ASSERT_STRING(mloom_directives_value(directives, "provider", NULL, NULL), "claude-api");
        UNIT_ASSERT_STRING(mloom_directives_value(directives, "model", NULL, NULL), "sonnet");
        CU_ASSERT_EQUAL(mloom_directives_note_count(directives), 0);
        mloom_directives_free(directives);
      }
    }
  }
}

/* Every prefix of a text is read without harm (the sanitizers watch), and an unfinished block never gives a value. */
static void test_prefixes(void) {
  static const char text[] = "\xef\xbc\xbbJCA] x \\[JCA\\] &#91;JCA&#93;\r\n[JCA]\r\n> provider = claude-api\r\n"
                             "context_files=a:b, c:d\r\nmodel=\xe2\x80\x9cx\xe2\x80\x9d\r\n[/JCA]\xf0\x9f\x98\x80";
  size_t closing = (size_t)(strstr(text, "[/JCA]") + 6 - text);
  for (size_t size = 0; size < sizeof text; size++) {
    char *copy = malloc(size + 1);
    memcpy(copy, text, size);
    mloom_directives *directives = parse(copy, size);
    CU_ASSERT(size >= closing || mloom_directives_value(directives, "provider", NULL, NULL) == NULL);
    mloom_directives_free(directives);
    free(copy);
  }
}

static const unit_test tests[] = {
    {"directives that are obeyed", test_obeyed},
    {"what is reported, and where", test_reported},
    {"all keys", test_all_keys},
    {"free text keeps its script", test_free_text_keeps_its_script},
    {"limits", test_limits},
    {"surroundings do not matter", test_surroundings_do_not_matter},
    {"every prefix", test_prefixes},
};
UNIT_MAIN("directives", tests)
