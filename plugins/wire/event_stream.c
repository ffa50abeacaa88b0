/* SPDX-License-Identifier: Apache-2.0 */
#include "event_stream.h"

#include <string.h>

#include "base/text.h"

#define PRELUDE_SIZE 12u /* both lengths and their checksum */
#define FRAME_SIZE 16u   /* what a message has besides headers and payload */

typedef struct header_reader {
  const char *data;
  size_t size;
} header_reader;

void mloom_event_stream_init(mloom_event_stream *stream, size_t payload_limit) {
  memset(stream, 0, sizeof(*stream));
  stream->payload_limit = payload_limit == 0 || payload_limit > MLOOM_EVENT_STREAM_PAYLOAD_BYTES
                              ? MLOOM_EVENT_STREAM_PAYLOAD_BYTES
                              : payload_limit;
}

void mloom_event_stream_reset(mloom_event_stream *stream) {
  mloom_buffer_clear(&stream->pending);
  stream->total = 0;
  stream->failure = MLOOM_OK;
}

void mloom_event_stream_free(mloom_event_stream *stream) {
  mloom_buffer_free(&stream->pending);
}

int mloom_event_stream_is_partial(const mloom_event_stream *stream) {
  return stream->pending.size > 0;
}

mloom_bytes mloom_event_stream_string(const mloom_event_stream_message *message, const char *name) {
  for (size_t i = 0; i < message->header_count; i++) {
    const mloom_event_stream_header *header = &message->headers[i];
    if (header->type == MLOOM_EVENT_STREAM_STRING && mloom_text_equal(header->name, name)) {
      return header->value;
    }
  }
  return (mloom_bytes){"", 0};
}

/* CRC-32 of IEEE 802.3, eight bytes at a time. Table k tells what a byte does to the sum when k more bytes follow it.
 * The sum of two bytes' bits is that of their entries, so that eight entries make a table. */
#define ENTRIES_1(x, a) (x), (x) ^ (a)
#define ENTRIES_2(x, a, b) ENTRIES_1(x, a), ENTRIES_1((x) ^ (b), a)
#define ENTRIES_3(x, a, b, c) ENTRIES_2(x, a, b), ENTRIES_2((x) ^ (c), a, b)
#define ENTRIES_4(x, a, b, c, d) ENTRIES_3(x, a, b, c), ENTRIES_3((x) ^ (d), a, b, c)
#define ENTRIES_5(x, a, b, c, d, e) ENTRIES_4(x, a, b, c, d), ENTRIES_4((x) ^ (e), a, b, c, d)
#define ENTRIES_6(x, a, b, c, d, e, f) ENTRIES_5(x, a, b, c, d, e), ENTRIES_5((x) ^ (f), a, b, c, d, e)
#define ENTRIES_7(x, a, b, c, d, e, f, g) ENTRIES_6(x, a, b, c, d, e, f), ENTRIES_6((x) ^ (g), a, b, c, d, e, f)
#define ENTRIES(a, b, c, d, e, f, g, h) ENTRIES_7(0u, a, b, c, d, e, f, g), ENTRIES_7(h, a, b, c, d, e, f, g)

