/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/json_template.h"
#include "base/text.h"

#define EVENT(sequence, text, pad) \
  "{\"type\":\"delta\",\"sequence\":" sequence ",\"delta\":{\"text\":" text "},\"pad\":" pad ",\"end\":null}"

/* Reads an event: sequence, text and pad become holes. Returns whether it became a template. */
static int learn(mloom_json_template *pattern, const char *event, size_t *text_hole) {
  mloom_bytes document = mloom_text_bytes(event);
  mloom_bytes text = {NULL, 0};
  mloom_bytes sequence = {NULL, 0};
  mloom_bytes pad = {NULL, 0};
  mloom_bytes key;
  mloom_json_places places = {.count = 0};
  mloom_json_reader reader;
  mloom_json_reader_init(&reader, document.data, document.size);
  mloom_json_reader_object(&reader);
  while (mloom_json_reader_key(&reader, &key)) {
    if (mloom_text_equal(key, "delta") && mloom_json_reader_object(&reader)) {
      while (mloom_json_reader_key(&reader, &key)) {
        mloom_json_reader_raw(&reader, &text);
      }
    } else if (mloom_text_equal(key, "sequence")) {
      mloom_json_reader_raw(&reader, &sequence);
    } else if (mloom_text_equal(key, "pad")) {
      mloom_json_reader_raw(&reader, &pad);
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_OK);
  /* Not in the order of their places. */
  mloom_json_places_take(&places, document, text);
  mloom_json_places_take(&places, document, sequence);
  mloom_json_places_take(&places, document, pad);
  *text_hole = mloom_json_places_find(&places, document, text);
  return mloom_json_template_set(pattern, document, &places);
}

/* The text is given in memory of its own, so that reading past it is seen. */
static int fits(const mloom_json_template *pattern, const char *text, size_t size, size_t hole, char *value) {
  mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES];
  char *copy = malloc(size == 0 ? 1 : size);
  memcpy(copy, text, size);
  int yes = mloom_json_template_fits(pattern, (mloom_bytes){copy, size}, values);
  if (yes && value != NULL) {
    memcpy(value, values[hole].data, values[hole].size);
    value[values[hole].size] = '\0';
  }
  free(copy);
  return yes;
}

static void test_values_differ(void) {
  static const struct {
    const char *event;
    const char *text; /* NULL: does not fit */
  } cases[] = {
      {EVENT("7", "\"one\"", "\"ab\""), "\"one\""},
      {EVENT("8", "\"two, and longer than before\"", "\"\""), "\"two, and longer than before\""},
      {EVENT("-1.5e+3", "\"\"", "\"abcdef\""), "\"\""},
      {EVENT("9", "\"\\u00e9\\n\xC3\xA9\"", "\"a\""), "\"\\u00e9\\n\xC3\xA9\""},
      {EVENT("9", "\"say \\\"hi\\\"\"", "\"a\""), "\"say \\\"hi\\\"\""},
      {EVENT("9", "null", "\"a\""), NULL},
      {EVENT("9", "[\"x\"]", "\"a\""), NULL},
      {EVENT("\"9\"", "\"x\"", "\"a\""), NULL},
      {EVENT("9", "\"x\"", "7"), NULL},
      {EVENT("09", "\"x\"", "\"a\""), NULL},
      {EVENT("9.", "\"x\"", "\"a\""), NULL},
      {EVENT("9", "\"x\",\"more\":\"y\"", "\"a\""), NULL},
      {EVENT("9", "\"x\"", "\"a\",\"error\":\"y\""), NULL},
      {EVENT("9", "\"\xC3\"", "\"a\""), NULL},
      {EVENT("9", "\"\\x\"", "\"a\""), NULL},
      {EVENT("9", "\"a\nb\"", "\"a\""), NULL},
      {EVENT("9", "\"x", "\"a\""), NULL},
      {EVENT("9", "\"x\"", "\"a\"") " ", NULL},
      {EVENT("9", "\"x\"", "\"a\"") "}", NULL},
      {"", NULL},
  };
  mloom_json_template pattern = {.text = MLOOM_BUFFER_INIT};
  char value[64];
  size_t hole = 0;
  CU_ASSERT(!fits(&pattern, "", 0, 0, NULL));
  CU_ASSERT(learn(&pattern, EVENT("7", "\"first\"", "\"x\""), &hole));
  CU_ASSERT_EQUAL(hole, 1);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    int yes = fits(&pattern, cases[i].event, strlen(cases[i].event), hole, value);
    if (yes != (cases[i].text != NULL)) {
      fprintf(stderr, "%s: %s\n", yes ? "fits" : "does not fit", cases[i].event);
    }
    CU_ASSERT_EQUAL(yes, cases[i].text != NULL);
    if (yes && cases[i].text != NULL) {
      UNIT_ASSERT_STRING(value, cases[i].text);
    }
  }
  mloom_json_template_clear(&pattern);
  CU_ASSERT(!fits(&pattern, cases[0].event, strlen(cases[0].event), 0, NULL));
  mloom_json_template_free(&pattern);
}

