/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands plugins and providers.
 */
#include "tool.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"

static void add_json_string(tool_text *out, const char *string) {
  tool_text_add(out, "\"");
  for (const unsigned char *c = (const unsigned char *)string; *c != '\0'; c++) {
    if (*c == '"' || *c == '\\') {
      tool_text_format(out, "\\%c", *c);
    } else if (*c < 0x20) {
      tool_text_format(out, "\\u%04x", *c);
    } else {
      tool_text_append(out, (const char *)c, 1);
    }
  }
  tool_text_add(out, "\"");
}

static void add_json_member(tool_text *out, const char *name, const char *value) {
  tool_text_format(out, ",\"%s\":", name);
  if (value == NULL) {
    tool_text_add(out, "null");
  } else {
    add_json_string(out, value);
  }
}

typedef struct plugin_list {
  tool_text text;
  int color;
  int count;
  int refused;
} plugin_list;

static void add_plugin_json(const mloom_plugin_info *info, void *userdata) {
  plugin_list *list = userdata;
  tool_text_add(&list->text, list->count++ == 0 ? "" : ",");
  tool_text_format(&list->text, "{\"abi\":\"%u.%u\"", info->abi_major, info->abi_minor);
  add_json_member(&list->text, "name", info->name);
  add_json_member(&list->text, "version", info->version);
  add_json_member(&list->text, "description", info->description);
  add_json_member(&list->text, "path", info->path);
  add_json_member(&list->text, "roles", info->roles);
  add_json_member(&list->text, "failure", info->failure);
  add_json_member(&list->text, "remedy", info->failure == NULL ? NULL : info->remedy);
  tool_text_add(&list->text, "}");
}

static void add_detail(tool_text *out, const char *title, const char *value) {
  if (value != NULL && value[0] != '\0') {
    tool_text_format(out, "    %-8s ", title);
    tool_text_add_safe(out, value, strlen(value), 0);
    tool_text_add(out, "\n");
  }
}

static void add_plugin(const mloom_plugin_info *info, void *userdata) {
  plugin_list *list = userdata;
  unsigned state = info->failure == NULL ? MLOOM_CHECK_PASS : MLOOM_CHECK_FAIL;
  list->count++;
  list->refused += info->failure != NULL;
  tool_append_styled(&list->text, list->color, tool_check_style(state), tool_check_mark(state));
  tool_text_add(&list->text, " ");
  tool_append_styled(&list->text, list->color, TOOL_STYLE_BOLD, info->name != NULL ? info->name : "");
  if (info->failure == NULL) {
    tool_text_add(&list->text, " ");
    tool_append_styled(&list->text, 0, TOOL_STYLE_PLAIN, info->version != NULL ? info->version : "");
    tool_text_format(&list->text, ", ABI %u.%u", info->abi_major, info->abi_minor);
  }
  tool_text_add(&list->text, "\n");
  add_detail(&list->text, "refused", info->failure);
  add_detail(&list->text, "try", info->remedy);
  add_detail(&list->text, "offers", info->roles);
  add_detail(&list->text, "file", info->path != NULL && info->path[0] == '\0' ? "built in" : info->path);
}

int tool_plugins(const tool_options *options) {
  int status = TOOL_OK;
  plugin_list list = {{NULL, 0, 0}, options->color_on, 0, 0};
  mloom_context *context = tool_open_context(options, MLOOM_LOG_ERROR, &status);
  if (context == NULL) {
    return status;
  }
  if (options->json) {
    tool_text_add(&list.text, "{\"schema\":\"mergeloom.plugins.v1\",\"plugins\":[");
    mloom_context_each_plugin(context, add_plugin_json, &list);
    tool_text_add(&list.text, "]}\n");
  } else {
    mloom_context_each_plugin(context, add_plugin, &list);
    if (list.count == 0) {
      tool_text_add(&list.text, "no plugin was found; set MERGELOOM_PLUGIN_PATH or give --plugins DIR\n");
    }
  }
  fputs(tool_text_get(&list.text), stdout);
  tool_text_free(&list.text);
  mloom_context_free(context);
  return status;
}

static int is_asked_for(const tool_options *options, const json_value *provider) {
  for (int i = 0; i < options->argument_count; i++) {
    if (strcasecmp(options->arguments[i], json_string(provider, "id", "")) == 0) {
      return 1;
    }
    for (const json_value *alias = json_first(json_get(provider, "aliases")); alias != NULL; alias = alias->next) {
      if (alias->kind == JSON_STRING && strcasecmp(options->arguments[i], alias->text) == 0) {
        return 1;
      }
    }
  }
  return options->argument_count == 0;
}

static void add_value(tool_text *out, const json_value *field) {
  const json_value *value = json_get(field, "value");
  const char *fingerprint = json_string(field, "fingerprint", NULL);
  if (fingerprint != NULL) {
    tool_text_add(out, "set (");
    tool_text_add_safe(out, fingerprint, strlen(fingerprint), 0);
    tool_text_add(out, ")");
  } else if (value != NULL && value->kind == JSON_BOOLEAN) {
    tool_text_add(out, value->truth ? "true" : "false");
  } else if (value != NULL && (value->kind == JSON_STRING || value->kind == JSON_NUMBER)) {
    tool_text_add_safe(out, value->text, value->text_size, 0);
  } else {
    tool_text_add(out, "-");
  }
}

