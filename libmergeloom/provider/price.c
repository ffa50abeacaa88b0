/* SPDX-License-Identifier: Apache-2.0
 *
 * What tokens cost, by the prices an operator set. Money is counted in millionths, for binary fractions cannot hold it.
 */
#include "provider/internal.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define MILLION INT64_C(1000000)
#define PRICE_LIMIT (INT64_C(1000000) * MILLION) /* of a million tokens */

/* "2.50" as 2500000. */
static int32_t parse_price(const char *text, int64_t *out) {
  size_t whole_digits = strspn(text, "0123456789");
  size_t fraction_digits = text[whole_digits] == '.' ? strspn(text + whole_digits + 1, "0123456789") : 0;
  size_t size = whole_digits + (text[whole_digits] == '.' ? 1 + fraction_digits : 0);
  int64_t whole = 0;
  if (whole_digits == 0 || text[size] != '\0' || fraction_digits > 6 ||
      (text[whole_digits] == '.' && fraction_digits == 0) ||
      mloom_text_parse_int64((mloom_bytes){text, whole_digits}, &whole) != MLOOM_OK || whole > PRICE_LIMIT / MILLION) {
    return MLOOM_E_INVALID;
  }
  int64_t fraction = 0;
  for (size_t i = 0; i < 6; i++) {
    fraction = fraction * 10 + (i < fraction_digits ? text[whole_digits + 1 + i] - '0' : 0);
  }
  *out = whole * MILLION + fraction;
  return MLOOM_OK;
}

/* -1 when the field is unset. */
static int32_t read_price(const mloom_provider_instance *instance, const char *field, int64_t *out,
                          mloom_error *error) {
  const char *text = mloom_settings_string(instance->settings, field, NULL);
  *out = -1;
  if (text == NULL || parse_price(text, out) == MLOOM_OK) {
    return MLOOM_OK;
  }
  return mloom_error_set(error, MLOOM_E_NOT_CONFIGURED, MLOOM_DOMAIN_SETTINGS,
                         "write the price of a million tokens as digits, with at most six behind a point: 2.50",
                         "%s of %s is no price", field, instance->entry->descriptor.id);
}

int32_t mloom_provider_read_prices(mloom_provider_instance *instance, mloom_error *error) {
  int32_t code = read_price(instance, "input_price", &instance->input_price, error);
  if (code == MLOOM_OK) {
    code = read_price(instance, "cached_input_price", &instance->cached_input_price, error);
  }
  if (code == MLOOM_OK) {
    code = read_price(instance, "output_price", &instance->output_price, error);
  }
  return code;
}

static int64_t part(uint64_t tokens, int64_t price) {
  int64_t cost = 0;
  if (tokens > INT64_MAX || __builtin_mul_overflow((int64_t)tokens, price, &cost)) {
    return INT64_MAX / 4;
  }
  return cost / MILLION;
}

int64_t mloom_provider_cost(const mloom_provider_instance *instance, uint64_t input_tokens,
                            uint64_t cached_input_tokens, uint64_t output_tokens) {
  if (instance->input_price < 0 || instance->output_price < 0) {
    return -1;
  }
  uint64_t cached = cached_input_tokens < input_tokens ? cached_input_tokens : input_tokens;
  int64_t cached_price = instance->cached_input_price >= 0 ? instance->cached_input_price : instance->input_price;
  return part(input_tokens - cached, instance->input_price) + part(cached, cached_price) +
         part(output_tokens, instance->output_price);
}
