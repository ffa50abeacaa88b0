/* SPDX-License-Identifier: Apache-2.0
 *
 * The line protocol of examples/minimal-provider, which describes it.
 */
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "reading.h"
#include "wire.h"

static int minimal_serves(const sim_request *request) {
  return strcmp(request->method, "POST") == 0 && strcmp(request->path, "/minimal") == 0;
}

static int32_t malformed(size_t at, mloom_error *error) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_PROVIDER, NULL, "the record at byte %zu is malformed",
                         at);
}

static int32_t read_record(sim_conversation *out, mloom_bytes header, mloom_bytes body) {
  static const struct {
    const char *word;
    uint32_t role;
  } roles[] = {{"system ", SIM_ROLE_SYSTEM},
               {"user ", SIM_ROLE_USER},
               {"assistant ", SIM_ROLE_ASSISTANT},
               {"result ", SIM_ROLE_TOOL},
               {"failed ", SIM_ROLE_TOOL}};
  if (header.size > 6 && memcmp(header.data, "model ", 6) == 0) {
    return mloom_buffer_append(&out->model, body.data, body.size);
  }
  if (header.size > 5 && memcmp(header.data, "tool ", 5) == 0) {
    const char *end = memchr(header.data + 5, ' ', header.size - 5);
    size_t size = end == NULL ? 0 : (size_t)(end - header.data) - 5;
    return mloom_json_add(out->tools, mloom_json_new_string(header.data + 5, size));
  }
  for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
    size_t size = strlen(roles[i].word);
    if (header.size > size && memcmp(header.data, roles[i].word, size) == 0) {
      return sim_conversation_say(out, roles[i].role, body);
    }
  }
  return MLOOM_E_INVALID;
}

static int32_t minimal_read(sim_conversation *out, const sim_request *request, mloom_error *error) {
  mloom_bytes body = request->body;
  out->tools = mloom_json_new_array();
  out->streamed = 1;
  for (size_t at = 0; at < body.size;) {
    const char *end = memchr(body.data + at, '\n', body.size - at);
    mloom_bytes header = {body.data + at, end == NULL ? 0 : (size_t)(end - (body.data + at))};
    const char *space = header.size == 0 ? NULL : memrchr(header.data, ' ', header.size);
    int64_t size = -1;
    if (space == NULL ||
        mloom_text_parse_int64((mloom_bytes){space + 1, (size_t)(end - space) - 1}, &size) != MLOOM_OK || size < 0) {
      return malformed(at, error);
    }
    size_t begin = at + header.size + 1;
    if ((uint64_t)size >= body.size - begin || body.data[begin + (size_t)size] != '\n') {
      return malformed(at, error);
    }
    int32_t code = read_record(out, header, (mloom_bytes){body.data + begin, (size_t)size});
    if (code != MLOOM_OK) {
      return code == MLOOM_E_INVALID ? malformed(at, error) : code;
    }
    at = begin + (size_t)size + 1;
  }
  return out->model.size > 0 ? MLOOM_OK : malformed(0, error);
}

static const char *minimal_content_type(const sim_conversation *conversation) {
  (void)conversation;
  return "text/plain; charset=utf-8";
}

static int32_t append_line(sim_events *out, const char *word, mloom_bytes text) {
  mloom_buffer *line = sim_events_add(out);
  if (line == NULL) {
    return MLOOM_E_MEMORY;
  }
  int32_t code = mloom_buffer_append_string(line, word);
  code = code == MLOOM_OK ? mloom_buffer_append(line, text.data, text.size) : code;
  return code == MLOOM_OK ? mloom_buffer_append_char(line, '\n') : code;
}

static int32_t minimal_write(sim_events *out, const sim_conversation *conversation, const sim_answer *answer) {
  (void)conversation;
  int32_t code = MLOOM_OK;
  const char *text = mloom_buffer_string(&answer->text);
  for (size_t at = 0; code == MLOOM_OK && at < answer->text.size;) {
    size_t size = strcspn(text + at, "\n");
    code = append_line(out, "text ", (mloom_bytes){text + at, size});
    at += size + 1;
  }
  for (size_t i = 0; code == MLOOM_OK && i < answer->tool_call_count; i++) {
    const sim_tool_call *call = &answer->tool_calls[i];
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    code = mloom_buffer_append_format(&line, "%s %s %s", mloom_buffer_string(&call->id),
                                      mloom_buffer_string(&call->name), mloom_buffer_string(&call->arguments));
    code = code == MLOOM_OK ? append_line(out, "call ", (mloom_bytes){line.data, line.size}) : code;
  }
  mloom_buffer *usage = code == MLOOM_OK ? sim_events_add(out) : NULL;
  if (usage == NULL) {
    return code == MLOOM_OK ? MLOOM_E_MEMORY : code;
  }
  code = mloom_buffer_append_format(usage, "usage %lld %lld\n", (long long)answer->usage.input,
                                    (long long)answer->usage.output);
  if (code == MLOOM_OK && (answer->quirks & SIM_QUIRK_NO_DONE) == 0) {
    code = append_line(out, "end", (mloom_bytes){"", 0});
  }
  return code;
}

static int32_t minimal_write_error(mloom_buffer *out, int32_t status, const char *message) {
  (void)status;
  return mloom_buffer_append_format(out, "error %s\n", message);
}

static int32_t minimal_write_error_event(mloom_buffer *out, const char *message) {
  return mloom_buffer_append_format(out, "error %s\n", message);
}

static int minimal_serves_models(const sim_request *request) {
  (void)request;
  return 0;
}

const sim_wire sim_wire_minimal = {
    .name = "minimal",
    .serves = minimal_serves,
    .read = minimal_read,
    .content_type = minimal_content_type,
    .write = minimal_write,
    .write_error = minimal_write_error,
    .write_error_event = minimal_write_error_event,
    .serves_models = minimal_serves_models,
};