static const uint32_t sums[8][256] = {
    {ENTRIES(0x77073096u, 0xee0e612cu, 0x076dc419u, 0x0edb8832u, 0x1db71064u, 0x3b6e20c8u, 0x76dc4190u, 0xedb88320u)},
    {ENTRIES(0x191b3141u, 0x32366282u, 0x646cc504u, 0xc8d98a08u, 0x4ac21251u, 0x958424a2u, 0xf0794f05u, 0x3b83984bu)},
    {ENTRIES(0x01c26a37u, 0x0384d46eu, 0x0709a8dcu, 0x0e1351b8u, 0x1c26a370u, 0x384d46e0u, 0x709a8dc0u, 0xe1351b80u)},
    {ENTRIES(0xb8bc6765u, 0xaa09c88bu, 0x8f629757u, 0xc5b428efu, 0x5019579fu, 0xa032af3eu, 0x9b14583du, 0xed59b63bu)},
    {ENTRIES(0x3d6029b0u, 0x7ac05360u, 0xf580a6c0u, 0x30704bc1u, 0x60e09782u, 0xc1c12f04u, 0x58f35849u, 0xb1e6b092u)},
    {ENTRIES(0xcb5cd3a5u, 0x4dc8a10bu, 0x9b914216u, 0xec53826du, 0x03d6029bu, 0x07ac0536u, 0x0f580a6cu, 0x1eb014d8u)},
    {ENTRIES(0xa6770bb4u, 0x979f1129u, 0xf44f2413u, 0x33ef4e67u, 0x67de9cceu, 0xcfbd399cu, 0x440b7579u, 0x8816eaf2u)},
    {ENTRIES(0xccaa009eu, 0x4225077du, 0x844a0efau, 0xd3e51bb5u, 0x7cbb312bu, 0xf9766256u, 0x299dc2edu, 0x533b85dau)},
};

