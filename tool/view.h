/* SPDX-License-Identifier: Apache-2.0
 *
 * The progress of a job: on a terminal one status line that is redrawn, with finished steps scrolling above it; plain
 * lines elsewhere; JSON lines for programs.
 */
#ifndef MERGELOOM_TOOL_VIEW_H
#define MERGELOOM_TOOL_VIEW_H

#include "tool.h"

#define VIEW_LIVE 0
#define VIEW_PLAIN 1
#define VIEW_JSON 2

typedef struct view view;

/* cancel is triggered when the output can no longer be written. */
view *view_new(int mode, const tool_options *options, mloom_cancel *cancel);
/* mloom_job_options.event. */
void view_event(const mloom_job_event *event, void *userdata);
/* Takes the status line away and gives the cursor back. */
void view_end(view *v);
void view_free(view *v);
/* Prints a line on stderr, above the status line when there is one. From any thread. */
void view_print_error(const char *line);

#endif
