/* SPDX-License-Identifier: Apache-2.0
 *
 * Short-term Bedrock API keys: a prefix and, in base64, the address of a presigned request, which tells region and end.
 */
#include <stdio.h>
#include <string.h>

#include "aws_bedrock.h"
#include "base/base64.h"
#include "base/error.h"
#include "base/text.h"

#define PREFIX "bedrock-api-key-"
#define KEY_REMEDY "set bearer_token (AWS_BEARER_TOKEN_BEDROCK) to a new key"

/* The value of a parameter of the address, as far as the next one. */
static mloom_bytes parameter(const mloom_buffer *address, const char *name) {
  const char *at = mloom_buffer_string(address);
  size_t size = strlen(name);
  while ((at = strstr(at, name)) != NULL) {
    if (at > address->data && (at[-1] == '?' || at[-1] == '&') && at[size] == '=') {
      return (mloom_bytes){at + size + 1, strcspn(at + size + 1, "&")};
    }
    at += size;
  }
  return (mloom_bytes){"", 0};
}

/* The second to last but one of ID%2FDATE%2FREGION%2Fbedrock%2Faws4_request. */
static mloom_bytes region_of(mloom_bytes credential) {
  const char *at = credential.data;
  const char *end = credential.data + credential.size;
  for (int slashes = 0; slashes < 2; slashes++) {
    while (end - at >= 3 && mloom_text_compare_start_fold(at, "%2F", 3) != 0) {
      at++;
    }
    if (end - at < 3) {
      return (mloom_bytes){"", 0};
    }
    at += 3;
  }
  /* What is no region's name is not shown either. */
  size_t size = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789-");
  return (mloom_bytes){at, at + size < end && at[size] == '%' ? size : 0};
}

/* Days since 1970-01-01 of a date of the Gregorian calendar. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  year -= month <= 2;
  int64_t era = year / 400;
  int64_t of_era = year - era * 400;
  int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

/* 20260102T030405Z in milliseconds since 1970; -1 when it is none. */
static int64_t time_of(mloom_bytes text) {
  int64_t parts[6] = {0};
  static const struct {
    size_t at;
    size_t size;
  } places[] = {{0, 4}, {4, 2}, {6, 2}, {9, 2}, {11, 2}, {13, 2}};
  if (text.size != 16 || text.data[8] != 'T' || text.data[15] != 'Z') {
    return -1;
  }
  for (size_t i = 0; i < 6; i++) {
    mloom_bytes part = {text.data + places[i].at, places[i].size};
    if (mloom_text_parse_int64(part, &parts[i]) != MLOOM_OK || parts[i] < 0) {
      return -1;
    }
  }
  int64_t days = days_of(parts[0], parts[1], parts[2]);
  return (((days * 24 + parts[3]) * 60 + parts[4]) * 60 + parts[5]) * 1000;
}

static int32_t read_address(const bedrock_instance *self, mloom_buffer *out) {
  const mloom_provider_settings *settings = &self->service.settings;
  const mloom_host *host = settings->host;
  mloom_setting setting = {.size = (uint32_t)sizeof(setting)};
  mloom_bytes key = {NULL, 0};
  size_t prefix = strlen(PREFIX);
  if (host->setting_get(host->ctx, settings->settings, "bearer_token", &setting) != MLOOM_OK ||
      setting.secret == NULL || host->secret_borrow(host->ctx, setting.secret, &key, NULL) != MLOOM_OK ||
      key.size <= prefix || memcmp(key.data, PREFIX, prefix) != 0) {
    return MLOOM_E_NOT_FOUND;
  }
  return mloom_base64_decode(out, key.data + prefix, key.size - prefix);
}

int bedrock_check_bearer_key(const bedrock_instance *self, const mloom_probe_sink *sink) {
  const mloom_host *host = self->service.settings.host;
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer address = MLOOM_BUFFER_INIT;
  int64_t seconds = 0;
  char reason[200] = "";
  if (read_address(self, &address) != MLOOM_OK) {
    return 0; /* a key of the long-term kind tells nothing */
  }
  mloom_bytes region = region_of(parameter(&address, "X-Amz-Credential"));
  int64_t began_ms = time_of(parameter(&address, "X-Amz-Date"));
  int has_end = began_ms >= 0 && mloom_text_parse_int64(parameter(&address, "X-Amz-Expires"), &seconds) == MLOOM_OK &&
                seconds >= 0 && seconds <= 7 * 24 * 3600;
  int64_t past_ms = has_end ? host->clock_wall_ms(host->ctx) - (began_ms + seconds * 1000) : -1;
  if (past_ms >= 0) {
    snprintf(reason, sizeof(reason), "the Bedrock API key has expired %lld minutes ago", (long long)(past_ms / 60000));
  } else if (region.size > 0 && region.size < 64 && !mloom_text_equal(region, self->region)) {
    snprintf(reason, sizeof(reason), "the Bedrock API key is for region %.*s, not %s", (int)region.size, region.data,
             self->region);
  }
  /* It holds a signature, which is as good as the key. */
  explicit_bzero(address.data, address.size);
  if (reason[0] == '\0') {
    return 0;
  }
  sink->check("settings", MLOOM_CHECK_FAIL, reason, KEY_REMEDY, sink->userdata);
  return 1;
}