/* Every other byte outside of the holes, and every cut, is no fit. */
static void test_envelope_differs(void) {
  static const char event[] = EVENT("7", "\"\"", "\"\"");
  mloom_json_template pattern = {.text = MLOOM_BUFFER_INIT};
  size_t hole = 0;
  CU_ASSERT(learn(&pattern, event, &hole));
  CU_ASSERT(fits(&pattern, event, sizeof(event) - 1, hole, NULL));
  for (size_t i = 0; i < sizeof(event) - 1; i++) {
    char changed[sizeof(event)];
    CU_ASSERT(!fits(&pattern, event, i, hole, NULL));
    memcpy(changed, event, sizeof(event));
    changed[i] ^= 4; /* 7 becomes 3: it stands in a hole */
    CU_ASSERT_EQUAL(fits(&pattern, changed, sizeof(event) - 1, hole, NULL), event[i] == '7');
  }
  mloom_json_template_free(&pattern);
}

static void read_skipping(mloom_json_template *pattern, const char *event) {
  mloom_bytes document = mloom_text_bytes(event);
  mloom_json_places places = {.count = 0};
  mloom_json_reader reader;
  mloom_bytes key;
  mloom_json_reader_init(&reader, document.data, document.size);
  mloom_json_reader_object(&reader);
  while (mloom_json_reader_key(&reader, &key)) {
    mloom_json_places_skip(&places, &reader);
  }
  CU_ASSERT_EQUAL(mloom_json_reader_end(&reader), MLOOM_OK);
  CU_ASSERT(mloom_json_template_set(pattern, document, &places));
}

/* A skipped value becomes a hole when it has changed, and stays one. */
static void test_holes_are_learned(void) {
  static const char same[] = "{\"id\":\"a\",\"n\":3,\"object\":\"chunk\",\"e\":null}";
  static const char other[] = "{\"id\":\"b\",\"n\":4,\"object\":\"chunk\",\"e\":null}";
  static const char another_object[] = "{\"id\":\"b\",\"n\":4,\"object\":\"error\",\"e\":null}";
  mloom_json_template pattern = {.text = MLOOM_BUFFER_INIT};
  read_skipping(&pattern, "{\"id\":\"a\",\"n\":1,\"object\":\"chunk\",\"e\":null}");
  CU_ASSERT(!fits(&pattern, same, sizeof(same) - 1, 0, NULL));
  read_skipping(&pattern, "{\"id\":\"a\",\"n\":22,\"object\":\"chunk\",\"e\":null}");
  CU_ASSERT(fits(&pattern, same, sizeof(same) - 1, 0, NULL));
  CU_ASSERT(!fits(&pattern, other, sizeof(other) - 1, 0, NULL));
  read_skipping(&pattern, "{\"id\":\"ccc\",\"n\":22,\"object\":\"chunk\",\"e\":null}");
  CU_ASSERT(fits(&pattern, same, sizeof(same) - 1, 0, NULL));
  CU_ASSERT(fits(&pattern, other, sizeof(other) - 1, 0, NULL));
  CU_ASSERT(!fits(&pattern, another_object, sizeof(another_object) - 1, 0, NULL));
  /* Another number of places: all is learned anew. */
  read_skipping(&pattern, "{\"id\":\"ccc\",\"n\":22}");
  CU_ASSERT(!fits(&pattern, "{\"id\":\"ccc\",\"n\":23}", 20, 0, NULL));
  mloom_json_template_free(&pattern);
}

static void test_what_is_not_kept(void) {
  mloom_json_template pattern = {.text = MLOOM_BUFFER_INIT};
  mloom_json_places places = {.count = 0};
  mloom_bytes many = mloom_text_bytes("[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7]");
  for (size_t i = 0; i < 17; i++) {
    CU_ASSERT(mloom_json_template_set(&pattern, many, &places));
    mloom_json_places_take(&places, many, (mloom_bytes){many.data + 1 + 2 * i, 1});
  }
  CU_ASSERT(!mloom_json_template_set(&pattern, many, &places));
  CU_ASSERT(!fits(&pattern, many.data, many.size, 0, NULL));
  /* Only strings and numbers make holes. */
  places = (mloom_json_places){.count = 0};
  mloom_bytes others = mloom_text_bytes("[null,true,[],{}]");
  mloom_json_places_take(&places, others, (mloom_bytes){others.data + 1, 4});
  mloom_json_places_take(&places, others, (mloom_bytes){others.data + 6, 4});
  mloom_json_places_take(&places, others, (mloom_bytes){others.data + 11, 2});
  mloom_json_places_take(&places, others, (mloom_bytes){NULL, 0});
  CU_ASSERT_EQUAL(places.count, 0);
  /* A long text takes the place of none. */
  static char text[8192];
  memset(text, ' ', sizeof(text));
  text[0] = '1';
  CU_ASSERT(!mloom_json_template_set(&pattern, (mloom_bytes){text, sizeof(text)}, &places));
  CU_ASSERT(mloom_json_template_set(&pattern, (mloom_bytes){text, 100}, &places));
  CU_ASSERT(fits(&pattern, text, 100, 0, NULL));
  mloom_json_template_free(&pattern);
}

static const unit_test tests[] = {
    {"values in holes may differ", test_values_differ},
    {"nothing else may", test_envelope_differs},
    {"holes are learned", test_holes_are_learned},
    {"what is not kept", test_what_is_not_kept},
};

UNIT_MAIN("json_template", tests)
