/* SPDX-License-Identifier: Apache-2.0 */
#include "pages/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static const struct {
  const char *path, *title;
} sections[] = {
    {"/", "Overview"}, {"/providers", "Providers"}, {"/runs", "Runs"}, {"/audit", "Audit"}, {"/health", "Health"}};

void page_headers(app_call *call, unsigned status) {
  call->answer->status = status;
  http_answer_header(call->answer, "Content-Type", "text/html; charset=utf-8");
  http_answer_header(call->answer, "Cache-Control", "no-store");
}

void page_begin(app_call *call, const char *title, const char *current) {
  mloom_buffer *out = &call->answer->body;
  page_headers(call, 200);
  /* Whoever may not look is not told the name either. */
  const char *name = call->session->csrf[0] == '\0' ? "" : call->app->deployment.name;
  html_add(
      out,
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\"><title>%s · MergeLoom</title>"
      "<link rel=\"stylesheet\" href=\"/assets/style.css\">"
      "<script src=\"/assets/live.js\" defer></script></head><body>"
      "<a class=\"skip\" href=\"#main\">Skip to content</a>"
      "<header class=\"top\"><a class=\"brand\" href=\"/\">MergeLoom <span>%s</span></a><nav aria-label=\"Pages\"><ul>",
      title, name);
  for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
    int is_current = strcmp(sections[i].path, current) == 0;
    html_add(out, "<li><a href=\"%s\"", sections[i].path);
    html_add(out, is_current ? " aria-current=\"page\">" : ">");
    html_add(out, "%s</a></li>", sections[i].title);
  }
  html_add(out,
           "</ul></nav></header><main id=\"main\" tabindex=\"-1\"><p class=\"problem\" id=\"away\" role=\"status\" "
           "hidden>The daemon does not answer. This page shows what was, and goes on when it is back.</p><h1>%s</h1>",
           title);
}

void page_end(app_call *call) {
  html_add(&call->answer->body,
           "</main><footer>libmergeloom %s · keys and repositories stay on this machine</footer></body></html>\n",
           mloom_version());
}

void page_csrf(app_call *call) {
  html_add(&call->answer->body, "<input type=\"hidden\" name=\"csrf\" value=\"%s\">", call->session->csrf);
}

void page_age_ms(mloom_buffer *out, int64_t wall_ms) {
  if (wall_ms == 0) {
    return;
  }
  char instant[32];
  mloom_clock_format(wall_ms, instant);
  int64_t age = (mloom_clock_system()->wall_ms(mloom_clock_system()) - wall_ms) / 1000;
  html_add(out, "<time datetime=\"%s\" title=\"%s\">", instant, instant);
  if (age < 5) {
    html_add(out, "just now");
  } else if (age < 90) {
    html_add(out, "%n s ago", age);
  } else if (age < 5400) {
    html_add(out, "%n min ago", age / 60);
  } else if (age < 129600) {
    html_add(out, "%n h ago", age / 3600);
  } else {
    html_add(out, "%n days ago", age / 86400);
  }
  html_add(out, "</time>");
}

void page_age(mloom_buffer *out, const char *instant) {
  struct tm broken = {0};
  int milliseconds = 0;
  if (sscanf(instant, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &broken.tm_year, &broken.tm_mon, &broken.tm_mday, &broken.tm_hour,
             &broken.tm_min, &broken.tm_sec, &milliseconds) < 6) {
    return;
  }
  broken.tm_year -= 1900;
  broken.tm_mon -= 1;
  page_age_ms(out, (int64_t)timegm(&broken) * 1000 + milliseconds);
}

void page_time(mloom_buffer *out, const char *instant) {
  if (strlen(instant) > 16) {
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer clock = MLOOM_BUFFER_INIT;
    mloom_buffer_append(&clock, instant + 11, 5);
    html_add(out, "<time datetime=\"%s\" title=\"%s\">%s UTC</time>", instant, instant, mloom_buffer_string(&clock));
  }
}

void page_duration(mloom_buffer *out, int64_t ms) {
  if (ms < 1000) {
    html_add(out, "%n ms", ms);
  } else if (ms < 60000) {
    html_add(out, "%n.%n s", ms / 1000, ms % 1000 / 100);
  } else {
    html_add(out, "%n min %n s", ms / 60000, ms % 60000 / 1000);
  }
}

