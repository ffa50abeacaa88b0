/* SPDX-License-Identifier: Apache-2.0 */
#include "resolver/scan.h"

#include <string.h>

#include "base/text.h"

/* ---- Characters ---- */

size_t mloom_scan_character(const char *data, size_t size, uint32_t *code) {
  const unsigned char *bytes = (const unsigned char *)data;
  unsigned char first = bytes[0];
  *code = first;
  if (first < 0x80) {
    return 1;
  }
  size_t length = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 ? 3 : 2;
  static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  *code = MLOOM_SCAN_MALFORMED;
  if (first < 0xc2 || first > 0xf4 || length > size) {
    return 1;
  }
  uint32_t value = first & (0x7fu >> length);
  for (size_t i = 1; i < length; i++) {
    if ((bytes[i] & 0xc0) != 0x80) {
      return 1;
    }
    value = value << 6 | (bytes[i] & 0x3fu);
  }
  if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
    return 1;
  }
  *code = value;
  return length;
}

int mloom_scan_is_blank(uint32_t code) {
  return code == ' ' || code == '\t' || code == 0xa0 || (code >= 0x2000 && code <= 0x200a) || code == 0x202f ||
         code == 0x205f || code == 0x3000;
}

int mloom_scan_is_invisible(uint32_t code) {
  return code == 0xad || code == 0x34f || code == 0x61c || code == 0x180e || (code >= 0x200b && code <= 0x200f) ||
         (code >= 0x202a && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
         (code >= 0xfe00 && code <= 0xfe0f) || code == 0xfeff || (code >= 0xe0000 && code <= 0xe0fff);
}

int mloom_scan_is_full_width(uint32_t code) {
  return code >= 0xff01 && code <= 0xff5e;
}

const char *mloom_scan_junk_name(uint32_t code) {
  switch (code) {
  case 0xad:
    return "soft hyphen";
  case 0x200b:
    return "zero-width space";
  case 0x200c:
    return "zero-width non-joiner";
  case 0x200d:
    return "zero-width joiner";
  case 0x2060:
    return "word joiner";
  case 0x2028:
  case 0x2029:
  case 0x85:
    return "line separator";
  case 0xfeff:
    return "byte-order mark";
  case 0xff1d:
    return "full-width equals sign";
  default:
    break;
  }
  if (code == MLOOM_SCAN_MALFORMED) {
    return "malformed UTF-8";
  }
  if ((code < 0x20 && code != '\t') || (code >= 0x7f && code <= 0x9f)) {
    return "control character";
  }
  return mloom_scan_is_full_width(code)  ? "full-width character"
         : mloom_scan_is_invisible(code) ? "invisible character"
                                         : NULL;
}

/* The character that ends before offset. */
static size_t character_before(mloom_bytes text, size_t offset, uint32_t *code) {
  size_t size = 1;
  while (size < 4 && size < offset && ((unsigned char)text.data[offset - size] & 0xc0) == 0x80) {
    size++;
  }
  if (mloom_scan_character(text.data + offset - size, size, code) != size) {
    *code = MLOOM_SCAN_MALFORMED;
    return 1;
  }
  return size;
}

mloom_bytes mloom_scan_trim(mloom_bytes text) {
  uint32_t code = 0;
  while (text.size > 0) {
    size_t size = mloom_scan_character(text.data, text.size, &code);
    if (!mloom_scan_is_blank(code)) {
      break;
    }
    text.data += size;
    text.size -= size;
  }
  while (text.size > 0) {
    size_t size = character_before(text, text.size, &code);
    if (!mloom_scan_is_blank(code)) {
      break;
    }
    text.size -= size;
  }
  return text;
}

/* ---- Places ---- */

static size_t find_byte(mloom_bytes text, size_t from, char byte) {
  const char *found = from < text.size ? memchr(text.data + from, byte, text.size - from) : NULL;
  return found == NULL ? text.size : (size_t)(found - text.data);
}

void mloom_scan_place_init(mloom_scan_place *place, mloom_bytes text) {
  place->text = text;
  place->line_start = 0;
  place->next_feed = find_byte(text, 0, '\n');
  place->next_return = find_byte(text, 0, '\r');
  place->line = 1;
  place->reserved = 0;
}

uint32_t mloom_scan_place_move(mloom_scan_place *place, size_t offset) {
  for (;;) {
    size_t end = place->next_feed < place->next_return ? place->next_feed : place->next_return;
    if (end >= offset) {
      break;
    }
    /* CR LF is one end, unless offset stands between the two. */
    int pair = end == place->next_return && place->next_feed == end + 1;
    size_t start = end + (pair ? 2 : 1);
    if (start > offset) {
      break;
    }
    place->line_start = start;
    place->line++;
    if (place->next_feed < start) {
      place->next_feed = find_byte(place->text, start, '\n');
    }
    if (place->next_return < start) {
      place->next_return = find_byte(place->text, start, '\r');
    }
  }
  uint32_t column = 1;
  for (size_t i = place->line_start; i < offset;) {
    uint32_t code = 0;
    i += mloom_scan_character(place->text.data + i, place->text.size - i, &code);
    /* A byte-order mark at the very start is no character to people. */
    column += !(code == 0xfeff && i == 3);
  }
  return column;
}

size_t mloom_scan_line_end(mloom_bytes text, size_t offset, size_t *next) {
  size_t end = find_byte(text, offset, '\n');
  size_t early = find_byte((mloom_bytes){text.data, end}, offset, '\r');
  *next = early < end ? early + 1 + (early + 1 == end && end < text.size) : end + (end < text.size);
  return early < end ? early : end;
}

/* ---- Tags ---- */

static int is_letter(uint32_t code, char upper) {
  uint32_t plain = code >= 0xff01 && code <= 0xff5e ? code - 0xff01 + 0x21 : code;
  return plain == (uint32_t)upper || plain == (uint32_t)upper + 0x20;
}

static size_t next_full_width_j(mloom_bytes text, size_t from) {
  for (size_t at = find_byte(text, from, (char)0xef); at < text.size; at = find_byte(text, at + 1, (char)0xef)) {
    if (text.size - at >= 3 &&
        (memcmp(text.data + at, "\xef\xbc\xaa", 3) == 0 || memcmp(text.data + at, "\xef\xbd\x8a", 3) == 0)) {
      return at;
    }
  }
  return text.size;
}

/* Skips what may hide between the parts of something that was meant as a tag. */
static int may_hide(uint32_t code) {
  return mloom_scan_is_blank(code) || mloom_scan_is_invisible(code) || code == '\\';
}

#define HIDDEN_MAX 8

static size_t skip_forward(mloom_bytes text, size_t offset) {
  for (int i = 0; i < HIDDEN_MAX && offset < text.size; i++) {
    uint32_t code = 0;
    size_t size = mloom_scan_character(text.data + offset, text.size - offset, &code);
    if (!may_hide(code)) {
      break;
    }
    offset += size;
  }
  return offset;
}

static size_t skip_backward(mloom_bytes text, size_t offset) {
  for (int i = 0; i < HIDDEN_MAX && offset > 0; i++) {
    uint32_t code = 0;
    size_t size = character_before(text, offset, &code);
    if (!may_hide(code)) {
      break;
    }
    offset -= size;
  }
  return offset;
}

static const char *const openers[] = {"[",     "\xef\xbc\xbb", "\xe3\x80\x90", "\xe3\x80\x94",
                                      "&#91;", "&#x5b;",       "&lbrack;",     "&lsqb;"};
static const char *const closers[] = {"]",     "\xef\xbc\xbd", "\xe3\x80\x91", "\xe3\x80\x95",
                                      "&#93;", "&#x5d;",       "&rbrack;",     "&rsqb;"};
static const char *const slashes[] = {"/", "\xef\xbc\x8f", "&#47;", "&#x2f;", "&sol;"};

static size_t match_forward(mloom_bytes text, size_t offset, const char *const *forms, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(forms[i]);
    if (text.size - offset >= size && mloom_text_compare_start_fold(text.data + offset, forms[i], size) == 0) {
      return size;
    }
  }
  return 0;
}

