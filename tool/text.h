/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for people: a growing string, safe for terminals, measured in columns.
 */
#ifndef MERGELOOM_TOOL_TEXT_H
#define MERGELOOM_TOOL_TEXT_H

#include <stddef.h>
#include <stdio.h>

typedef struct tool_text {
  char *data; /* ends with NUL; NULL while empty */
  size_t size;
  size_t capacity;
} tool_text;

/* Out of memory ends the program: a command line has nothing better to do. */
void tool_text_append(tool_text *text, const char *data, size_t size);
void tool_text_add(tool_text *text, const char *string);
__attribute__((format(printf, 2, 3))) void tool_text_format(tool_text *text, const char *format, ...);
const char *tool_text_get(const tool_text *text);
void tool_text_clear(tool_text *text);
void tool_text_free(tool_text *text);
void *tool_allocate(size_t size);

/* Chooses the character set of the terminal; 1 when it is UTF-8. Called once, first. */
int tool_text_init(void);
int tool_text_is_utf8(void);

/* Appends data with everything that a terminal would obey, or that could deceive the reader, taken out: control
 * characters, escape sequences, bidirectional controls. A newline becomes a space unless keep_newlines. */
void tool_text_add_safe(tool_text *text, const char *data, size_t size, int keep_newlines);
/* Columns that safe text takes. */
size_t tool_text_columns(const char *data, size_t size);
/* Appends safe text, cut to columns with an ellipsis at the end when it was longer. Returns the columns used. */
size_t tool_text_add_cut(tool_text *text, const char *data, size_t size, size_t columns);
/* How many bytes of safe text, without newlines, fit into columns when it is broken at a space; at least one character.
 * *next gets where the next line begins. */
size_t tool_text_break(const char *data, size_t size, size_t columns, size_t *next);
/* Appends count spaces. */
void tool_text_pad(tool_text *text, size_t count);

#endif
