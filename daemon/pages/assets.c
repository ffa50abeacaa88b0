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

/* A mark of three strands that become one. */
void asset_icon(app_call *call) {
  static const char icon[] =
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 32 32\"><rect width=\"32\" height=\"32\" rx=\"7\" "
      "fill=\"#2b5cc4\"/><path d=\"M7 8c9 0 9 8 18 8M7 16h18M7 24c9 0 9-8 18-8\" fill=\"none\" stroke=\"#fff\" "
      "stroke-width=\"3\" stroke-linecap=\"round\"/></svg>";
  send_asset(call, "image/svg+xml", icon, sizeof icon - 1);
}
