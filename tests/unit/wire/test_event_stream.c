/* SPDX-License-Identifier: Apache-2.0
 *
 * Messages were made with Python's struct and zlib; their checksums are those that botocore and aws-c-event-stream
 * have in their tests for the same messages.
 */
#include "harness.h"

#include <inttypes.h>
#include <stdlib.h>

#include "wire/event_stream.h"

typedef struct good_case {
  const char *name;
  const char *hex;
  const char *expected; /* "NAME TYPE NUMBER VALUE;...|PAYLOAD" */
} good_case;

typedef struct bad_case {
  const char *name;
  const char *hex;
  int32_t code;
} bad_case;

static const good_case good_cases[] = {
    {"empty", "000000100000000005c248eb7d98c8ff", "|"},
    {"int8", "000000170000000729860158046279746502ffc2f869dc", "byte 2 -1 ;|"},
    {"int16", "0000001900000009710e923e0573686f727403ffffb27cb6cc", "short 3 -1 ;|"},
    {"int32", "0000001d0000000d83e3f0e707696e746567657204ffffffff8b8e12eb", "integer 4 -1 ;|"},
    {"int64", "0000001e0000000e5d4adb8d046c6f6e6705ffffffffffffffff4bc232da", "long 5 -1 ;|"},
    {"smallest int64", "0000001e0000000e5d4adb8d046c6f6e670580000000000000005c9fb775",
     "long 5 -9223372036854775808 ;|"},
    {"largest int64", "0000001e0000000e5d4adb8d046c6f6e67057fffffffffffffff18f9b700", "long 5 9223372036854775807 ;|"},
    {"payload", "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", "|{'foo':'bar'}"},
    {"one string",
     "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277"
     "d8d9c08b1",
     "content-type 7 0 application/json;|{'foo':'bar'}"},
    {"all types",
     "000000620000005203b5cb9c01300001310101320202013303000301340400000004013505000000000000000501360600056279746573013"
     "70700047574663801380800000000000000080139093031323334353637383961626364656663353671",
     "0 0 1 ;1 1 0 ;2 2 2 ;3 3 3 ;4 4 4 ;5 5 5 ;6 6 0 bytes;7 7 0 utf8;8 8 8 ;9 9 0 0123456789abcdef;|"},
    {"error",
     "0000005200000042bf23637e0d3a6d6573736167652d747970650700056572726f720b3a6572726f722d636f6465070004636f64650e3a657"
     "2726f722d6d6573736167650700076d6573736167656b6cea3d",
     ":message-type 7 0 error;:error-code 7 0 code;:error-message 7 0 message;|"},
};

static const bad_case bad_cases[] = {
    {"corrupted length", "0100001d00000000fd528c5a7b27666f6f273a27626172277dc3653936", MLOOM_E_PROTOCOL},
    {"corrupted payload", "0000001d00000000fd528c5a7b27666f6f273a27626172278dc3653936", MLOOM_E_PROTOCOL},
    {"corrupted header",
     "0000003d0000002007fd83960c636f6e74656e742b747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277"
     "d8d9c08b1",
     MLOOM_E_PROTOCOL},
    {"corrupted header length",
     "0000003dff00010207fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277"
     "d8d9c08b1",
     MLOOM_E_PROTOCOL},
    {"corrupted last checksum",
     "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277"
     "d8d9c0800",
     MLOOM_E_PROTOCOL},
    {"duplicate header", "00000024000000144bb982d00474657374046173646604746573740461736466f3f47563", MLOOM_E_PROTOCOL},
    {"total below the frame", "0000000f00000000e77248b845ab32b2", MLOOM_E_PROTOCOL},
    {"headers beyond the message", "000000100000000172c5787d75756f6d", MLOOM_E_PROTOCOL},
    {"header cut in its name", "0000001300000003db6b6381046162ba09bda3", MLOOM_E_PROTOCOL},
    {"header without a type", "0000001300000003db6b6381026162be84c111", MLOOM_E_PROTOCOL},
    {"header without a value", "000000160000000663e1187e026162040000921e8d22", MLOOM_E_PROTOCOL},
    {"string longer than the headers", "000000200000000a4436197302616207000561626364616263646566497a2606",
     MLOOM_E_PROTOCOL},
    {"name without letters", "0000001200000002910c7aa700007bc1361e", MLOOM_E_PROTOCOL},
    {"unknown type", "0000001300000003db6b638101610affab9622", MLOOM_E_PROTOCOL},
    {"string that is not UTF-8", "000000160000000663e1187e0161070001ff2b628ead", MLOOM_E_PROTOCOL},
    {"name that is not UTF-8", "0000001300000003db6b638101ff00f0bcd8a8", MLOOM_E_PROTOCOL},
    {"payload above the limit", "01800011000000007c1e8b377bb19c7c", MLOOM_E_LIMIT},
    {"headers above the limit", "0002001100020001dbbe948a1428d9a7", MLOOM_E_LIMIT},
    {"too many headers",
     "00000155000001454120c82903683030000368303100036830320003683033000368303400036830350003683036000368303700036830380"
     "00368303900036831300003683131000368313200036831330003683134000368313500036831360003683137000368313800036831390003"
     "68323000036832310003683232000368323300036832340003683235000368323600036832370003683238000368323900036833300003683"
     "33100036833320003683333000368333400036833350003683336000368333700036833380003683339000368343000036834310003683432"
     "00036834330003683434000368343500036834360003683437000368343800036834390003683530000368353100036835320003683533000"
     "36835340003683535000368353600036835370003683538000368353900036836300003683631000368363200036836330003683634007f7f"
     "79ad",
     MLOOM_E_LIMIT},
};
#define GOOD_COUNT (sizeof(good_cases) / sizeof(good_cases[0]))
#define BAD_COUNT (sizeof(bad_cases) / sizeof(bad_cases[0]))