void page_badge(mloom_buffer *out, const char *state) {
  static const struct {
    const char *state, *style;
  } styles[] = {{"ready", "good"},   {"pass", "good"},    {"completed", "good"}, {"authenticated", "fair"},
                {"warn", "fair"},    {"blocked", "fair"}, {"not ready", "bad"},  {"not-ready", "bad"},
                {"fail", "bad"},     {"failed", "bad"},   {"left alone", "bad"}, {"checking", "busy"},
                {"running", "busy"}, {"pending", "busy"}};
  const char *style = "quiet";
  for (size_t i = 0; i < sizeof styles / sizeof styles[0]; i++) {
    style = strcmp(styles[i].state, state) == 0 ? styles[i].style : style;
  }
  html_add(out, "<span class=\"badge %s\">%s</span>", style, state);
}

const char *page_provider_state(const mloom_json *provider) {
  int is_left_alone = mloom_json_member_boolean(provider, "quarantined", 0) &&
                      mloom_json_member_boolean(provider, "enabled", 1) &&
                      !mloom_json_member_boolean(provider, "checking", 0);
  return is_left_alone ? "left alone" : mloom_json_member_string(provider, "state", "not checked");
}

void page_event(mloom_buffer *out, const mloom_json *event) {
  const char *kind = mloom_json_member_string(event, "event", "");
  const char *name = mloom_json_member_string(event, "name", "");
  const char *text = mloom_json_member_string(event, "text", "");
  const char *state = mloom_json_member_string(event, "state", "");
  if (strcmp(kind, "turn_begin") == 0) {
    html_add(out, "<strong class=\"turn\">Turn %n</strong>", mloom_json_member_integer(event, "turn", 0));
  } else if (strcmp(kind, "turn_end") == 0) {
    html_add(out, "<span class=\"meta\">%n tokens in, %n out so far</span>",
             mloom_json_member_integer(event, "input_tokens", 0), mloom_json_member_integer(event, "output_tokens", 0));
  } else if (strcmp(kind, "tool_begin") == 0) {
    html_add(out, "<code>%s</code> %s", name, text);
  } else if (strcmp(kind, "state") == 0) {
    /* What was then, and moves no more. */
    if (strcmp(name, "pending") == 0 || strcmp(name, "running") == 0) {
      html_add(out, "<span class=\"badge quiet\">%s</span>", name);
    } else {
      page_badge(out, name);
    }
  } else {
    if (state[0] != '\0') {
      page_badge(out, state);
    }
    html_add(out, " <strong>%s</strong> %s", name[0] != '\0' ? name : kind, text);
  }
}

static void draw_sign_in(mloom_buffer *out) {
  html_add(out,
           "<form class=\"card narrow\" method=\"post\" action=\"/sign-in\"><label for=\"token\">Access token</label>"
           "<input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required>"
           "<p class=\"help\">The value of JCA_WORKER_ACCESS_TOKEN of this daemon.</p>"
           "<div class=\"actions\"><button class=\"primary\">Sign in</button></div></form>");
}

void page_error(app_call *call, const mloom_error *error, unsigned status) {
  mloom_buffer *out = &call->answer->body;
  mloom_buffer_clear(out);
  mloom_buffer_clear(&call->answer->headers);
  page_begin(call, status == 401 ? "Sign in" : status == 404 ? "Not found" : "That did not work", "");
  call->answer->status = status;
  if (status == 401) {
    html_add(out, "<p class=\"sentence\" role=\"alert\">%s.</p>", error->message);
    draw_sign_in(out);
    page_end(call);
    return;
  }
  html_add(out, status == 404 ? "<section class=\"card sentences\">" : "<section class=\"card\">");
  html_add(out, "<p class=\"lead\">%s</p><p>%s</p><p class=\"actions\">", error->message, error->remedy);
  if (strncmp(http_path(call->request), "/providers/", 11) == 0 && call->name[0] != '\0') {
    html_add(out, "<a class=\"button\" href=\"/providers#%s\">Back to the card</a></p></section>", call->name);
  } else if (strncmp(http_path(call->request), "/runs", 5) == 0 ||
             strncmp(http_path(call->request), "/live/", 6) == 0) {
    html_add(out, "<a class=\"button\" href=\"/runs\">Back to the runs</a></p></section>");
  } else {
    html_add(out, "<a class=\"button\" href=\"/\">Overview</a></p></section>");
  }
  page_end(call);
}

void page_sign_in(app_call *call) {
  page_begin(call, "Sign in", "");
  draw_sign_in(&call->answer->body);
  page_end(call);
}

void form_sign_in(app_call *call) {
  const char *token = http_form(call->request, "token");
  if (token != NULL && guard_sign_in(call->app->guard, token, call->answer)) {
    app_redirect(call, "/");
    return;
  }
  mloom_error error = {.size = sizeof error,
                       .code = MLOOM_E_UNAUTHENTICATED,
                       .message = "the access token is wrong",
                       .remedy = "use the value of JCA_WORKER_ACCESS_TOKEN"};
  app_fail(call, &error);
}
