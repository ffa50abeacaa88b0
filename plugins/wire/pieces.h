/* SPDX-License-Identifier: Apache-2.0
 *
 * Nearly all events of a stream say one piece of text, reasoning or arguments and differ from the one before in that
 * piece only. A decoder notes what an event says while it reads it; an event that said one piece and nothing else
 * becomes the template that the next ones are held against.
 *
 *   if (mloom_pieces_fit(&pieces, event, &raw)) { take raw as pieces.kept tells; return; }
 *   mloom_pieces_begin(&pieces);
 *   ... mloom_pieces_read(&pieces, event, &reader, kind, index, &scratch, &text); ... pieces.said.more = 1; ...
 *   if (mloom_json_reader_end(&reader) == MLOOM_OK) mloom_pieces_keep(&pieces, event);
 */
#ifndef MLOOM_WIRE_PIECES_H
#define MLOOM_WIRE_PIECES_H

#include "base/json_template.h"
#include <mergeloom/plugin.h>

typedef struct mloom_piece {
  mloom_bytes raw; /* as a string in the event, quotes and all */
  uint32_t kind;   /* MLOOM_EVENT_TEXT, MLOOM_EVENT_REASONING, MLOOM_EVENT_TOOL_DELTA */
  int64_t index;   /* of the block, item or call that it belongs to */
  int more;        /* the event says something else too, so that it is no template */
} mloom_piece;

typedef struct mloom_pieces {
  mloom_piece said; /* by the event at hand */
  mloom_json_places places;
  mloom_piece kept; /* by the event that became the template; its raw is gone */
  mloom_json_template pattern;
  size_t hole;
} mloom_pieces;

/* Does the event say what the kept one said, but for the piece? raw is that piece, for mloom_json_unquote; never an
 * empty one. */
int mloom_pieces_fit(const mloom_pieces *pieces, mloom_bytes event, mloom_bytes *raw);
/* The same; values are what stands in all the holes, at the index of their place in the template. */
int mloom_pieces_fit_values(const mloom_pieces *pieces, mloom_bytes event, mloom_bytes *raw,
                            mloom_bytes values[MLOOM_JSON_TEMPLATE_PLACES]);
void mloom_pieces_begin(mloom_pieces *pieces);
/* Reads the string that comes next, which lies in event, and notes it; an empty one says nothing. Another kind of value
 * is skipped, and out then {NULL, 0}. MLOOM_E_MEMORY. */
int32_t mloom_pieces_read(mloom_pieces *pieces, mloom_bytes event, mloom_json_reader *reader, uint32_t kind,
                          int64_t index, mloom_buffer *scratch, mloom_bytes *out);
/* The event was read to its end and is well formed. 1 when it became the template. */
int mloom_pieces_keep(mloom_pieces *pieces, mloom_bytes event);
/* Nothing fits any more. */
void mloom_pieces_forget(mloom_pieces *pieces);
void mloom_pieces_free(mloom_pieces *pieces);

#endif