static int32_t record(const mloom_event_stream_message *message, void *userdata) {
  mloom_buffer *log = userdata;
  for (size_t i = 0; i < message->header_count; i++) {
    const mloom_event_stream_header *header = &message->headers[i];
    mloom_buffer_append(log, header->name.data, header->name.size);
    mloom_buffer_append_format(log, " %u %" PRId64 " ", header->type, header->number);
    mloom_buffer_append(log, header->value.data, header->value.size);
    mloom_buffer_append_char(log, ';');
  }
  mloom_buffer_append_char(log, '|');
  mloom_buffer_append(log, message->payload.data, message->payload.size);
  return MLOOM_OK;
}

static void append_hex(mloom_buffer *out, const char *hex) {
  for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
    unsigned int byte = 0;
    sscanf(hex, "%2x", &byte);
    mloom_buffer_append_char(out, (char)byte);
  }
}

/* Feeds pieces of one size, each in memory of its own. */
static int32_t feed(mloom_event_stream *stream, const mloom_buffer *bytes, size_t piece, mloom_buffer *log) {
  int32_t code = MLOOM_OK;
  for (size_t at = 0; code == MLOOM_OK && at < bytes->size; at += piece) {
    size_t size = bytes->size - at < piece ? bytes->size - at : piece;
    char *copy = malloc(size);
    memcpy(copy, bytes->data + at, size);
    code = mloom_event_stream_feed(stream, copy, size, record, log);
    free(copy);
  }
  return code;
}

static void test_messages(void) {
  for (size_t i = 0; i < GOOD_COUNT; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
    append_hex(&bytes, good_cases[i].hex);
    const size_t pieces[] = {bytes.size, 1, 7, 13};
    for (size_t j = 0; j < sizeof(pieces) / sizeof(pieces[0]); j++) {
      MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
      mloom_event_stream stream;
      mloom_event_stream_init(&stream, 0);
      CU_ASSERT_EQUAL(feed(&stream, &bytes, pieces[j], &log), MLOOM_OK);
      UNIT_ASSERT_STRING(mloom_buffer_string(&log), good_cases[i].expected);
      CU_ASSERT_FALSE(mloom_event_stream_is_partial(&stream));
      mloom_event_stream_free(&stream);
    }
  }
}

static void test_sequence(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer expected = MLOOM_BUFFER_INIT;
  for (size_t i = 0; i < GOOD_COUNT; i++) {
    append_hex(&bytes, good_cases[i].hex);
    mloom_buffer_append_string(&expected, good_cases[i].expected);
  }
  for (size_t piece = 1; piece <= bytes.size; piece++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
    mloom_event_stream stream;
    mloom_event_stream_init(&stream, 0);
    CU_ASSERT_EQUAL(feed(&stream, &bytes, piece, &log), MLOOM_OK);
    UNIT_ASSERT_STRING(mloom_buffer_string(&log), mloom_buffer_string(&expected));
    CU_ASSERT_FALSE(mloom_event_stream_is_partial(&stream));
    mloom_event_stream_free(&stream);
  }
}

