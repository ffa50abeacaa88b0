/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/lookalike.h"

#include <string.h>

#include "base/text.h"

/* A place in the text and what may be read from there. */
typedef struct cursor {
  const char *data;
  size_t size;
  int final;
} cursor;

#define IS_UPPER 1
#define IS_LOWER 2
#define IS_DIGIT 4

static int class_of(char c) {
  if (c >= 'a' && c <= 'z') {
    return IS_LOWER;
  }
  if (c >= 'A' && c <= 'Z') {
    return IS_UPPER;
  }
  return c >= '0' && c <= '9' ? IS_DIGIT : 0;
}

static int is_word(char c) {
  return class_of(c) != 0 || c == '_';
}

/* The length of the run of letters, digits and the characters of extra at offset. */
static size_t run(const cursor *at, size_t offset, const char *extra) {
  size_t end = offset;
  while (end < at->size && (class_of(at->data[end]) != 0 || (at->data[end] != '\0' && strchr(extra, at->data[end])))) {
    end++;
  }
  return end - offset;
}

/* Does more text decide about what ended at offset? */
static int is_open(const cursor *at, size_t offset) {
  return !at->final && offset >= at->size;
}

/* MLOOM_MATCH_FOUND when the text begins with prefix (ASCII case-insensitive), MORE when it may yet. */
static int begins_with(const cursor *at, const char *prefix) {
  if ((at->data[0] | 0x20) != (prefix[0] | 0x20)) {
    return MLOOM_MATCH_NONE;
  }
  size_t length = strlen(prefix);
  size_t shared = at->size < length ? at->size : length;
  if (mloom_text_compare_start_fold(at->data, prefix, shared) != 0) {
    return MLOOM_MATCH_NONE;
  }
  if (shared == length) {
    return MLOOM_MATCH_FOUND;
  }
  return at->final ? MLOOM_MATCH_NONE : MLOOM_MATCH_MORE;
}

/* Random characters change between upper case, lower case and digits all the time; words and identifiers rarely do. */
static int looks_random(const char *token, size_t size) {
  size_t letters = 0;
  size_t changes = 0;
  int classes = 0;
  int previous = 0;
  for (size_t i = 0; i < size; i++) {
    int class = class_of(token[i]);
    if (class == 0) {
      continue;
    }
    letters++;
    classes |= class;
    changes += previous != 0 && class != previous;
    previous = class;
  }
  return letters >= 8 && (classes & (classes - 1)) != 0 && changes * 4 >= letters;
}

static int has_letter_and_digit(const char *token, size_t size) {
  int classes = 0;
  for (size_t i = 0; i < size; i++) {
    classes |= class_of(token[i]);
  }
  return (classes & IS_DIGIT) != 0 && (classes & (IS_LOWER | IS_UPPER)) != 0;
}

static int found(mloom_match *out, size_t keep, size_t size) {
  out->keep = keep;
  out->size = size;
  return MLOOM_MATCH_FOUND;
}

/* ---- Keys with a prefix of their own ---- */

typedef struct key_form {
  const char *prefix;
  const char *extra; /* besides letters and digits */
  size_t minimum;    /* characters after the prefix */
  size_t maximum;    /* 0: any number */
} key_form;

static const key_form key_forms[] = {
    {"sk-ant-", "-_", 16, 0}, {"sk-proj-", "-_", 16, 0}, {"sk-or-v1-", "", 16, 0}, {"github_pat_", "_", 30, 0},
    {"ghp_", "", 30, 0},      {"gho_", "", 30, 0},       {"ghu_", "", 30, 0},      {"ghs_", "", 30, 0},
    {"ghr_", "", 30, 0},      {"glpat-", "-_", 20, 0},   {"xoxb-", "-", 16, 0},    {"xoxp-", "-", 16, 0},
    {"xoxa-", "-", 16, 0},    {"xoxr-", "-", 16, 0},     {"xoxs-", "-", 16, 0},    {"AKIA", "", 16, 16},
    {"ASIA", "", 16, 16},     {"AIza", "-_", 35, 35},    {"ya29.", "-_.", 30, 0},  {"npm_", "", 36, 36},
    {"hf_", "", 30, 0},       {"sk_live_", "", 16, 0},   {"rk_live_", "", 16, 0},  {"pypi-", "-_", 40, 0},
};

static int match_key_form(const cursor *at, const key_form *form, mloom_match *out) {
  if (at->data[0] != form->prefix[0]) {
    return MLOOM_MATCH_NONE;
  }
  size_t length = strlen(form->prefix);
  size_t shared = at->size < length ? at->size : length;
  if (memcmp(at->data, form->prefix, shared) != 0) {
    return MLOOM_MATCH_NONE;
  }
  size_t tail = shared < length ? 0 : run(at, length, form->extra);
  if (is_open(at, length + tail)) {
    return MLOOM_MATCH_MORE;
  }
  if (shared < length || tail < form->minimum || (form->maximum != 0 && tail > form->maximum) ||
      !has_letter_and_digit(at->data + length, tail)) {
    return MLOOM_MATCH_NONE;
  }
  return found(out, 0, length + tail);
}

