/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include <stdlib.h>

#include "net/sse.h"

static int32_t record(mloom_bytes event, mloom_bytes data, void *userdata) {
  return mloom_buffer_append_format(userdata, "[%.*s|%.*s]", (int)event.size, event.data, (int)data.size, data.data);
}

/* Feeds text in pieces of size step. */
static void run(mloom_buffer *log, const char *text, size_t size, size_t step, int *partial) {
  mloom_sse sse;
  mloom_sse_init(&sse, 1000);
  for (size_t offset = 0; offset < size; offset += step) {
    size_t piece = step < size - offset ? step : size - offset;
    char *copy = malloc(piece);
    memcpy(copy, text + offset, piece);
    CU_ASSERT_EQUAL(mloom_sse_feed(&sse, copy, piece, record, log), MLOOM_OK);
    free(copy);
  }
  *partial = mloom_sse_is_partial(&sse);
  mloom_sse_free(&sse);
}

/* The examples of the WHATWG HTML standard, and the rules of its parsing section one by one. */
static const struct {
  const char *text;
  const char *events;
  int partial;
} cases[] = {
    {"", "", 0},
    {"data: one\n\n", "[|one]", 0},
    {"data: YHOO\ndata: +2\ndata: 10\n\n", "[|YHOO\n+2\n10]", 0},
    {": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
     "[|first event][|second event][| third event]", 0},
    {"data\n\ndata\ndata\n\ndata:", "[|][|\n]", 1},
    {"data:test\n\ndata: test\n\n", "[|test][|test]", 0},
    {"event: add\ndata: 73857293\n\nevent: remove\ndata: 2153\n\n", "[add|73857293][remove|2153]", 0},
    {"event: lost\n\ndata: x\n\n", "[|x]", 0},
    {"event: a\nevent: b\ndata: x\n\n", "[b|x]", 0},
    {"data: x\nevent: late\n\n", "[late|x]", 0},
    {"data: crlf\r\n\r\ndata: cr\r\rdata: lf\n\n", "[|crlf][|cr][|lf]", 0},
    {"data: mixed\r\ndata: ends\rdata: here\n\r\n", "[|mixed\nends\nhere]", 0},
    {"\xEF\xBB\xBF"
     "data: mark\n\n",
     "[|mark]", 0},
    {"\xEF\xBB\xBF\xEF\xBB\xBF"
     "data: two marks\n\ndata: x\n\n",
     "[|x]", 0},
    {"\xEF\xBB"
     "data: half a mark\n\ndata: x\n\n",
     "[|x]", 0},
    {"Data: case\nDATA: case\n data: blank\ndat: a\ndatax: b\n\n", "", 0},
    {"retry: 10\nid: 5\nunknown: 1\nnocolon\n\n", "", 0},
    {"data: {\"a\":\"b: c\"}\n\n", "[|{\"a\":\"b: c\"}]", 0},
    {"data: \xF0\x9F\x98\x80 \xC3\xA9\n\n", "[|\xF0\x9F\x98\x80 \xC3\xA9]", 0},
    {":\n\n:keep-alive\n\n\n\n\n", "", 0},
    {"data: cut", "", 1},
    {"data: no blank line\n", "", 1},
    {"event: x\n", "", 1},
    {"data: a\n\n: ping", "[|a]", 0},
    {"data: a\n\nda", "[|a]", 1},
    {"\n\n\n", "", 0},
    {"data:\n\n", "[|]", 0},
    {"data: \n\n", "[|]", 0},
};

static void test_streams_cut_anywhere(void) {
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    for (size_t step = 1; step < 40; step++) {
      MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
      int partial;
      run(&log, cases[i].text, strlen(cases[i].text), step, &partial);
      UNIT_ASSERT_STRING(mloom_buffer_string(&log), cases[i].events);
      CU_ASSERT_EQUAL(partial, cases[i].partial);
    }
  }
}

static int32_t remember_place(mloom_bytes event, mloom_bytes data, void *userdata) {
  (void)event;
  *(const char **)userdata = data.data;
  return MLOOM_OK;
}