static void add_field(tool_text *out, const json_value *field, int color) {
  const char *name = json_string(field, "name", "");
  const char *origin = json_string(field, "origin_name", json_string(field, "origin", ""));
  tool_text safe = {NULL, 0, 0};
  tool_text_add_safe(&safe, name, strlen(name), 0);
  tool_text_format(out, "    %-24s ", tool_text_get(&safe));
  tool_text_free(&safe);
  add_value(out, field);
  if (origin[0] != '\0' && strcmp(origin, "unset") != 0) {
    tool_text_add(out, "  ");
    tool_text note = {NULL, 0, 0};
    tool_text_format(&note, "from %s%s", origin, json_truth(field, "locked", 0) ? ", locked" : "");
    tool_append_styled(out, color, TOOL_STYLE_DIM, tool_text_get(&note));
    tool_text_free(&note);
  } else {
    const json_value *strongest = json_first(json_get(field, "environment"));
    const char *variable = strongest != NULL && strongest->kind == JSON_STRING ? strongest->text : NULL;
    if (variable != NULL) {
      tool_text_add(out, "  ");
      tool_text note = {NULL, 0, 0};
      tool_text_format(&note, "set it with %s", variable);
      tool_append_styled(out, color, TOOL_STYLE_DIM, tool_text_get(&note));
      tool_text_free(&note);
    }
  }
  tool_text_add(out, "\n");
}

static int is_default(const json_value *field) {
  const char *origin = json_string(field, "origin", "");
  return strcmp(origin, "unset") == 0 || strcmp(origin, "default") == 0 || origin[0] == '\0';
}

static void add_fields(tool_text *out, const json_value *owner, const tool_options *options) {
  for (const json_value *field = json_first(json_get(json_get(owner, "settings"), "fields")); field != NULL;
       field = field->next) {
    int wanted = options->verbose > 0 || !json_truth(field, "advanced", 0) || !is_default(field);
    if (field->kind == JSON_OBJECT && wanted) {
      add_field(out, field, options->color_on);
    }
  }
}

static void add_provider(tool_text *out, const json_value *provider, const tool_options *options) {
  tool_text aliases = {NULL, 0, 0};
  for (const json_value *alias = json_first(json_get(provider, "aliases")); alias != NULL; alias = alias->next) {
    if (alias->kind == JSON_STRING) {
      tool_text_format(&aliases, "%s%s", aliases.size > 0 ? ", " : " (also ", alias->text);
    }
  }
  if (aliases.size > 0) {
    tool_text_add(&aliases, ")");
  }
  tool_append_styled(out, options->color_on, TOOL_STYLE_BOLD, json_string(provider, "id", ""));
  tool_append_styled(out, options->color_on, TOOL_STYLE_DIM, tool_text_get(&aliases));
  tool_text_add(out, json_truth(provider, "enabled", 1) ? "  " : "  disabled  ");
  tool_append_styled(out, 0, TOOL_STYLE_PLAIN, json_string(provider, "title", ""));
  tool_text_add(out, "\n");
  add_fields(out, provider, options);
  tool_text_free(&aliases);
}

static int show_providers(const tool_options *options, const char *document) {
  json_document *json = json_parse(document, strlen(document));
  const json_value *root = json_root(json);
  tool_text text = {NULL, 0, 0};
  int shown = 0;
  for (const json_value *p = json_first(json_get(root, "providers")); p != NULL; p = p->next) {
    if (is_asked_for(options, p)) {
      add_provider(&text, p, options);
      shown++;
    }
  }
  if (shown > 0 && options->verbose > 0 && options->argument_count == 0) {
    tool_append_styled(&text, options->color_on, TOOL_STYLE_BOLD, "worker");
    tool_text_add(&text, "\n");
    add_fields(&text, json_get(root, "worker"), options);
  }
  fputs(tool_text_get(&text), stdout);
  tool_text_free(&text);
  json_free(json);
  if (shown == 0 && options->argument_count > 0) {
    tool_complain("mergeloom providers lists those that are", "no provider \"%s\" is loaded", options->arguments[0]);
    return TOOL_USAGE;
  }
  if (shown == 0) {
    puts("no provider is loaded; mergeloom plugins says why");
  }
  return TOOL_OK;
}

int tool_providers(const tool_options *options) {
  int status = TOOL_OK;
  /* The first --verbose is for the settings. */
  mloom_context *context =
      tool_open_context(options, options->verbose > 0 ? MLOOM_LOG_ERROR : MLOOM_LOG_WARNING, &status);
  if (context == NULL) {
    return status;
  }
  char *document = NULL;
  mloom_error error = MLOOM_ERROR_INIT;
  if (mloom_context_describe_providers(context, &document, &error) != MLOOM_OK) {
    status = tool_complain_error(&error);
  } else if (options->json) {
    puts(document);
  } else {
    status = show_providers(options, document);
  }
  mloom_string_free(document);
  mloom_context_free(context);
  return status;
}