static size_t match_backward(mloom_bytes text, size_t offset, const char *const *forms, size_t count) {
  for (size_t i = 0; i < count; i++) {
    size_t size = strlen(forms[i]);
    if (offset >= size && mloom_text_compare_start_fold(text.data + offset - size, forms[i], size) == 0) {
      return size;
    }
  }
  return 0;
}

#define COUNT(forms) (sizeof(forms) / sizeof(forms)[0])

/* The tag whose J stands at offset. */
static mloom_tag read_tag(mloom_bytes text, size_t offset) {
  mloom_tag tag = {MLOOM_TAG_NONE, 0, offset, offset + 1};
  size_t end = offset;
  for (const char *letter = "JCA"; *letter != '\0'; letter++) {
    uint32_t code = 0;
    if (letter[0] != 'J') {
      end = skip_forward(text, end);
    }
    size_t size = end < text.size ? mloom_scan_character(text.data + end, text.size - end, &code) : 0;
    if (size == 0 || !is_letter(code, *letter)) {
      return tag;
    }
    end += size;
  }
  size_t after = skip_forward(text, end);
  size_t closer = match_forward(text, after, closers, COUNT(closers));
  size_t before = skip_backward(text, offset);
  size_t slash = match_backward(text, before, slashes, COUNT(slashes));
  size_t front = slash == 0 ? before : skip_backward(text, before - slash);
  size_t opener = match_backward(text, front, openers, COUNT(openers));
  if (closer == 0 || opener == 0) {
    return tag;
  }
  tag.start = front - opener;
  tag.end = after + closer;
  size_t exact = slash == 0 ? 5 : 6;
  int escaped = tag.start > 0 && text.data[tag.start - 1] == '\\';
  int is_exact = tag.end - tag.start == exact && !escaped &&
                 mloom_text_compare_start_fold(text.data + tag.start, slash == 0 ? "[JCA]" : "[/JCA]", exact) == 0;
  tag.kind = slash == 0 ? (is_exact ? MLOOM_TAG_OPEN : MLOOM_TAG_LIKE_OPEN)
                        : (is_exact ? MLOOM_TAG_CLOSE : MLOOM_TAG_LIKE_CLOSE);
  tag.start -= (size_t)escaped;
  return tag;
}

