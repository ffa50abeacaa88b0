/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/forms.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "secret/secret.h"

#define SHORTEST 4u
#define SHORTEST_ANYWHERE 8u
#define SHORTEST_LINE 24u
#define LOWER_DIGITS "0123456789abcdef"
#define UPPER_DIGITS "0123456789ABCDEF"

typedef struct listing {
  mloom_form_fn fn;
  void *userdata;
  char *scratch; /* room for the longest form */
} listing;

static int32_t tell(const listing *to, const char *data, size_t size, uint32_t flags) {
  return size < SHORTEST_ANYWHERE ? MLOOM_OK : to->fn(data, size, flags, to->userdata);
}

/* ---- base64 ---- */

static size_t encode_base64(char *out, const unsigned char *data, size_t size, size_t shift, const char *alphabet) {
  size_t length = 0;
  uint32_t bits = 0;
  unsigned count = (unsigned)(8 * shift);
  for (size_t i = 0; i < size; i++) {
    bits = (bits << 8) | data[i];
    count += 8;
    while (count >= 6) {
      count -= 6;
      out[length++] = alphabet[(bits >> count) & 63];
    }
  }
  return length;
}

/* A secret that is encoded together with what stands before it ("user:secret") has one of three texts, by its offset.
 * Only the characters that hold bits of the secret alone are part of the form. */
static int32_t tell_base64(const listing *to, const char *data, size_t size, const char *last_two) {
  char alphabet[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  memcpy(alphabet + 62, last_two, 3);
  int32_t code = MLOOM_OK;
  for (size_t shift = 0; code == MLOOM_OK && shift < 3; shift++) {
    size_t length = encode_base64(to->scratch, (const unsigned char *)data, size, shift, alphabet);
    size_t foreign = shift == 0 ? 0 : shift + 1;
    if (length > foreign) {
      code = tell(to, to->scratch + foreign, length - foreign, MLOOM_FORM_RUN);
    }
  }
  return code;
}

/* ---- Escapes ---- */

static int is_unreserved(unsigned char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c) != NULL;
}

static int32_t tell_percent(const listing *to, const char *data, size_t size, const char *digits, int form_encoded) {
  size_t length = 0;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)data[i];
    if (c != '\0' && is_unreserved(c)) {
      to->scratch[length++] = (char)c;
    } else if (c == ' ' && form_encoded) {
      to->scratch[length++] = '+';
    } else {
      to->scratch[length++] = '%';
      to->scratch[length++] = digits[c >> 4];
      to->scratch[length++] = digits[c & 15];
    }
  }
  return tell(to, to->scratch, length, 0);
}

static char short_escape(char c) {
  static const char raw[] = "\b\f\n\r\t\"\\";
  static const char letter[] = "bfnrt\"\\";
  const char *at = c == '\0' ? NULL : strchr(raw, c);
  return at == NULL ? '\0' : letter[at - raw];
}

/* What a writer of JSON escapes besides what it has to. */
typedef struct json_style {
  const char *with_backslash;
  const char *by_number;
  const char *digits;
} json_style;

/* The last three are those of Go, Gson and System.Text.Json. */
static const json_style json_styles[] = {{"", "", LOWER_DIGITS},
                                         {"/", "", LOWER_DIGITS},
                                         {"", "<>&", LOWER_DIGITS},
                                         {"", "<>&='", LOWER_DIGITS},
                                         {"", "<>&'\"+`", UPPER_DIGITS}};

static int32_t tell_json(const listing *to, const char *data, size_t size, const json_style *style) {
  size_t length = 0;
  for (size_t i = 0; i < size; i++) {
    char c = data[i];
    int by_number = c != '\0' && strchr(style->by_number, c) != NULL;
    char escape = c != '\0' && strchr(style->with_backslash, c) != NULL ? c : short_escape(c);
    if (by_number || (escape == '\0' && (unsigned char)c < 0x20)) {
      char *end = stpcpy(to->scratch + length, "\\u00");
      *end++ = style->digits[(unsigned char)c >> 4];
      *end++ = style->digits[(unsigned char)c & 15];
      length = (size_t)(end - to->scratch);
    } else if (escape != '\0') {
      to->scratch[length++] = '\\';
      to->scratch[length++] = escape;
    } else {
      to->scratch[length++] = c;
    }
  }
  return tell(to, to->scratch, length, 0);
}

