/* SPDX-License-Identifier: Apache-2.0
 *
 * HTML as text in which values cannot become markup.
 */
#ifndef MERGELOOM_DAEMON_HTML_H
#define MERGELOOM_DAEMON_HTML_H

#include "base/buffer.h"

/* Appends format: %s is text, escaped for content and for attributes in double quotes; %d an int, %n an int64_t, %% a
 * percent sign. Nothing else begins with a percent sign. */
void html_add(mloom_buffer *out, const char *format, ...);
/* Appends text with <, >, &, " and ' escaped; control characters become visible, malformed UTF-8 becomes U+FFFD. */
void html_text(mloom_buffer *out, const char *text, size_t size);

#endif
