/* SPDX-License-Identifier: Apache-2.0
 *
 * What a service says beside its answers: lists of models, headers of limits; and the addresses that operators give.
 * The first byte chooses.
 */
#include <stdint.h>
#include <string.h>

#include "azure-foundry/azure_endpoint.h"
#include "base/text.h"
#include "wire/model_list.h"
#include "wire/rate_limit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds) {
  if (!holds) {
    __builtin_trap();
  }
}

static void take_model(const char *id, const char *title, uint64_t context_tokens, void *userdata) {
  (void)context_tokens;
  (void)userdata;
  must(id[0] != '\0' && mloom_text_is_utf8(id, strlen(id)) && mloom_text_is_utf8(title, strlen(title)));
}

static void read_list(const char *text, size_t size) {
  mloom_probe_sink sink = {.size = (uint32_t)sizeof(sink), .model = take_model};
  mloom_model_page page;
  (void)mloom_model_list_read_page(text, size, &sink, &page);
  must(memchr(page.token, '\0', sizeof(page.token)) != NULL);
}

static void take_event(const mloom_event *event, void *userdata) {
  (void)userdata;
  for (size_t i = 0; i < event->text.size; i++) {
    must(event->text.data[i] >= 0x20 && event->text.data[i] < 0x7f);
  }
}

/* Lines of name and value. */
static void read_headers(const char *text) {
  mloom_event_sink sink = {.size = (uint32_t)sizeof(sink), .event = take_event};
  mloom_rate_limits limits = {.count = 0};
  char name[128] = "x-ratelimit-";
  while (*text != '\0') {
    size_t line = strcspn(text, "\n");
    size_t colon = strcspn(text, ":\n");
    char value[128] = "";
    size_t room = sizeof(name) - 1 - 12;
    size_t name_size = colon < room ? colon : room;
    memcpy(name + 12, text, name_size);
    name[12 + name_size] = '\0';
    if (colon < line) {
      size_t value_size = line - colon - 1 < sizeof(value) - 1 ? line - colon - 1 : sizeof(value) - 1;
      memcpy(value, text + colon + 1, value_size);
    }
    mloom_rate_limits_take(&limits, name, value);
    text += line + (text[line] == '\n');
  }
  must(limits.count <= MLOOM_RATE_LIMIT_KINDS);
  (void)mloom_rate_limits_emit(&limits, &sink);
}

static void read_address(const char *text) {
  mloom_azure_endpoint endpoint;
  if (mloom_azure_endpoint_parse(&endpoint, text, "endpoint", NULL) == MLOOM_OK) {
    for (uint32_t route = MLOOM_AZURE_ROUTE_V1; route <= MLOOM_AZURE_ROUTE_ANTHROPIC; route++) {
      char *url = mloom_azure_endpoint_url(&endpoint, route, "chat/completions",
                                           endpoint.deployment == NULL ? "d" : endpoint.deployment, "2024-10-21");
      size_t host = strcspn(endpoint.base, "/") + 2;
      host += strcspn(endpoint.base + host, "/");
      must(url != NULL && strncmp(url, endpoint.base, host) == 0 && strpbrk(url, " \r\n") == NULL);
      mloom_buffer owned = {.data = url};
      mloom_buffer_free(&owned);
    }
    must(mloom_azure_endpoint_scope(&endpoint, 0) != NULL);
  }
  mloom_azure_endpoint_free(&endpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (size == 0 || mloom_buffer_append(&text, (const char *)data + 1, size - 1) != MLOOM_OK) {
    return 0;
  }
  const char *string = mloom_buffer_string(&text);
  if (data[0] == 'l') {
    read_list(string, text.size);
  } else if (data[0] == 'h') {
    read_headers(string);
  } else {
    read_address(string);
  }
  return 0;
}