/* "sk-" and one run of at least 16 letters and digits: sk-learn and class names of style sheets have none. */
static int match_plain_sk(const cursor *at, mloom_match *out) {
  if (at->size < 3 || memcmp(at->data, "sk-", 3) != 0) {
    return MLOOM_MATCH_NONE; /* a shorter beginning is held back for the longer prefixes above */
  }
  size_t tail = run(at, 3, "-_");
  if (is_open(at, 3 + tail)) {
    return MLOOM_MATCH_MORE;
  }
  for (size_t start = 3; start < 3 + tail;) {
    size_t part = run(at, start, "");
    if (part >= 16 && has_letter_and_digit(at->data + start, part)) {
      return found(out, 0, 3 + tail);
    }
    start += part + 1;
  }
  return MLOOM_MATCH_NONE;
}

/* header.payload.signature, both of the first being base64url of a JSON object. */
static int match_jwt(const cursor *at, mloom_match *out) {
  if (memcmp(at->data, "eyJ", at->size < 3 ? at->size : 3) != 0) {
    return MLOOM_MATCH_NONE;
  }
  if (at->size < 3) {
    return at->final ? MLOOM_MATCH_NONE : MLOOM_MATCH_MORE;
  }
  size_t end = 0;
  for (int part = 0; part < 3; part++) {
    size_t length = run(at, end, "-_");
    end += length;
    if (is_open(at, end)) {
      return MLOOM_MATCH_MORE;
    }
    if (part == 2) {
      break;
    }
    if (length < 8 || end >= at->size || at->data[end] != '.') {
      return MLOOM_MATCH_NONE;
    }
    end++;
  }
  return found(out, 0, end);
}

static int match_keys(const cursor *at, mloom_match *out) {
  int best = MLOOM_MATCH_NONE;
  for (size_t i = 0; i < sizeof(key_forms) / sizeof(key_forms[0]); i++) {
    int match = match_key_form(at, &key_forms[i], out);
    if (match == MLOOM_MATCH_FOUND) {
      return match;
    }
    best = match == MLOOM_MATCH_MORE ? match : best;
  }
  int match = match_plain_sk(at, out);
  if (match == MLOOM_MATCH_NONE) {
    match = match_jwt(at, out);
  }
  return match == MLOOM_MATCH_NONE ? best : match;
}

/* ---- Headers ---- */

static size_t skip_blanks(const cursor *at, size_t offset) {
  while (offset < at->size && (at->data[offset] == ' ' || at->data[offset] == '\t')) {
    offset++;
  }
  return offset;
}

/* "Bearer TOKEN" anywhere. */
static int match_bearer(const cursor *at, mloom_match *out) {
  static const char scheme[] = "bearer ";
  int match = begins_with(at, scheme);
  if (match != MLOOM_MATCH_FOUND) {
    return match;
  }
  size_t start = skip_blanks(at, strlen(scheme));
  size_t length = run(at, start, "-._~+/=");
  if (is_open(at, start + length)) {
    return MLOOM_MATCH_MORE;
  }
  return looks_random(at->data + start, length) ? found(out, start, length) : MLOOM_MATCH_NONE;
}

/* "Authorization: Scheme credential" as a whole line: whatever stands there was meant to be sent. */
static int match_header_line(const cursor *at, mloom_match *out) {
  static const char *const names[] = {"authorization:", "proxy-authorization:", "x-api-key:", "api-key:", NULL};
  int best = MLOOM_MATCH_NONE;
  for (size_t i = 0; names[i] != NULL; i++) {
    int match = begins_with(at, names[i]);
    best = match == MLOOM_MATCH_MORE ? match : best;
    if (match != MLOOM_MATCH_FOUND) {
      continue;
    }
    int with_scheme = i < 2;
    size_t start = skip_blanks(at, strlen(names[i]));
    size_t word = run(at, start, "-");
    size_t value = with_scheme ? skip_blanks(at, start + word) : start;
    if (with_scheme && (word == 0 || value == start + word)) {
      return is_open(at, value) ? MLOOM_MATCH_MORE : MLOOM_MATCH_NONE;
    }
    size_t length = run(at, value, "-._~+/=:");
    size_t end = skip_blanks(at, value + length);
    if (is_open(at, end)) {
      return MLOOM_MATCH_MORE;
    }
    int ends_line = end >= at->size || at->data[end] == '\r' || at->data[end] == '\n';
    return length >= 6 && ends_line ? found(out, value, length) : MLOOM_MATCH_NONE;
  }
  return best;
}

