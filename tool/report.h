/* SPDX-License-Identifier: Apache-2.0
 *
 * Stored documents for people.
 */
#ifndef MERGELOOM_TOOL_REPORT_H
#define MERGELOOM_TOOL_REPORT_H

#include "tool.h"

/* Prints a mergeloom.result.v1 document; diff may be NULL. with_reason adds why the job did not complete. Returns 0, or
 * -1 when the text is no such document. */
int report_result(const tool_options *options, const char *json, const char *diff, int with_reason);
/* Prints an audit record (JSON lines), one line a fact, the result as above. Returns as above. */
int report_audit(const tool_options *options, const char *text, size_t size);

/* Prints the text as it is, when each of its lines, or all of it, is JSON. Returns as above. */
int report_json(const char *text, size_t size);

#endif
