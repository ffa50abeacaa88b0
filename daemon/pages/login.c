/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of a card where a person logs in to a provider that is a program.
 */
#include <string.h>

#include "base/text.h"
#include "pages/page.h"

static int has_kind(const mloom_json *provider, const char *kind) {
  const mloom_json *kinds = mloom_json_member(provider, "logins");
  for (size_t i = 0; i < mloom_json_count(kinds); i++) {
    if (mloom_text_equal(mloom_json_text(mloom_json_at(kinds, i)), kind)) {
      return 1;
    }
  }
  return 0;
}

static void begin_form(app_call *call, const char *id, const char *action, const char *style) {
  mloom_buffer *out = &call->answer->body;
  html_add(out, "<form method=\"post\" action=\"/providers/%s/%s\" class=\"%s\" autocomplete=\"off\">", id, action,
           style);
  page_csrf(call);
}

/* ---- One that runs ---- */

static void draw_steps(mloom_buffer *out, const mloom_json *login) {
  const char *url = mloom_json_member_string(login, "url", "");
  const char *code = mloom_json_member_string(login, "code", "");
  if (url[0] == '\0') {
    html_add(out, "<p class=\"lead\">Waiting for the program to say where to log in…</p>");
    return;
  }
  html_add(out,
           "<ol class=\"steps\"><li><span class=\"step\">Open this page in any browser</span><a class=\"address\" "
           "href=\"%s\" target=\"_blank\" rel=\"noopener noreferrer\">%s</a></li>",
           url, url);
  if (code[0] != '\0') {
    html_add(out, "<li><span class=\"step\">Enter this code there</span><code class=\"code\">%s</code></li>", code);
  }
  html_add(out, "<li><span class=\"step\">Come back here</span>%s</li></ol>",
           code[0] != '\0' ? "This card goes on by itself as soon as you are in."
                           : "If the page ends with a code, enter it below; else this card goes on by itself.");
}

/* When a program only talks of a code, nobody needs the field: it is folded then. */
static void draw_input(app_call *call, const char *id, const mloom_json *login) {
  mloom_buffer *out = &call->answer->body;
  const char *code = mloom_json_member_string(login, "code", "");
  int wanted = code[0] == '\0' || mloom_json_member_boolean(login, "asks", 0);
  html_add(out, wanted ? "<details open><summary>Answer the program</summary>"
                       : "<details><summary>Answer the program</summary>");
  begin_form(call, id, "login/input", "inline-form");
  html_add(out,
           "<label for=\"%s.login-text\">Code or answer</label><input id=\"%s.login-text\" name=\"text\" required "
           "maxlength=\"4096\" spellcheck=\"false\" autocapitalize=\"none\"><button>Send</button></form></details>",
           id, id);
}

static void draw_running(app_call *call, const char *id, const mloom_json *login) {
  mloom_buffer *out = &call->answer->body;
  const char *text = mloom_json_member_string(login, "text", "");
  draw_steps(out, login);
  if (text[0] != '\0') {
    html_add(out, "<p class=\"meta\">The program says: <span class=\"mono\">%s</span></p>", text);
  }
  if (mloom_json_member_boolean(login, "listens", 0)) {
    draw_input(call, id, login);
  }
  html_add(out, "<div class=\"actions\">");
  begin_form(call, id, "login/cancel", "");
  html_add(out, "<button>Cancel</button></form><a class=\"button unscripted\" href=\"/providers#%s\">Look again</a>",
           id);
  html_add(out, "<span class=\"meta\">started ");
  page_age(out, mloom_json_member_string(login, "started_at", ""));
  html_add(out, ", open until ");
  page_time(out, mloom_json_member_string(login, "ends_at", ""));
  html_add(out, "</span></div>");
}

/* ---- None runs ---- */

static void draw_last(mloom_buffer *out, const mloom_json *login) {
  const char *state = mloom_json_member_string(login, "state", "");
  const char *remedy = mloom_json_member_string(login, "remedy", "");
  const char *reason = mloom_json_member_string(login, "reason", "");
  html_add(out, "<p>");
  page_badge(out, state);
  html_add(out, " %s ", reason);
  page_age(out, mloom_json_member_string(login, "ended_at", ""));
  html_add(out, "</p>");
  if (remedy[0] != '\0') {
    html_add(out, "<p class=\"remedy\"><strong>What to do:</strong> %s</p>", remedy);
  }
}

