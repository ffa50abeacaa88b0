/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/model_list.h"

#include <string.h>

#include "base/json.h"
#include "base/json_reader.h"
#include "base/text.h"

static int is_clean(const mloom_buffer *text) {
  return text->size > 0 && text->size <= 512 && memchr(text->data, '\0', text->size) == NULL &&
         mloom_text_is_utf8(text->data, text->size);
}

static void report_model(mloom_json_reader *reader, const mloom_probe_sink *sink) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer id = MLOOM_BUFFER_INIT;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer title = MLOOM_BUFFER_INIT;
  int64_t context = 0;
  mloom_bytes key;
  if (!mloom_json_reader_object(reader)) {
    return;
  }
  while (mloom_json_reader_key(reader, &key)) {
    if (mloom_text_equal(key, "id") || (mloom_text_equal(key, "name") && id.size == 0)) {
      mloom_buffer_clear(&id);
      mloom_json_reader_append_string(reader, &id);
    } else if (mloom_text_equal(key, "display_name")) {
      mloom_buffer_clear(&title);
      mloom_json_reader_append_string(reader, &title);
    } else if (mloom_text_equal(key, "max_model_len") || mloom_text_equal(key, "context_length") ||
               mloom_text_equal(key, "max_input_tokens")) {
      mloom_json_reader_integer(reader, &context);
    } else {
      mloom_json_reader_skip(reader);
    }
  }
  if (is_clean(&id) && sink->model != NULL) {
    sink->model(id.data, is_clean(&title) ? title.data : id.data, context > 0 ? (uint64_t)context : 0, sink->userdata);
  }
}

static int is_list(mloom_json_reader *reader, mloom_bytes key) {
  return (mloom_text_equal(key, "data") || mloom_text_equal(key, "models") || mloom_text_equal(key, "value")) &&
         mloom_json_reader_peek(reader) == MLOOM_JSON_ARRAY;
}

static void report_models(mloom_json_reader *reader, const mloom_probe_sink *sink) {
  mloom_json_reader_array(reader);
  while (mloom_json_reader_element(reader)) {
    report_model(reader, sink);
  }
}

void mloom_model_page_read_token(mloom_json_reader *reader, mloom_model_page *page) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer id = MLOOM_BUFFER_INIT;
  page->token[0] = '\0';
  if (mloom_json_reader_peek(reader) != MLOOM_JSON_STRING) {
    mloom_json_reader_skip(reader);
  } else if (mloom_json_reader_append_string(reader, &id) && id.size > 0 && id.size < sizeof(page->token) &&
             memchr(id.data, '\0', id.size) == NULL) {
    memcpy(page->token, id.data, id.size + 1);
  }
}

int mloom_model_list_read_page(const char *body, size_t size, const mloom_probe_sink *sink, mloom_model_page *page) {
  mloom_json_reader reader;
  mloom_bytes key;
  int found = 0;
  memset(page, 0, sizeof(*page));
  mloom_json_reader_init(&reader, body, size);
  if (mloom_json_reader_peek(&reader) == MLOOM_JSON_ARRAY) {
    report_models(&reader, sink);
    return 1;
  }
  if (mloom_json_reader_peek(&reader) != MLOOM_JSON_OBJECT) {
    return 0;
  }
  mloom_json_reader_object(&reader);
  while (mloom_json_reader_key(&reader, &key)) {
    if (!found && is_list(&reader, key)) {
      found = 1;
      report_models(&reader, sink);
    } else if (mloom_text_equal(key, "has_more")) {
      mloom_bytes value = {"", 0};
      mloom_json_reader_raw(&reader, &value);
      page->has_more = mloom_text_equal(value, "true");
    } else if (mloom_text_equal(key, "last_id")) {
      mloom_model_page_read_token(&reader, page);
    } else if (mloom_text_equal(key, "nextLink")) {
      mloom_model_page_read_token(&reader, page);
      page->has_more = page->token[0] != '\0';
    } else {
      mloom_json_reader_skip(&reader);
    }
  }
  return found;
}

int mloom_model_list_read(const char *body, size_t size, const mloom_probe_sink *sink) {
  mloom_model_page page;
  return mloom_model_list_read_page(body, size, sink, &page);
}
