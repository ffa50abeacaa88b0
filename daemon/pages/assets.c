/* SPDX-License-Identifier: Apache-2.0
 *
 * Style and script, compiled in.
 */
#include "assets_data.h"
#include "pages/page.h"

static void send_asset(app_call *call, const char *type, const char *data, size_t size) {
  http_answer_header(call->answer, "Content-Type", "%s", type);
  http_answer_header(call->answer, "Cache-Control", "no-cache");
  mloom_buffer_append(&call->answer->body, data, size);
}

void asset_style(app_call *call) {
  send_asset(call, "text/css; charset=utf-8", style_css, sizeof style_css - 1);
}

void asset_script(app_call *call) {
  send_asset(call, "text/javascript; charset=utf-8", live_js, sizeof live_js - 1);
}
