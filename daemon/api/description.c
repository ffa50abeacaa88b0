/* SPDX-License-Identifier: Apache-2.0
 *
 * The OpenAPI description of the API, compiled in.
 */
#include "app.h"
#include "openapi_data.h"

void api_description(app_call *call) {
  http_answer_header(call->answer, "Content-Type", "application/json");
  http_answer_header(call->answer, "Cache-Control", "no-cache");
  mloom_buffer_append(&call->answer->body, openapi_json, sizeof openapi_json - 1);
}
