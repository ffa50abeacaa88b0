/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "credential-aws/xml.h"

#include <string.h>

#include "base/text.h"

typedef struct reader {
  mloom_bytes text;
  size_t position;
  mloom_bytes open[MLOOM_AWS_XML_DEPTH]; /* names of the elements around the position, as they are written */
  size_t depth;
  int is_leaf;        /* the innermost one has had no element in it */
  int ended;          /* the outermost one is behind the position */
  mloom_buffer value; /* text of the innermost one */
  mloom_aws_xml_leaf_fn leaf;
  void *userdata;
} reader;

static int is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int begins_with(const reader *self, const char *what) {
  size_t size = strlen(what);
  return self->text.size - self->position >= size && memcmp(self->text.data + self->position, what, size) == 0;
}

/* Goes behind the next place of what. */
static int skip_behind(reader *self, const char *what) {
  for (; self->position < self->text.size; self->position++) {
    if (begins_with(self, what)) {
      self->position += strlen(what);
      return 1;
    }
  }
  return 0;
}

static mloom_bytes without_prefix(mloom_bytes name) {
  const char *colon = memchr(name.data, ':', name.size);
  return colon == NULL ? name : (mloom_bytes){colon + 1, name.size - (size_t)(colon + 1 - name.data)};
}

static int take_name(reader *self, mloom_bytes *out) {
  size_t start = self->position;
  while (self->position < self->text.size && !is_blank(self->text.data[self->position]) &&
         memchr("</>=\"'&", self->text.data[self->position], 7) == NULL) {
    self->position++;
  }
  *out = (mloom_bytes){self->text.data + start, self->position - start};
  return out->size > 0;
}

/* Attributes carry nothing here; they only have to be quoted rightly. *empty: the element ends at once. */
static int skip_attributes(reader *self, int *empty) {
  *empty = 0;
  while (self->position < self->text.size) {
    char c = self->text.data[self->position++];
    if (c == '"' || c == '\'') {
      const char quote[2] = {c, '\0'};
      if (!skip_behind(self, quote)) {
        return 0;
      }
    } else if (c == '>') {
      return 1;
    } else if (c == '/') {
      *empty = self->position < self->text.size && self->text.data[self->position] == '>';
      if (!*empty) {
        return 0;
      }
    } else if (c == '<') {
      return 0;
    }
  }
  return 0;
}

static int32_t end_element(reader *self) {
  mloom_bytes name = without_prefix(self->open[--self->depth]);
  mloom_bytes parent = self->depth == 0 ? (mloom_bytes){"", 0} : without_prefix(self->open[self->depth - 1]);
  int32_t code = MLOOM_OK;
  if (self->is_leaf) {
    code = self->leaf(parent, name, (mloom_bytes){mloom_buffer_string(&self->value), self->value.size}, self->userdata);
  }
  self->is_leaf = 0;
  self->ended = self->depth == 0;
  mloom_buffer_wipe(&self->value);
  return code;
}

static int32_t take_start(reader *self) {
  mloom_bytes name;
  int empty = 0;
  self->position++;
  if (self->ended || !take_name(self, &name) || self->depth == MLOOM_AWS_XML_DEPTH || !skip_attributes(self, &empty)) {
    return MLOOM_E_INVALID;
  }
  self->open[self->depth++] = name;
  self->is_leaf = 1;
  mloom_buffer_wipe(&self->value);
  return empty ? end_element(self) : MLOOM_OK;
}

static int32_t take_end(reader *self) {
  mloom_bytes name;
  self->position += 2;
  if (self->depth == 0 || !take_name(self, &name) || name.size != self->open[self->depth - 1].size ||
      memcmp(name.data, self->open[self->depth - 1].data, name.size) != 0) {
    return MLOOM_E_INVALID;
  }
  while (self->position < self->text.size && is_blank(self->text.data[self->position])) {
    self->position++;
  }
  if (self->position == self->text.size || self->text.data[self->position++] != '>') {
    return MLOOM_E_INVALID;
  }
  return end_element(self);
}

