/* SPDX-License-Identifier: Apache-2.0 */
#include "settings/internal.h"

#define FIELD(name_, title_, help_, kind_, default_, minimum_, maximum_)                                       \
  {                                                                                                            \
    .size = sizeof(mloom_field), .flags = MLOOM_FIELD_ADVANCED, .name = name_, .title = title_, .help = help_, \
    .kind = kind_, .default_value = default_, .minimum = minimum_, .maximum = maximum_                         \
  }

static const mloom_field enabled =
    FIELD("enabled", "Enabled", "When false, no job runs on this provider.", MLOOM_FIELD_BOOLEAN, "true", 0, 0);
static const mloom_field model_aliases =
    FIELD("model_aliases", "Model aliases",
          "Short names that tickets may use, as alias=model id elements: sonnet=claude-sonnet-4-5, fast=...",
          MLOOM_FIELD_LIST, NULL, 0, 0);
static const mloom_field input_price =
    FIELD("input_price", "Input price", "Price of a million input tokens, for the cost estimate of jobs: 2.50",
          MLOOM_FIELD_STRING, NULL, 0, 0);
static const mloom_field cached_input_price =
    FIELD("cached_input_price", "Cached input price",
          "Price of a million input tokens read from a cache. Unset: the input price.", MLOOM_FIELD_STRING, NULL, 0, 0);
static const mloom_field output_price =
    FIELD("output_price", "Output price", "Price of a million output tokens.", MLOOM_FIELD_STRING, NULL, 0, 0);
static const mloom_field connect_timeout =
    FIELD("connect_timeout", "Connect time-out", "Seconds for the name lookup, the connection and the TLS handshake.",
          MLOOM_FIELD_INTEGER, "10", 1, 600);
static const mloom_field first_byte_timeout =
    FIELD("first_byte_timeout", "First-byte time-out",
          "Seconds from the end of the request to the answer's first byte.", MLOOM_FIELD_INTEGER, "120", 1, 3600);
static const mloom_field idle_timeout =
    FIELD("idle_timeout", "Idle time-out", "Seconds without a byte after which an answer counts as cut.",
          MLOOM_FIELD_INTEGER, "300", 1, 3600);
static const mloom_field total_timeout =
    FIELD("total_timeout", "Total time-out", "Seconds for one whole request with its answer.", MLOOM_FIELD_INTEGER,
          "1800", 1, 86400);
static const mloom_field max_retries =
    FIELD("max_retries", "Retries", "How often a request is sent again that failed before its first byte of content.",
          MLOOM_FIELD_INTEGER, "2", 0, 10);
static const mloom_field ca_file =
    FIELD("ca_file", "Private CA", "PEM file of certificates that are trusted instead of the system's.",
          MLOOM_FIELD_PATH, NULL, 0, 0);
static const mloom_field proxy =
    FIELD("proxy", "Proxy",
          "http or https URL of the proxy. Unset: HTTPS_PROXY, HTTP_PROXY and NO_PROXY of the environment apply.",
          MLOOM_FIELD_URL, NULL, 0, 0);
static const mloom_field proxy_login =
    FIELD("proxy_login", "Login of the proxy",
          "user:password for a proxy that asks for it. Unset: what stands in the URL of the environment.",
          MLOOM_FIELD_SECRET, NULL, 0, 0);
static const mloom_field extra_headers =
    FIELD("extra_headers", "Extra headers",
          "Headers added to each request, one \"Name: value\" a line; in the configuration file an object.",
          MLOOM_FIELD_HEADERS, NULL, 0, 0);

/* Those of every provider come first. */
#define COMMON_COUNT 5
static const mloom_field *const fields[] = {&enabled,       &model_aliases,   &input_price,        &cached_input_price,
                                            &output_price,  &connect_timeout, &first_byte_timeout, &idle_timeout,
                                            &total_timeout, &max_retries,     &extra_headers,      &ca_file,
                                            &proxy,         &proxy_login};

const mloom_field *const *mloom_settings_shared_fields(int transport, size_t *count) {
  *count = transport ? sizeof fields / sizeof fields[0] : COMMON_COUNT;
  return fields;
}