static void test_broken_messages(void) {
  for (size_t i = 0; i < BAD_COUNT; i++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
    append_hex(&bytes, bad_cases[i].hex);
    for (size_t piece = 1; piece <= bytes.size; piece += bytes.size - 1) {
      MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
      mloom_event_stream stream;
      mloom_event_stream_init(&stream, 0);
      int32_t code = feed(&stream, &bytes, piece, &log);
      if (code != bad_cases[i].code) {
        fprintf(stderr, "%s: got %d\n", bad_cases[i].name, (int)code);
      }
      CU_ASSERT_EQUAL(code, bad_cases[i].code);
      UNIT_ASSERT_STRING(mloom_buffer_string(&log), "");
      /* Nobody knows where the next message begins. */
      CU_ASSERT_EQUAL(mloom_event_stream_feed(&stream, "x", 1, record, &log), bad_cases[i].code);
      mloom_event_stream_reset(&stream);
      mloom_buffer_clear(&bytes);
      append_hex(&bytes, good_cases[0].hex);
      CU_ASSERT_EQUAL(feed(&stream, &bytes, bytes.size, &log), MLOOM_OK);
      UNIT_ASSERT_STRING(mloom_buffer_string(&log), good_cases[0].expected);
      mloom_buffer_clear(&bytes);
      append_hex(&bytes, bad_cases[i].hex);
      mloom_event_stream_free(&stream);
    }
  }
}

/* Whatever bit of a message is turned, it is noticed or the message never ends. */
static void test_every_bit_counts(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  append_hex(&bytes, good_cases[GOOD_COUNT - 1].hex);
  for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
    mloom_event_stream stream;
    mloom_event_stream_init(&stream, 0);
    bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
    CU_ASSERT_EQUAL(feed(&stream, &bytes, bytes.size, &log), MLOOM_E_PROTOCOL);
    bytes.data[bit / 8] = (char)(bytes.data[bit / 8] ^ (1 << bit % 8));
    mloom_event_stream_free(&stream);
  }
}

static void test_cut_stream(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  append_hex(&bytes, good_cases[GOOD_COUNT - 1].hex);
  for (size_t size = 1; size < bytes.size; size++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
    mloom_event_stream stream;
    mloom_event_stream_init(&stream, 0);
    CU_ASSERT_EQUAL(mloom_event_stream_feed(&stream, bytes.data, size, record, &log), MLOOM_OK);
    CU_ASSERT_TRUE(mloom_event_stream_is_partial(&stream));
    UNIT_ASSERT_STRING(mloom_buffer_string(&log), "");
    mloom_event_stream_free(&stream);
  }
}

static void test_payload_limit(void) {
  /* The payload of the case has 13 bytes. */
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  append_hex(&bytes, "0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936");
  for (size_t limit = 12; limit <= 13; limit++) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer log = MLOOM_BUFFER_INIT;
    mloom_event_stream stream;
    mloom_event_stream_init(&stream, limit);
    CU_ASSERT_EQUAL(feed(&stream, &bytes, 5, &log), limit == 13 ? MLOOM_OK : MLOOM_E_LIMIT);
    mloom_event_stream_free(&stream);
  }
}

static int32_t find(const mloom_event_stream_message *message, void *userdata) {
  (void)userdata;
  mloom_bytes code = mloom_event_stream_string(message, ":error-code");
  CU_ASSERT_TRUE(code.size == 4 && memcmp(code.data, "code", 4) == 0);
  CU_ASSERT_EQUAL(mloom_event_stream_string(message, ":error").size, 0);
  return MLOOM_E_CANCELLED;
}

static void test_callback(void) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer bytes = MLOOM_BUFFER_INIT;
  append_hex(&bytes, good_cases[GOOD_COUNT - 1].hex);
  mloom_event_stream stream;
  mloom_event_stream_init(&stream, 0);
  CU_ASSERT_EQUAL(mloom_event_stream_feed(&stream, bytes.data, bytes.size, find, NULL), MLOOM_E_CANCELLED);
  mloom_event_stream_free(&stream);
}

static const unit_test tests[] = {
    {"messages with every type of header", test_messages},
    {"messages one after the other, cut anywhere", test_sequence},
    {"broken messages", test_broken_messages},
    {"every bit counts", test_every_bit_counts},
    {"a stream that was cut", test_cut_stream},
    {"the limit of the payload", test_payload_limit},
    {"a callback that ends the stream", test_callback},
};
UNIT_MAIN("event stream", tests)
