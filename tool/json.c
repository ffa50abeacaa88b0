/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_LIMIT 64

typedef struct json_block {
  struct json_block *next;
  json_value values[128];
} json_block;

struct json_document {
  char *text; /* a copy: strings are unescaped in place, which never makes them longer */
  json_block *blocks;
  size_t used; /* of the newest block */
  json_value *root;
};

typedef struct parser {
  json_document *document;
  char *at;
  char *end;
  int depth;
} parser;

static json_value *new_value(json_document *document, int kind) {
  if (document->blocks == NULL || document->used == sizeof(document->blocks->values) / sizeof(json_value)) {
    json_block *block = calloc(1, sizeof(*block));
    if (block == NULL) {
      return NULL;
    }
    block->next = document->blocks;
    document->blocks = block;
    document->used = 0;
  }
  json_value *value = &document->blocks->values[document->used++];
  value->kind = kind;
  return value;
}

static void skip_space(parser *p) {
  while (p->at < p->end && (*p->at == ' ' || *p->at == '\t' || *p->at == '\n' || *p->at == '\r')) {
    p->at++;
  }
}

static int read_hex(const char *at, uint32_t *out) {
  *out = 0;
  for (int i = 0; i < 4; i++) {
    char c = at[i];
    uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                            : 16;
    if (digit == 16) {
      return 0;
    }
    *out = (*out << 4) | digit;
  }
  return 1;
}

static char *write_utf8(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xC0 | (c >> 6));
    *to++ = (char)(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    *to++ = (char)(0xE0 | (c >> 12));
    *to++ = (char)(0x80 | ((c >> 6) & 0x3F));
    *to++ = (char)(0x80 | (c & 0x3F));
  } else {
    *to++ = (char)(0xF0 | (c >> 18));
    *to++ = (char)(0x80 | ((c >> 12) & 0x3F));
    *to++ = (char)(0x80 | ((c >> 6) & 0x3F));
    *to++ = (char)(0x80 | (c & 0x3F));
  }
  return to;
}

/* Reads what follows "\u"; a pair of surrogates is one character, a lone one becomes U+FFFD. */
static char *read_unicode(parser *p, char *to) {
  uint32_t c = 0;
  uint32_t low = 0;
  if (p->end - p->at < 4 || !read_hex(p->at, &c)) {
    return NULL;
  }
  p->at += 4;
  if (c >= 0xD800 && c <= 0xDBFF && p->end - p->at >= 6 && p->at[0] == '\\' && p->at[1] == 'u' &&
      read_hex(p->at + 2, &low) && low >= 0xDC00 && low <= 0xDFFF) {
    p->at += 6;
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  } else if (c >= 0xD800 && c <= 0xDFFF) {
    c = 0xFFFD;
  }
  return write_utf8(to, c);
}

