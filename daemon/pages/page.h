/* SPDX-License-Identifier: Apache-2.0
 *
 * What every page has: head, navigation, words for states and times.
 */
#ifndef MERGELOOM_DAEMON_PAGES_PAGE_H
#define MERGELOOM_DAEMON_PAGES_PAGE_H

#include "app.h"
#include "html.h"

void page_begin(app_call *call, const char *title, const char *current);
void page_end(app_call *call);
/* A hidden field that shows that the form is ours. */
void page_csrf(app_call *call);
/* "3 min ago" of an instant like 2026-11-22T23:20:41.123Z or of milliseconds; "" for "" and 0. */
void page_age(mloom_buffer *out, const char *instant);
void page_age_ms(mloom_buffer *out, int64_t wall_ms);
/* "14:05 UTC" of an instant. */
void page_time(mloom_buffer *out, const char *instant);
/* "1.2 s" */
void page_duration(mloom_buffer *out, int64_t ms);
/* A badge with the word and the colour of a state. */
void page_badge(mloom_buffer *out, const char *state);
/* The state of a provider: one whose plugin is left alone can do nothing, whatever its checks said before. */
const char *page_provider_state(const mloom_json *provider);
/* What happened in a job, as the content of a line of its log. */
void page_event(mloom_buffer *out, const mloom_json *event);
/* The login of a provider, in its card. */
void page_login(app_call *call, const mloom_json *provider);
/* The gateway of an executor and whether it answers, and the executors that a gateway knows. */
void page_fleet(app_call *call);
/* An HTML answer without more than its body. */
void page_headers(app_call *call, unsigned status);

#endif
