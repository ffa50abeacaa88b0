/* SPDX-License-Identifier: Apache-2.0 */
#include "stream_wires.h"

#include <stdio.h>
#include <stdlib.h>

#include "event_stream_frames.h"
#include "wire/chat.h"
#include "wire/converse.h"
#include "wire/gemini.h"
#include "wire/messages.h"
#include "wire/responses.h"

static const char *const words[] = {" the",      " function",     " returns", ".\\n\\n",
                                    " `size_t`", " na\xC3\xAFve", "(",        " if"};

static const char *word(int i) {
  return words[i % 8];
}

/* Adds one event, or several that are written together. */
__attribute__((format(printf, 2, 3))) static int32_t add(stream_body *out, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  int32_t code = mloom_buffer_append_vformat(&out->bytes, format, arguments);
  va_end(arguments);
  out->ends[out->count++] = out->bytes.size;
  return code;
}

/* ---- Chat completions ---- */

static int32_t make_chat(stream_body *out, int created_step) {
  int32_t code = MLOOM_OK;
  for (int i = 0; i < EVENTS && code == MLOOM_OK; i++) {
    code = add(out,
               "data: {\"id\":\"chatcmpl-Cx4Zb8Qw1N0fVn2u7Rk9sT3yLpEaM\",\"object\":\"chat.completion.chunk\","
               "\"created\":%d,\"model\":\"sim-1\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":"
               "[{\"index\":0,\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n",
               1795389641 + created_step * i, word(i));
  }
  if (code == MLOOM_OK) {
    code = add(out, "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1795389641,"
                    "\"model\":\"sim-1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                    "data: [DONE]\n\n");
  }
  return code;
}

static int32_t make_chat_alike(stream_body *out) {
  return make_chat(out, 0);
}

static int32_t make_chat_unlike(stream_body *out) {
  return make_chat(out, 1);
}

static void *open_chat(void) {
  static const char *const no_tools[] = {NULL};
  mloom_chat_decoder *decoder = malloc(sizeof(*decoder));
  if (decoder != NULL) {
    mloom_chat_decoder_init(decoder, no_tools);
  }
  return decoder;
}

static int32_t feed_chat(void *decoder, const char *data, size_t size, const mloom_event_sink *sink) {
  return mloom_chat_decoder_feed(decoder, data, size, sink, NULL);
}

static int close_chat(void *userdata) {
  mloom_chat_decoder *decoder = userdata;
  int finished = decoder->answer.finished && !decoder->malformed;
  mloom_chat_decoder_free(decoder);
  free(decoder);
  return finished;
}

/* ---- Messages ---- */

static int32_t make_messages(stream_body *out) {
  int32_t code = add(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\","
                          "\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"sim-1\",\"usage\":{"
                          "\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
                          "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
                          "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
  for (int i = 0; i < EVENTS && code == MLOOM_OK; i++) {
    code = add(out,
               "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
               "\"text_delta\",\"text\":\"%s\"}}\n\n",
               word(i));
  }
  if (code == MLOOM_OK) {
    code = add(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
                    "\"usage\":{\"output_tokens\":20000}}\n\n"
                    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
  }
  return code;
}

static void *open_messages(void) {
  mloom_messages_decoder *decoder = malloc(sizeof(*decoder));
  if (decoder != NULL) {
    mloom_messages_decoder_init(decoder);
  }
  return decoder;
}

static int32_t feed_messages(void *decoder, const char *data, size_t size, const mloom_event_sink *sink) {
  return mloom_messages_decoder_feed(decoder, data, size, sink, NULL);
}

static int close_messages(void *userdata) {
  mloom_messages_decoder *decoder = userdata;
  int finished = decoder->done && !decoder->malformed;
  mloom_messages_decoder_free(decoder);
  free(decoder);
  return finished;
}

/* ---- Responses ---- */

static int32_t make_responses(stream_body *out) {
  static const char padding[] = "aBcDeFgHiJkLmNoP";
  int32_t code = add(out, "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,"
                          "\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"output\":[]}}\n\n");
  for (int i = 0; i < EVENTS && code == MLOOM_OK; i++) {
    code = add(out,
               "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\","
               "\"sequence_number\":%d,\"item_id\":\"msg_68c1f0a4e4d481a1a9b2c3d4e5f60718\",\"output_index\":0,"
               "\"content_index\":0,\"delta\":\"%s\",\"logprobs\":[],\"obfuscation\":\"%.*s\"}\n\n",
               i + 4, word(i), 3 + i % 13, padding);
  }
  if (code == MLOOM_OK) {
    code = add(out, "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":20004,"
                    "\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"output\":[]}}\n\n");
  }
  return code;
}

static void *open_responses(void) {
  mloom_responses_decoder *decoder = malloc(sizeof(*decoder));
  if (decoder != NULL) {
    mloom_responses_decoder_init(decoder);
  }
  return decoder;
}

static int32_t feed_responses(void *decoder, const char *data, size_t size, const mloom_event_sink *sink) {
  return mloom_responses_decoder_feed(decoder, data, size, sink, NULL);
}

static int close_responses(void *userdata) {
  mloom_responses_decoder *decoder = userdata;
  int finished = decoder->terminal && !decoder->malformed;
  mloom_responses_decoder_free(decoder);
  free(decoder);
  return finished;
}

/* ---- Gemini ---- */

static int32_t add_gemini(stream_body *out, int i, const char *usage) {
  return add(out,
             "data: {\"candidates\": [{\"content\": {\"role\": \"model\",\"parts\": [{\"text\": \"%s\"}]}}],"
             "\"usageMetadata\": {%s},\"modelVersion\": \"sim-1\",\"createTime\": "
             "\"2026-11-23T03:05:07.123456Z\",\"responseId\": \"k1nSaJqXBsu9nvgPw7yR6AM\"}\r\n\r\n",
             word(i), usage);
}

/* Totals that go up, in each event or in the last only. */
static int32_t make_gemini(stream_body *out, int counts) {
  char usage[200] = "\"trafficType\": \"ON_DEMAND\"";
  int32_t code = MLOOM_OK;
  for (int i = 0; i < EVENTS && code == MLOOM_OK; i++) {
    if (counts) {
      snprintf(usage, sizeof(usage),
               "\"promptTokenCount\": 4713,\"candidatesTokenCount\": %d,\"totalTokenCount\": %d,"
               "\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 4713}],\"thoughtsTokenCount\": 412",
               i + 1, i + 1 + 4713 + 412);
    }
    code = add_gemini(out, i, usage);
  }
  if (code == MLOOM_OK) {
    code = add(out, "data: {\"candidates\": [{\"content\": {\"role\": \"model\",\"parts\": [{\"text\": \".\"}]},"
                    "\"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 3,"
                    "\"candidatesTokenCount\": 20000,\"totalTokenCount\": 20003},\"modelVersion\": \"sim-1\","
                    "\"responseId\": \"k1nSaJqXBsu9nvgPw7yR6AM\"}\r\n\r\n");
  }
  return code;
}

static int32_t make_gemini_late(stream_body *out) {
  return make_gemini(out, 0);
}

static int32_t make_gemini_counting(stream_body *out) {
  return make_gemini(out, 1);
}

static void *open_gemini(void) {
  mloom_gemini_decoder *decoder = malloc(sizeof(*decoder));
  if (decoder != NULL) {
    mloom_gemini_decoder_init(decoder);
  }
  return decoder;
}

static int32_t feed_gemini(void *decoder, const char *data, size_t size, const mloom_event_sink *sink) {
  int32_t code = mloom_gemini_decoder_feed(decoder, data, size, sink, NULL);
  return code == MLOOM_COMPLETE ? MLOOM_OK : code;
}

static int close_gemini(void *userdata) {
  mloom_gemini_decoder *decoder = userdata;
  int finished = decoder->answer.finish == MLOOM_GEMINI_FINISH_END && !decoder->malformed;
  mloom_gemini_decoder_free(decoder);
  free(decoder);
  return finished;
}

/* ---- Converse ---- */

static int32_t add_frame(stream_body *out, const char *type, const char *payload) {
  size_t before = out->bytes.size;
  frames_add(&out->bytes, '\0', type, strlen(type), payload, strlen(payload));
  out->ends[out->count++] = out->bytes.size;
  return out->bytes.size > before ? MLOOM_OK : MLOOM_E_MEMORY;
}

static int32_t make_converse(stream_body *out) {
  static const char padding[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  char payload[256];
  int32_t code = add_frame(out, "messageStart", "{\"p\":\"abcdef\",\"role\":\"assistant\"}");
  for (int i = 0; i < EVENTS && code == MLOOM_OK; i++) {
    snprintf(payload, sizeof(payload), "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"%s\"},\"p\":\"%.*s\"}", word(i),
             1 + i * 7 % 62, padding);
    code = add_frame(out, "contentBlockDelta", payload);
  }
  code = code == MLOOM_OK ? add_frame(out, "contentBlockStop", "{\"contentBlockIndex\":0,\"p\":\"abc\"}") : code;
  code = code == MLOOM_OK ? add_frame(out, "messageStop", "{\"p\":\"abcdef\",\"stopReason\":\"end_turn\"}") : code;
  return code == MLOOM_OK ? add_frame(out, "metadata",
                                      "{\"metrics\":{\"latencyMs\":9},\"p\":\"abc\",\"usage\":{\"inputTokens\":3,"
                                      "\"outputTokens\":20000,\"totalTokens\":20003}}")
                          : code;
}

static void *open_converse(void) {
  mloom_converse_decoder *decoder = malloc(sizeof(*decoder));
  if (decoder != NULL) {
    mloom_converse_decoder_init(decoder);
  }
  return decoder;
}

static int32_t feed_converse(void *decoder, const char *data, size_t size, const mloom_event_sink *sink) {
  int32_t code = mloom_converse_decoder_feed(decoder, data, size, sink, NULL);
  return code == MLOOM_COMPLETE ? MLOOM_OK : code;
}

static int close_converse(void *userdata) {
  mloom_converse_decoder *decoder = userdata;
  int finished = decoder->complete && !decoder->malformed && !decoder->damaged;
  mloom_converse_decoder_free(decoder);
  free(decoder);
  return finished;
}

const stream_wire stream_wires[] = {
    {"chat completions", "2", "\"content\":\"", 0, 1, make_chat_alike, open_chat, feed_chat, close_chat},
    {"chat completions, no two envelopes alike", "2", "\"content\":\"", 0, 0, make_chat_unlike, open_chat, feed_chat,
     close_chat},
    {"messages", "2", "\"text\":\"", 0, 0, make_messages, open_messages, feed_messages, close_messages},
    {"responses", "2", "\"delta\":\"", 0, 0, make_responses, open_responses, feed_responses, close_responses},
    {"gemini", "2", "\"text\": \"", 0, 0, make_gemini_late, open_gemini, feed_gemini, close_gemini},
    {"gemini, usage in each event", "2", "\"text\": \"", 0, 0, make_gemini_counting, open_gemini, feed_gemini,
     close_gemini},
    {"converse", "2", "\"text\":\"", 1, 0, make_converse, open_converse, feed_converse, close_converse},
};
const size_t stream_wire_count = sizeof(stream_wires) / sizeof(stream_wires[0]);
