/* SPDX-License-Identifier: Apache-2.0 */
#include "pieces.h"

#include "base/json.h"

#define EMPTY_STRING_SIZE 2

int mloom_pieces_fit_values(const mloom_pieces *pieces, mloom_bytes event, mloom_bytes *raw,
                            mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES]) {
  if (!mloom_json_template_fits(&pieces->pattern, event, values)) {
    return 0;
  }
  *raw = values[pieces->hole];
  return raw->size > EMPTY_STRING_SIZE;
}

int mloom_pieces_fit(const mloom_pieces *pieces, mloom_bytes event, mloom_bytes *raw) {
  mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES];
  return mloom_pieces_fit_values(pieces, event, raw, values);
}

void mloom_pieces_begin(mloom_pieces *pieces) {
  pieces->said = (mloom_piece){.index = -1};
  pieces->places.count = 0;
  pieces->places.excess = 0;
}

int32_t mloom_pieces_read(mloom_pieces *pieces, mloom_bytes event, mloom_json_reader *reader, uint32_t kind,
                          int64_t index, mloom_buffer *scratch, mloom_bytes *out) {
  mloom_bytes raw;
  int is_string = mloom_json_reader_peek(reader) == MLOOM_JSON_STRING;
  *out = (mloom_bytes){NULL, 0};
  if (!mloom_json_reader_raw(reader, &raw) || !is_string) {
    return MLOOM_OK;
  }
  if (raw.size > EMPTY_STRING_SIZE) {
    mloom_piece said = {raw, kind, index, pieces->said.more || pieces->said.raw.size > 0};
    pieces->said = said;
    mloom_json_places_take(&pieces->places, event, raw);
  }
  return mloom_json_unquote(raw, scratch, out);
}

int mloom_pieces_keep(mloom_pieces *pieces, mloom_bytes event) {
  if (pieces->said.raw.size == 0 || pieces->said.more ||
      !mloom_json_template_set(&pieces->pattern, event, &pieces->places)) {
    return 0;
  }
  pieces->hole = mloom_json_places_find(&pieces->places, event, pieces->said.raw);
  pieces->kept = pieces->said;
  pieces->kept.raw = (mloom_bytes){NULL, 0};
  return 1;
}

void mloom_pieces_forget(mloom_pieces *pieces) {
  mloom_json_template_clear(&pieces->pattern);
}

void mloom_pieces_free(mloom_pieces *pieces) {
  mloom_json_template_free(&pieces->pattern);
}
