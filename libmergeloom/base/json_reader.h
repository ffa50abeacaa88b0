/* SPDX-License-Identifier: Apache-2.0
 *
 * A pull reader over one complete JSON text: no tree, no allocation but for unescaped strings. Depends on nothing but
 * the buffer, so that plugins may link it.
 *
 *   mloom_json_reader reader;
 *   mloom_json_reader_init(&reader, data, size);
 *   mloom_json_reader_object(&reader);
 *   while (mloom_json_reader_key(&reader, &key)) {
 *     if (mloom_text_equal(key, "id")) mloom_json_reader_string(&reader, &scratch, &id);
 *     else mloom_json_reader_skip(&reader);
 *   }
 *   if (mloom_json_reader_end(&reader) != MLOOM_OK) ...
 *
 * After the first malformed byte every call does nothing and key/element return 0; mloom_json_reader_end tells.
 */
#ifndef MLOOM_BASE_JSON_READER_H
#define MLOOM_BASE_JSON_READER_H

#include "base/buffer.h"

#define MLOOM_JSON_READER_DEPTH 64

typedef struct mloom_json_reader {
  const char *data;
  size_t size;
  size_t position;
  uint32_t depth;
  uint32_t began;                         /* the one value outside of all levels has been begun */
  int32_t status;                         /* MLOOM_OK, MLOOM_E_INVALID, MLOOM_E_MEMORY */
  uint8_t first[MLOOM_JSON_READER_DEPTH]; /* nothing was read at this level yet */
} mloom_json_reader;

void mloom_json_reader_init(mloom_json_reader *reader, const char *data, size_t size);
/* MLOOM_JSON_OBJECT, ... of the value that comes next, without reading it; -1 when malformed or at the end. */
int mloom_json_reader_peek(const mloom_json_reader *reader);
/* Enter the object or array that comes next; a value of another kind is skipped and 0 returned. */
int mloom_json_reader_object(mloom_json_reader *reader);
int mloom_json_reader_array(mloom_json_reader *reader);
/* The next member's key (raw, escapes not undone: keys with escapes match nothing), or 0 and the level is left. */
int mloom_json_reader_key(mloom_json_reader *reader, mloom_bytes *key);
/* Is there another element? 0: the level is left. */
int mloom_json_reader_element(mloom_json_reader *reader);
/* Reads a string. out points into the text, or into scratch when it had escapes (valid until scratch changes; lone
 * surrogates become U+FFFD). null or another kind is skipped: returns 0 and out is {NULL, 0}. */
int mloom_json_reader_string(mloom_json_reader *reader, mloom_buffer *scratch, mloom_bytes *out);
/* As above, appended to out. */
int mloom_json_reader_append_string(mloom_json_reader *reader, mloom_buffer *out);
int mloom_json_reader_integer(mloom_json_reader *reader, int64_t *out); /* truncates fractions; saturates */
int mloom_json_reader_boolean(mloom_json_reader *reader, int *out);
void mloom_json_reader_skip(mloom_json_reader *reader);
/* Skips the next value and gives its text. */
int mloom_json_reader_raw(mloom_json_reader *reader, mloom_bytes *out);
/* The position behind the string or number that begins at position, or 0 when none does. */
size_t mloom_json_scalar_end(const char *data, size_t size, size_t position);
/* What the string says that mloom_json_reader_raw gave, quotes and all. out points into it, or into scratch when it had
 * escapes. MLOOM_E_MEMORY. */
int32_t mloom_json_unquote(mloom_bytes raw, mloom_buffer *scratch, mloom_bytes *out);
/* Writes \ufffd in the place of each escape of a surrogate without its other half, for readers that refuse such. text
 * may be any. */
void mloom_json_mend_surrogates(char *text, size_t size);
/* MLOOM_OK when the whole text was one well-formed value and has been read. UTF-8 is checked too; duplicate members are
 * not. */
int32_t mloom_json_reader_end(mloom_json_reader *reader);

#endif
