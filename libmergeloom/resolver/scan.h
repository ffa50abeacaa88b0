/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a ticket's text: characters, positions, tags, what only looks like a tag, and blocks.
 */
#ifndef MLOOM_RESOLVER_SCAN_H
#define MLOOM_RESOLVER_SCAN_H

#include <mergeloom/types.h>

/* A byte that belongs to no well-formed character. */
#define MLOOM_SCAN_MALFORMED UINT32_C(0x110000)

/* The character at the front of size (at least 1) bytes; returns how many bytes it takes. */
size_t mloom_scan_character(const char *data, size_t size, uint32_t *code);
/* Space, tab, and the blanks that editors put in their place, such as the no-break space. */
int mloom_scan_is_blank(uint32_t code);
/* Takes no room on the screen. */
int mloom_scan_is_invisible(uint32_t code);
/* The full-width forms of ASCII characters. */
int mloom_scan_is_full_width(uint32_t code);
/* What a character that may not stand in a directive is called, NULL when it may. Static. */
const char *mloom_scan_junk_name(uint32_t code);
/* Only what surrounds a block in other trackers' markup: quote marks, emphasis, code marks, macros, nothing. */
int mloom_scan_is_decoration(mloom_bytes text);
/* Narrows the range to exclude blanks at both ends. */
mloom_bytes mloom_scan_trim(mloom_bytes text);

/* A place that moves forward through a text and knows its line; CR LF, LF and CR end lines. */
typedef struct mloom_scan_place {
  mloom_bytes text;
  size_t line_start;
  size_t next_feed;   /* offset of the next LF, or of the end */
  size_t next_return; /* and of the next CR */
  uint32_t line;      /* from 1 */
  uint32_t reserved;
} mloom_scan_place;

void mloom_scan_place_init(mloom_scan_place *place, mloom_bytes text);
/* Moves to offset, which is not before the last one, and returns its column: characters from 1. */
uint32_t mloom_scan_place_move(mloom_scan_place *place, size_t offset);
/* Offset of the end of the line that begins at or holds offset, and of the next line's start. */
size_t mloom_scan_line_end(mloom_bytes text, size_t offset, size_t *next);

#define MLOOM_TAG_NONE 0u
#define MLOOM_TAG_OPEN 1u
#define MLOOM_TAG_CLOSE 2u
#define MLOOM_TAG_LIKE_OPEN 3u /* full-width brackets, hidden characters, escapes: meant as one, perhaps */
#define MLOOM_TAG_LIKE_CLOSE 4u

typedef struct mloom_tag {
  uint32_t kind;
  uint32_t reserved;
  size_t start;
  size_t end;
} mloom_tag;

/* Finds tags one after the other. */
typedef struct mloom_tag_search {
  mloom_bytes text;
  size_t next[3]; /* where the next J, j and full-width form may stand */
} mloom_tag_search;

void mloom_tag_search_init(mloom_tag_search *search, mloom_bytes text);
/* The next tag at or after the last one's end; kind is MLOOM_TAG_NONE at the end. */
mloom_tag mloom_tag_search_next(mloom_tag_search *search);
/* Does nothing but decoration stand before the tag on its line? */
int mloom_tag_begins_line(mloom_bytes text, const mloom_tag *tag);

typedef struct mloom_tag_block {
  mloom_tag open;       /* kind MLOOM_TAG_NONE: there is no block */
  mloom_tag close;      /* kind MLOOM_TAG_NONE: it is not closed */
  mloom_tag look_alike; /* the first one before the block */
  mloom_tag stray;      /* the first [/JCA] before the block */
} mloom_tag_block;

/* Takes tags until a block is complete or can no longer be. */
void mloom_tag_search_block(mloom_tag_search *search, mloom_tag_block *found);

#endif