/* ---- Text ---- */

static int32_t append(reader *self, const char *data, size_t size) {
  return mloom_buffer_append_wiping(&self->value, data, size);
}

static int32_t append_character(reader *self, uint32_t c) {
  if (c == 0 || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
    return MLOOM_E_INVALID;
  }
  char utf8[4];
  size_t size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  static const unsigned char leads[] = {0, 0, 0xC0, 0xE0, 0xF0};
  for (size_t i = size; i > 1; i--) {
    utf8[i - 1] = (char)(0x80 | (c & 0x3F));
    c >>= 6;
  }
  utf8[0] = (char)(leads[size == 1 ? 0 : size] | c);
  return append(self, utf8, size);
}

/* "&amp;", "&#38;", "&#x26;" */
static int32_t take_reference(reader *self) {
  static const struct {
    const char *name;
    char character;
  } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
    if (begins_with(self, entities[i].name)) {
      self->position += strlen(entities[i].name);
      return append(self, &entities[i].character, 1);
    }
  }
  if (!begins_with(self, "&#")) {
    return MLOOM_E_INVALID;
  }
  self->position += 2;
  uint32_t base = begins_with(self, "x") ? 16 : 10;
  self->position += base == 16;
  uint32_t value = 0;
  for (size_t digits = 0; self->position < self->text.size && digits < 8; digits++) {
    char c = self->text.data[self->position++];
    uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                     : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                            : 99;
    if (c == ';' && digits > 0) {
      return append_character(self, value);
    }
    if (digit >= base) {
      return MLOOM_E_INVALID;
    }
    value = value * base + digit;
  }
  return MLOOM_E_INVALID;
}

static int32_t take_text(reader *self) {
  size_t start = self->position;
  while (self->position < self->text.size && self->text.data[self->position] != '<' &&
         self->text.data[self->position] != '&') {
    /* Outside of all elements there is nothing but white space. */
    if (self->depth == 0 && !is_blank(self->text.data[self->position])) {
      return MLOOM_E_INVALID;
    }
    self->position++;
  }
  int32_t code = append(self, self->text.data + start, self->position - start);
  if (code != MLOOM_OK || self->position == self->text.size || self->text.data[self->position] == '<') {
    return code;
  }
  return self->depth == 0 ? MLOOM_E_INVALID : take_reference(self);
}

static int32_t take_cdata(reader *self) {
  self->position += strlen("<![CDATA[");
  size_t start = self->position;
  if (self->depth == 0 || !skip_behind(self, "]]>")) {
    return MLOOM_E_INVALID;
  }
  return append(self, self->text.data + start, self->position - start - 3);
}

static int32_t take_next(reader *self) {
  if (self->text.data[self->position] != '<') {
    return take_text(self);
  }
  if (begins_with(self, "<?")) {
    return skip_behind(self, "?>") ? MLOOM_OK : MLOOM_E_INVALID;
  }
  if (begins_with(self, "<!--")) {
    self->position += 4;
    return skip_behind(self, "-->") ? MLOOM_OK : MLOOM_E_INVALID;
  }
  if (begins_with(self, "<![CDATA[")) {
    return take_cdata(self);
  }
  if (begins_with(self, "<!")) {
    return MLOOM_E_INVALID;
  }
  return begins_with(self, "</") ? take_end(self) : take_start(self);
}

int32_t mloom_aws_xml_read(mloom_bytes text, mloom_aws_xml_leaf_fn leaf, void *userdata) {
  reader self = {.text = text, .value = MLOOM_BUFFER_INIT, .leaf = leaf, .userdata = userdata};
  int32_t code = mloom_text_is_utf8(text.data, text.size) ? MLOOM_OK : MLOOM_E_INVALID;
  if (begins_with(&self, "\xEF\xBB\xBF")) {
    self.position = 3;
  }
  while (code == MLOOM_OK && self.position < text.size) {
    code = take_next(&self);
  }
  mloom_buffer_wipe(&self.value);
  return code == MLOOM_OK && !self.ended ? MLOOM_E_INVALID : code;
}