void mloom_tag_search_init(mloom_tag_search *search, mloom_bytes text) {
  search->text = text;
  search->next[0] = find_byte(text, 0, 'J');
  search->next[1] = find_byte(text, 0, 'j');
  search->next[2] = next_full_width_j(text, 0);
}

mloom_tag mloom_tag_search_next(mloom_tag_search *search) {
  mloom_bytes text = search->text;
  for (;;) {
    size_t which = search->next[1] < search->next[0] ? 1 : 0;
    which = search->next[2] < search->next[which] ? 2 : which;
    size_t offset = search->next[which];
    if (offset >= text.size) {
      return (mloom_tag){MLOOM_TAG_NONE, 0, text.size, text.size};
    }
    search->next[which] = which == 0   ? find_byte(text, offset + 1, 'J')
                          : which == 1 ? find_byte(text, offset + 1, 'j')
                                       : next_full_width_j(text, offset + 1);
    mloom_tag tag = read_tag(text, offset);
    if (tag.kind != MLOOM_TAG_NONE) {
      return tag;
    }
  }
}

/* ---- Blocks ---- */

/* Jira's {code:java}, {noformat}, {quote}, {panel:...}. Returns its size, or 0. */
static size_t macro_size(mloom_bytes text) {
  static const char *const names[] = {"{code", "{noformat", "{quote", "{panel"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    size_t size = strlen(names[i]);
    if (text.size > size && mloom_text_compare_start_fold(text.data, names[i], size) == 0 &&
        (text.data[size] == '}' || text.data[size] == ':')) {
      const char *end = memchr(text.data, '}', text.size);
      return end == NULL ? 0 : (size_t)(end + 1 - text.data);
    }
  }
  return 0;
}

int mloom_scan_is_decoration(mloom_bytes text) {
  for (size_t i = 0; i < text.size;) {
    uint32_t code = 0;
    size_t macro = macro_size((mloom_bytes){text.data + i, text.size - i});
    size_t size = mloom_scan_character(text.data + i, text.size - i, &code);
    if (macro == 0 && !mloom_scan_is_blank(code) && !mloom_scan_is_invisible(code) && code != '>' && code != '*' &&
        code != '_' && code != '`' && code != '~') {
      return 0;
    }
    i += macro > 0 ? macro : size;
  }
  return 1;
}

static size_t line_start_of(mloom_bytes text, size_t offset) {
  while (offset > 0 && text.data[offset - 1] != '\n' && text.data[offset - 1] != '\r') {
    offset--;
  }
  return offset;
}

int mloom_tag_begins_line(mloom_bytes text, const mloom_tag *tag) {
  size_t start = line_start_of(text, tag->start);
  return mloom_scan_is_decoration((mloom_bytes){text.data + start, tag->start - start});
}

/* "the [JCA]...[/JCA] block" in a sentence speaks of a block and is none. */
static int is_mention(mloom_bytes text, const mloom_tag *open, const mloom_tag *close) {
  size_t size = close->start - open->end;
  const char *inside = text.data + open->end;
  return memchr(inside, '\n', size) == NULL && memchr(inside, '\r', size) == NULL && memchr(inside, '=', size) == NULL;
}

void mloom_tag_search_block(mloom_tag_search *search, mloom_tag_block *found) {
  mloom_bytes text = search->text;
  memset(found, 0, sizeof *found);
  for (mloom_tag tag = mloom_tag_search_next(search); tag.kind != MLOOM_TAG_NONE; tag = mloom_tag_search_next(search)) {
    int open = found->open.kind == MLOOM_TAG_OPEN;
    if (tag.kind == MLOOM_TAG_OPEN) {
      if (open && mloom_tag_begins_line(text, &found->open)) {
        return;
      }
      found->open = tag;
    } else if (tag.kind == MLOOM_TAG_CLOSE && open) {
      if (mloom_tag_begins_line(text, &found->open) || !is_mention(text, &found->open, &tag)) {
        found->close = tag;
        return;
      }
      found->open.kind = MLOOM_TAG_NONE;
    } else if (tag.kind == MLOOM_TAG_CLOSE && found->stray.kind == MLOOM_TAG_NONE &&
               mloom_tag_begins_line(text, &tag)) {
      found->stray = tag;
    } else if (tag.kind >= MLOOM_TAG_LIKE_OPEN && found->look_alike.kind == MLOOM_TAG_NONE) {
      found->look_alike = tag;
    }
  }
}