static void draw_other_ways(app_call *call, const char *id, const mloom_json *provider) {
  mloom_buffer *out = &call->answer->body;
  int has_key = has_kind(provider, "api-key"), has_out = has_kind(provider, "out");
  int has_browser = has_kind(provider, "browser") && has_kind(provider, "device");
  if (!has_key && !has_out && !has_browser) {
    return;
  }
  html_add(out, "<details><summary>Other ways</summary>");
  if (has_key) {
    begin_form(call, id, "login", "inline-form");
    html_add(out,
             "<input type=\"hidden\" name=\"kind\" value=\"api-key\"><label for=\"%s.login-key\">API key, kept by the "
             "program</label><input id=\"%s.login-key\" name=\"api_key\" type=\"password\" required maxlength=\"4096\" "
             "autocomplete=\"new-password\"><button>Log in with it</button></form>",
             id, id);
  }
  html_add(out, "<div class=\"actions\">");
  if (has_browser) {
    begin_form(call, id, "login", "");
    html_add(out, "<input type=\"hidden\" name=\"kind\" value=\"browser\"><button>Log in through a browser on this "
                  "machine</button></form>");
  }
  if (has_out) {
    begin_form(call, id, "login", "");
    html_add(out, "<input type=\"hidden\" name=\"kind\" value=\"out\"><button>Log out</button></form>");
  }
  html_add(out, "</div></details>");
}

void page_login(app_call *call, const mloom_json *provider) {
  mloom_buffer *out = &call->answer->body;
  const char *id = mloom_json_member_string(provider, "id", "");
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *login = logins_read(call->app->logins, id);
  int running = strcmp(mloom_json_member_string(login, "state", ""), "running") == 0;
  int writable = call->app->deployment.provider_mode == DEPLOYMENT_MODE_UI;
  if (mloom_json_count(mloom_json_member(provider, "logins")) == 0) {
    return;
  }
  html_add(out,
           running ? "<div class=\"panel busy-panel\" data-live=\"%s-login\"><h3>Log in</h3>"
                   : "<div class=\"panel\" data-live=\"%s-login\"><h3>Login</h3>",
           id);
  if (!writable) {
    html_add(out, "<p class=\"help\">%s</p></div>",
             call->app->deployment.provider_mode == DEPLOYMENT_MODE_GATEWAY
                 ? "Logins are made on the gateway."
                 : "Provisioned by the deployment: mount the folder of a login, or set a key there.");
    return;
  }
  if (running) {
    draw_running(call, id, login);
    html_add(out, "</div>");
    return;
  }
  if (login != NULL) {
    draw_last(out, login);
  }
  html_add(out, "<div class=\"actions\">");
  begin_form(call, id, "login", "");
  html_add(out, "<button class=\"primary\">Authenticate in browser</button></form>");
  begin_form(call, id, "check", "");
  html_add(out, "<button>Check login status</button></form></div>");
  draw_other_ways(call, id, provider);
  html_add(out, "</div>");
}

/* ---- Forms ---- */

static void finish(app_call *call, int32_t code, const mloom_error *error) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer path = MLOOM_BUFFER_INIT;
  if (code != MLOOM_OK) {
    app_fail(call, error);
    return;
  }
  mloom_buffer_append_format(&path, "/providers#%s", call->name);
  app_redirect(call, mloom_buffer_string(&path));
}

static const char *entered(const app_call *call, const char *name) {
  const char *text = http_form(call->request, name);
  return text == NULL ? "" : text;
}

void form_login_start(app_call *call) {
  mloom_error error = {.size = sizeof error};
  const login_wish wish = {.kind = entered(call, "kind"), .api_key = entered(call, "api_key")};
  int32_t code = login_start(call, &wish, &error);
  finish(call, code, &error);
}

void form_login_input(app_call *call) {
  mloom_error error = {.size = sizeof error};
  int32_t code = logins_type(call->app->logins, call->name, entered(call, "text"), &error);
  finish(call, code, &error);
}

void form_login_cancel(app_call *call) {
  mloom_error error = {.size = sizeof error};
  int32_t code = logins_cancel(call->app->logins, call->name, &error);
  finish(call, code, &error);
}
