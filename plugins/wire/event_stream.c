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

/* CRC-32 of IEEE 802.3, half a byte at a time. */
static uint32_t checksum(const char *data, size_t size) {
  static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
                                     0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                     0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
  uint32_t sum = UINT32_MAX;
  for (size_t i = 0; i < size; i++) {
    sum ^= (unsigned char)data[i];
    sum = (sum >> 4) ^ table[sum & 15u];
    sum = (sum >> 4) ^ table[sum & 15u];
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