/* "://user:password@": the password. */
static int match_url_password(const cursor *at, mloom_match *out) {
  int match = begins_with(at, "://");
  if (match != MLOOM_MATCH_FOUND) {
    return match;
  }
  size_t colon = 0;
  size_t i = 3;
  for (; i < at->size; i++) {
    char c = at->data[i];
    if (c == '@' && i + 1 == at->size) {
      break;
    }
    if (c == '@') {
      char first = colon == 0 ? '\0' : at->data[colon + 1];
      int placeholder = first == '@' || first == '$' || first == '{' || first == '<' || first == '%' || first == '*';
      int before_host = class_of(at->data[i + 1]) != 0 || at->data[i + 1] == '[';
      return colon != 0 && !placeholder && before_host ? found(out, colon + 1, i - colon - 1) : MLOOM_MATCH_NONE;
    }
    if (c == ':' && colon == 0) {
      colon = i;
    } else if ((unsigned char)c <= ' ' || strchr("/?#\"'`<>()\\", c) != NULL || i > 1024) {
      return MLOOM_MATCH_NONE;
    }
  }
  return at->final ? MLOOM_MATCH_NONE : MLOOM_MATCH_MORE;
}

/* ---- Private keys ---- */

/* The end of "-----BEGIN ... PRIVATE KEY-----", 0 when it is something else. */
static size_t key_marker(const cursor *at, int *open) {
  size_t end = strlen("-----BEGIN ");
  while (end < at->size && (class_of(at->data[end]) != 0 || at->data[end] == ' ') && end < 64) {
    end++;
  }
  *open = is_open(at, end + 4);
  static const char tail[] = "PRIVATE KEY-----";
  size_t words = strlen("PRIVATE KEY");
  if (*open || end + 5 > at->size || end < words || memcmp(at->data + end - words, tail, strlen(tail)) != 0) {
    return 0;
  }
  return end + 5;
}

/* The key's lines up to its end marker. Newlines may be written as \n, lines may have "Name: value" and a diff's sign.
 */
static int match_private_key(const cursor *at, mloom_match *out) {
  int match = begins_with(at, "-----BEGIN ");
  int open = 0;
  if (match != MLOOM_MATCH_FOUND) {
    return match;
  }
  size_t start = key_marker(at, &open);
  if (start == 0) {
    return open ? MLOOM_MATCH_MORE : MLOOM_MATCH_NONE;
  }
  size_t end = start;
  size_t longest = 0;
  size_t line = 0;
  for (; end < at->size && end - start < 16384; end++) {
    char c = at->data[end];
    int base64 = class_of(c) != 0 || c == '+' || c == '/' || c == '=';
    if (!base64 && strchr("\r\n\t \\:,-", c) == NULL) {
      break;
    }
    if (c == '-' && at->size - end >= 5 && memcmp(at->data + end, "-----", 5) == 0) {
      break;
    }
    line = base64 ? line + 1 : 0;
    longest = line > longest ? line : longest;
  }
  if (is_open(at, end) && end - start < 16384) {
    return MLOOM_MATCH_MORE;
  }
  return longest >= 24 ? found(out, start, end - start) : MLOOM_MATCH_NONE;
}

/* ---- All of them ---- */

int mloom_lookalike_begins(char c) {
  switch (c) {
  case '-': /* -----BEGIN */
  case ':': /* :// */
  case 'A': /* AKIA, Authorization */
  case 'B': /* Bearer */
  case 'P': /* Proxy-Authorization */
  case 'X': /* X-Api-Key */
  case 'a':
  case 'b':
  case 'e': /* eyJ */
  case 'g': /* ghp_, glpat- */
  case 'h': /* hf_ */
  case 'n': /* npm_ */
  case 'p':
  case 'r': /* rk_live_ */
  case 's': /* sk- */
  case 'x': /* xoxb- */
  case 'y': /* ya29. */
    return 1;
  default:
    return 0;
  }
}

static int first_decided(int a, int b) {
  return a == MLOOM_MATCH_NONE ? b : a;
}

int mloom_lookalike_match(const char *text, size_t size, size_t position, char previous, int final, mloom_match *out) {
  cursor at = {text + position, size - position, final};
  if (at.data[0] == ':') {
    return match_url_password(&at, out);
  }
  if (at.data[0] == '-') {
    return match_private_key(&at, out);
  }
  if (is_word(previous) || previous == '-') {
    return MLOOM_MATCH_NONE;
  }
  int match = match_keys(&at, out);
  if (match == MLOOM_MATCH_FOUND) {
    return match;
  }
  if (at.data[0] == 'b' || at.data[0] == 'B') {
    match = first_decided(match, match_bearer(&at, out));
  }
  if (previous == '\n' || previous == ' ') {
    mloom_match line;
    int header = match_header_line(&at, &line);
    if (header == MLOOM_MATCH_FOUND) {
      *out = line;
    }
    match = first_decided(match, header);
  }
  return match;
}