/* Reads a string behind its opening quote and unescapes it where it stands. */
static char *read_string(parser *p, size_t *size) {
  static const char letters[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  char *begin = p->at;
  char *to = p->at;
  while (p->at < p->end && *p->at != '"') {
    char c = *p->at++;
    if ((unsigned char)c < 0x20) {
      return NULL;
    }
    if (c != '\\') {
      *to++ = c;
      continue;
    }
    if (p->at == p->end) {
      return NULL;
    }
    c = *p->at++;
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    if (letter != NULL) {
      *to++ = meanings[letter - letters];
    } else if (c != 'u' || (to = read_unicode(p, to)) == NULL) {
      return NULL;
    }
  }
  if (p->at == p->end) {
    return NULL;
  }
  p->at++;
  *to = '\0';
  *size = (size_t)(to - begin);
  return begin;
}

static json_value *parse_value(parser *p);

static json_value *parse_string(parser *p) {
  json_value *value = new_value(p->document, JSON_STRING);
  p->at++;
  if (value == NULL || (value->text = read_string(p, &value->text_size)) == NULL) {
    return NULL;
  }
  return value;
}

/* The name of a member and the colon behind it. */
static const char *parse_name(parser *p) {
  size_t size = 0;
  skip_space(p);
  if (p->at == p->end || *p->at++ != '"') {
    return NULL;
  }
  const char *name = read_string(p, &size);
  skip_space(p);
  return name != NULL && p->at < p->end && *p->at++ == ':' ? name : NULL;
}

static json_value *parse_list(parser *p, int kind) {
  char close = kind == JSON_OBJECT ? '}' : ']';
  json_value *list = new_value(p->document, kind);
  if (list == NULL || ++p->depth > DEPTH_LIMIT) {
    return NULL;
  }
  json_value **last = &list->first;
  p->at++;
  skip_space(p);
  while (p->at < p->end && (list->first == NULL ? *p->at != close : *p->at == ',')) {
    p->at += list->first != NULL;
    const char *name = kind == JSON_OBJECT ? parse_name(p) : NULL;
    if (kind == JSON_OBJECT && name == NULL) {
      return NULL;
    }
    json_value *value = parse_value(p);
    if (value == NULL) {
      return NULL;
    }
    value->name = name;
    *last = value;
    last = &value->next;
    skip_space(p);
  }
  if (p->at == p->end || *p->at++ != close) {
    return NULL;
  }
  p->depth--;
  return list;
}

static json_value *parse_number(parser *p) {
  json_value *value = new_value(p->document, JSON_NUMBER);
  char *begin = p->at;
  while (p->at < p->end && *p->at != '\0' && strchr("+-.eE0123456789", *p->at) != NULL) {
    p->at++;
  }
  if (value == NULL || p->at == begin) {
    return NULL;
  }
  value->text = begin;
  value->text_size = (size_t)(p->at - begin);
  return value;
}

static json_value *parse_word(parser *p) {
  static const struct {
    const char *word;
    int kind;
    int truth;
  } words[] = {{"true", JSON_BOOLEAN, 1}, {"false", JSON_BOOLEAN, 0}, {"null", JSON_NULL, 0}};
  for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
    size_t size = strlen(words[i].word);
    if ((size_t)(p->end - p->at) >= size && memcmp(p->at, words[i].word, size) == 0) {
      json_value *value = new_value(p->document, words[i].kind);
      p->at += size;
      if (value != NULL) {
        value->truth = words[i].truth;
      }
      return value;
    }
  }
  return NULL;
}

static json_value *parse_value(parser *p) {
  skip_space(p);
  if (p->at == p->end) {
    return NULL;
  }
  switch (*p->at) {
  case '{':
    return parse_list(p, JSON_OBJECT);
  case '[':
    return parse_list(p, JSON_ARRAY);
  case '"':
    return parse_string(p);
  case 't':
  case 'f':
  case 'n':
    return parse_word(p);
  default:
    return parse_number(p);
  }
}

json_document *json_parse(const char *text, size_t size) {
  json_document *document = calloc(1, sizeof(*document));
  if (document == NULL) {
    return NULL;
  }
  document->text = malloc(size + 1);
  if (document->text == NULL) {
    json_free(document);
    return NULL;
  }
  if (size > 0) {
    memcpy(document->text, text, size);
  }
  document->text[size] = '\0';
  parser p = {document, document->text, document->text + size, 0};
  document->root = parse_value(&p);
  skip_space(&p);
  if (document->root == NULL || p.at != p.end) {
    json_free(document);
    return NULL;
  }
  return document;
}

void json_free(json_document *document) {
  if (document == NULL) {
    return;
  }
  while (document->blocks != NULL) {
    json_block *next = document->blocks->next;
    free(document->blocks);
    document->blocks = next;
  }
  free(document->text);
  free(document);
}

const json_value *json_root(const json_document *document) {
  return document == NULL ? NULL : document->root;
}

const json_value *json_first(const json_value *list) {
  return list == NULL ? NULL : list->first;
}

const json_value *json_get(const json_value *object, const char *name) {
  if (object == NULL || object->kind != JSON_OBJECT) {
    return NULL;
  }
  for (const json_value *member = object->first; member != NULL; member = member->next) {
    if (strcmp(member->name, name) == 0) {
      return member;
    }
  }
  return NULL;
}

const char *json_string(const json_value *object, const char *name, const char *fallback) {
  const json_value *value = json_get(object, name);
  return value != NULL && value->kind == JSON_STRING ? value->text : fallback;
}

long long json_integer(const json_value *object, const char *name, long long fallback) {
  const json_value *value = json_get(object, name);
  if (value == NULL || value->kind != JSON_NUMBER) {
    return fallback;
  }
  /* The number ends at the first byte that is none, and the text ends with NUL. */
  return strtoll(value->text, NULL, 10);
}

int json_truth(const json_value *object, const char *name, int fallback) {
  const json_value *value = json_get(object, name);
  return value != NULL && value->kind == JSON_BOOLEAN ? value->truth : fallback;
}

size_t json_count(const json_value *list) {
  size_t count = 0;
  for (const json_value *value = json_first(list); value != NULL; value = value->next) {
    count++;
  }
  return count;
}