static uint32_t checksum(const char *data, size_t size) {
  const unsigned char *at = (const unsigned char *)data;
  uint32_t sum = UINT32_MAX;
  for (; size >= 8; size -= 8, at += 8) {
    sum ^= (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    sum = sums[7][sum & 255u] ^ sums[6][sum >> 8 & 255u] ^ sums[5][sum >> 16 & 255u] ^ sums[4][sum >> 24] ^
          sums[3][at[4]] ^ sums[2][at[5]] ^ sums[1][at[6]] ^ sums[0][at[7]];
  }
  for (; size > 0; size--, at++) {
    sum = sum >> 8 ^ sums[0][(sum ^ *at) & 255u];
  }
  return ~sum;
}

static uint64_t read_number(const char *data, size_t size) {
  uint64_t number = 0;
  for (size_t i = 0; i < size; i++) {
    number = number << 8 | (unsigned char)data[i];
  }
  return number;
}

/* Sets total from a complete prelude. Nothing of it is believed before its checksum holds. */
static int32_t read_prelude(mloom_event_stream *stream) {
  const char *data = stream->pending.data;
  size_t total = (size_t)read_number(data, 4);
  size_t header_size = (size_t)read_number(data + 4, 4);
  if (checksum(data, 8) != read_number(data + 8, 4) || total < FRAME_SIZE || header_size > total - FRAME_SIZE) {
    return MLOOM_E_PROTOCOL;
  }
  if (header_size > MLOOM_EVENT_STREAM_HEADER_BYTES || total - FRAME_SIZE - header_size > stream->payload_limit) {
    return MLOOM_E_LIMIT;
  }
  stream->total = total;
  return MLOOM_OK;
}

static int take(header_reader *reader, size_t size, mloom_bytes *out) {
  if (reader->size < size) {
    return 0;
  }
  *out = (mloom_bytes){reader->data, size};
  reader->data += size;
  reader->size -= size;
  return 1;
}

/* A run of bytes after its length in length_size bytes. */
static int take_counted(header_reader *reader, size_t length_size, mloom_bytes *out) {
  mloom_bytes length;
  return take(reader, length_size, &length) && take(reader, (size_t)read_number(length.data, length.size), out);
}

static int take_integer(header_reader *reader, size_t size, int64_t *out) {
  mloom_bytes bytes;
  if (!take(reader, size, &bytes)) {
    return 0;
  }
  uint64_t number = read_number(bytes.data, size);
  uint64_t sign = UINT64_C(1) << (8 * size - 1);
  /* Two's complement: the sign bit counts against the rest. */
  *out = (number & sign) == 0 ? (int64_t)number : (int64_t)(number - sign) + (-(int64_t)(sign - 1) - 1);
  return 1;
}

static int take_value(header_reader *reader, mloom_event_stream_header *header) {
  switch (header->type) {
  case MLOOM_EVENT_STREAM_TRUE:
    header->number = 1;
    return 1;
  case MLOOM_EVENT_STREAM_FALSE:
    return 1;
  case MLOOM_EVENT_STREAM_INT8:
    return take_integer(reader, 1, &header->number);
  case MLOOM_EVENT_STREAM_INT16:
    return take_integer(reader, 2, &header->number);
  case MLOOM_EVENT_STREAM_INT32:
    return take_integer(reader, 4, &header->number);
  case MLOOM_EVENT_STREAM_INT64:
  case MLOOM_EVENT_STREAM_TIMESTAMP:
    return take_integer(reader, 8, &header->number);
  case MLOOM_EVENT_STREAM_BYTES:
    return take_counted(reader, 2, &header->value);
  case MLOOM_EVENT_STREAM_STRING:
    return take_counted(reader, 2, &header->value) && mloom_text_is_utf8(header->value.data, header->value.size);
  case MLOOM_EVENT_STREAM_UUID:
    return take(reader, 16, &header->value);
  default:
    return 0;
  }
}

static int has_name(const mloom_event_stream_message *message, mloom_bytes name) {
  for (size_t i = 0; i < message->header_count; i++) {
    const mloom_bytes other = message->headers[i].name;
    if (other.size == name.size && memcmp(other.data, name.data, name.size) == 0) {
      return 1;
    }
  }
  return 0;
}

static int32_t read_headers(mloom_event_stream_message *out, header_reader reader) {
  while (reader.size > 0) {
    if (out->header_count == MLOOM_EVENT_STREAM_HEADERS) {
      return MLOOM_E_LIMIT;
    }
    mloom_event_stream_header header = {.value = {"", 0}};
    mloom_bytes type;
    if (!take_counted(&reader, 1, &header.name) || header.name.size == 0 || has_name(out, header.name) ||
        !mloom_text_is_utf8(header.name.data, header.name.size) || !take(&reader, 1, &type)) {
      return MLOOM_E_PROTOCOL;
    }
    header.type = (unsigned char)type.data[0];
    if (!take_value(&reader, &header)) {
      return MLOOM_E_PROTOCOL;
    }
    out->headers[out->header_count++] = header;
  }
  return MLOOM_OK;
}

/* Reads the message that pending holds in full and gives it to fn. */
static int32_t read_message(const mloom_event_stream *stream, mloom_event_stream_fn fn, void *userdata) {
  const char *data = stream->pending.data;
  size_t header_size = (size_t)read_number(data + 4, 4);
  if (checksum(data, stream->total - 4) != read_number(data + stream->total - 4, 4)) {
    return MLOOM_E_PROTOCOL;
  }
  mloom_event_stream_message message;
  message.header_count = 0;
  message.payload = (mloom_bytes){data + PRELUDE_SIZE + header_size, stream->total - FRAME_SIZE - header_size};
  int32_t code = read_headers(&message, (header_reader){data + PRELUDE_SIZE, header_size});
  return code != MLOOM_OK ? code : fn(&message, userdata);
}

int32_t mloom_event_stream_feed(mloom_event_stream *stream, const char *data, size_t size, mloom_event_stream_fn fn,
                                void *userdata) {
  while (stream->failure == MLOOM_OK && size > 0) {
    size_t wanted = (stream->total == 0 ? PRELUDE_SIZE : stream->total) - stream->pending.size;
    size_t piece = wanted < size ? wanted : size;
    /* Memory grows with what has come, never with what a length claims. */
    stream->failure = mloom_buffer_append(&stream->pending, data, piece);
    data += piece;
    size -= piece;
    if (stream->failure != MLOOM_OK || piece < wanted) {
      break;
    }
    if (stream->total == 0) {
      stream->failure = read_prelude(stream);
      continue;
    }
    stream->failure = read_message(stream, fn, userdata);
    mloom_buffer_clear(&stream->pending);
    stream->total = 0;
  }
  return stream->failure;
}