static void test_whole_event_is_not_copied(void) {
  static const char text[] = ": ping\n\nevent: e\ndata: here\n\n";
  const char *place = NULL;
  mloom_sse sse;
  mloom_sse_init(&sse, 100);
  CU_ASSERT_EQUAL(mloom_sse_feed(&sse, text, sizeof(text) - 1, remember_place, &place), MLOOM_OK);
  CU_ASSERT_PTR_EQUAL(place, strstr(text, "here"));
  mloom_sse_free(&sse);
}

/* An event of size bytes of data, in one line or one byte a line; comments around it do not count. */
static int32_t feed_event(size_t size, size_t line_size, size_t limit, size_t step) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
  mloom_buffer_append_string(&text, ": comment\n\n");
  for (size_t i = 0; i < size; i++) {
    if (i % line_size == 0) {
      mloom_buffer_append_string(&text, i == 0 ? "data: " : "\ndata: ");
    }
    mloom_buffer_append_char(&text, 'x');
  }
  mloom_buffer_append_string(&text, "\n\n");
  mloom_sse sse;
  mloom_sse_init(&sse, limit);
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < text.size; i += step) {
    code = mloom_sse_feed(&sse, text.data + i, step < text.size - i ? step : text.size - i, record, &log);
  }
  mloom_sse_free(&sse);
  return code;
}

static void test_limit(void) {
  for (size_t step = 1; step < 400; step = step * 3 + 1) {
    CU_ASSERT_EQUAL(feed_event(90, 1000, 100, step), MLOOM_OK);
    CU_ASSERT_EQUAL(feed_event(101, 1000, 100, step), MLOOM_E_LIMIT);
    CU_ASSERT_EQUAL(feed_event(40, 2, 100, step), MLOOM_OK);
    CU_ASSERT_EQUAL(feed_event(200, 2, 100, step), MLOOM_E_LIMIT);
  }
  mloom_sse sse;
  mloom_sse_init(&sse, 100);
  int32_t code = MLOOM_OK;
  for (int i = 0; code == MLOOM_OK && i < 1000; i++) {
    code = mloom_sse_feed(&sse, ":endless", 8, record, NULL);
  }
  CU_ASSERT_EQUAL(code, MLOOM_E_LIMIT);
  CU_ASSERT(sse.line.size <= 100);
  mloom_sse_free(&sse);
}

static int32_t stop(mloom_bytes event, mloom_bytes data, void *userdata) {
  (void)event;
  (void)data;
  ++*(int *)userdata;
  return MLOOM_E_CANCELLED;
}

static void test_callback_ends_the_feeding(void) {
  int calls = 0;
  mloom_sse sse;
  mloom_sse_init(&sse, 100);
  CU_ASSERT_EQUAL(mloom_sse_feed(&sse, "data: a\n\ndata: b\n\n", 18, stop, &calls), MLOOM_E_CANCELLED);
  CU_ASSERT_EQUAL(calls, 1);
  CU_ASSERT(!mloom_sse_is_partial(&sse));
  mloom_sse_free(&sse);
}

static void test_reset(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
  mloom_sse sse;
  mloom_sse_init(&sse, 100);
  CU_ASSERT_EQUAL(mloom_sse_feed(&sse, "event: e\ndata: old\nda", 21, record, &log), MLOOM_OK);
  CU_ASSERT(mloom_sse_is_partial(&sse));
  mloom_sse_reset(&sse);
  CU_ASSERT(!mloom_sse_is_partial(&sse));
  CU_ASSERT_EQUAL(mloom_sse_feed(&sse,
                                 "\xEF\xBB\xBF"
                                 "data: new\n\n",
                                 14, record, &log),
                  MLOOM_OK);
  UNIT_ASSERT_STRING(mloom_buffer_string(&log), "[|new]");
  mloom_sse_free(&sse);
}

static const unit_test tests[] = {
    {"the standard's streams, cut anywhere", test_streams_cut_anywhere},
    {"an event that came whole is not copied", test_whole_event_is_not_copied},
    {"the limit of an event", test_limit},
    {"the callback ends the feeding", test_callback_ends_the_feeding},
    {"reset begins a new stream", test_reset},
};

UNIT_MAIN("sse", tests)