/* ---- Parts ---- */

static int32_t tell_encodings(const listing *to, const char *data, size_t size) {
  int32_t code = tell_base64(to, data, size, "+/");
  if (code == MLOOM_OK) {
    code = tell_base64(to, data, size, "-_");
  }
  for (int form_encoded = 0; code == MLOOM_OK && form_encoded < 2; form_encoded++) {
    code = tell_percent(to, data, size, UPPER_DIGITS, form_encoded);
    if (code == MLOOM_OK) {
      code = tell_percent(to, data, size, LOWER_DIGITS, form_encoded);
    }
  }
  for (size_t i = 0; code == MLOOM_OK && i < sizeof(json_styles) / sizeof(json_styles[0]); i++) {
    code = tell_json(to, data, size, &json_styles[i]);
  }
  return code;
}

static int32_t tell_all(const listing *to, const char *data, size_t size) {
  if (size < SHORTEST) {
    return MLOOM_OK;
  }
  if (size < SHORTEST_ANYWHERE) {
    return to->fn(data, size, MLOOM_FORM_WHOLE_WORD, to->userdata);
  }
  int32_t code = to->fn(data, size, 0, to->userdata);
  return code == MLOOM_OK ? tell_encodings(to, data, size) : code;
}

static int speaks_of_a_secret(mloom_bytes name) {
  static const char *const words[] = {"auth",   "key",      "token",     "secret",  "cookie",
                                      "passwd", "password", "signature", "session", "credential"};
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    size_t length = strlen(words[i]);
    for (size_t at = 0; at + length <= name.size; at++) {
      if (mloom_text_compare_start_fold(name.data + at, words[i], length) == 0) {
        return 1;
      }
    }
  }
  return 0;
}

/* "Name: value" with a name of header characters. */
static int is_header(mloom_bytes line, mloom_bytes *name, mloom_bytes *value) {
  size_t length = 0;
  while (length < line.size && is_unreserved((unsigned char)line.data[length]) && line.data[length] != '\0') {
    length++;
  }
  if (length == 0 || length + 1 >= line.size || line.data[length] != ':' || line.data[length + 1] != ' ') {
    return 0;
  }
  *name = (mloom_bytes){line.data, length};
  *value = mloom_text_trim((mloom_bytes){line.data + length + 1, line.size - length - 1});
  return 1;
}

static int32_t tell_header_value(const listing *to, mloom_bytes value) {
  int32_t code = tell_all(to, value.data, value.size);
  const char *blank = value.size == 0 ? NULL : memchr(value.data, ' ', value.size);
  if (code == MLOOM_OK && blank != NULL) {
    size_t scheme = (size_t)(blank + 1 - value.data);
    code = tell_all(to, value.data + scheme, value.size - scheme);
  }
  return code;
}

static int32_t tell_line(const listing *to, mloom_bytes line, size_t whole_size) {
  mloom_bytes name;
  mloom_bytes value;
  if (is_header(line, &name, &value)) {
    return speaks_of_a_secret(name) ? tell_header_value(to, value) : MLOOM_OK;
  }
  int one_word = line.size > 0 && memchr(line.data, ' ', line.size) == NULL;
  if (line.size < whole_size && line.size >= SHORTEST_LINE && one_word) {
    return to->fn(line.data, line.size, 0, to->userdata);
  }
  return MLOOM_OK;
}

int32_t mloom_forms_list(const char *data, size_t size, mloom_form_fn fn, void *userdata) {
  listing to = {fn, userdata, malloc(6 * size + 8)};
  if (to.scratch == NULL) {
    return MLOOM_E_MEMORY;
  }
  mloom_bytes whole = mloom_text_trim((mloom_bytes){data, size});
  int32_t code = tell_all(&to, data, size);
  if (code == MLOOM_OK && whole.size < size) {
    code = tell_all(&to, whole.data, whole.size);
  }
  while (code == MLOOM_OK && whole.size > 0) {
    const char *end = memchr(whole.data, '\n', whole.size);
    size_t length = end == NULL ? whole.size : (size_t)(end - whole.data);
    code = tell_line(&to, mloom_text_trim((mloom_bytes){whole.data, length}), size);
    size_t step = end == NULL ? length : length + 1;
    whole.data += step;
    whole.size -= step;
  }
  mloom_secret_wipe(to.scratch, 6 * size + 8);
  free(to.scratch);
  return code;
}
