/* SPDX-License-Identifier: Apache-2.0
 *
 * A resolution in words and as JSON.
 */
#include "resolver/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define INDENT 10
#define WIDTH 76 /* fits a terminal of 80 columns, indented too */

/* ---- Words ---- */

static const char *layer_title(const char *layer, uint32_t ladder) {
  static const struct {
    const char *layer;
    const char *title[2];
  } titles[] = {
      {"directive", {"ticket directive", "ticket directive"}},
      {"label", {"ticket label", "ticket label"}},
      {"repository", {"repository workflow", "repository workflow"}},
      {"workspace", {"workspace default", "workspace default"}},
      {"worker", {"worker default", "stored default of the provider"}},
  };
  for (size_t i = 0; i < sizeof titles / sizeof titles[0]; i++) {
    if (strcmp(titles[i].layer, layer) == 0) {
      return titles[i].title[ladder];
    }
  }
  return layer;
}

static int32_t say_reason(mloom_buffer *out, const mloom_resolution *resolution, const mloom_candidate *candidate) {
  (void)resolution;
  switch (candidate->outcome) {
  case MLOOM_CANDIDATE_CHOSEN:
    return mloom_buffer_append_string(out, "chosen");
  case MLOOM_CANDIDATE_WEAKER:
    return mloom_buffer_append_format(out, "the %s decides", layer_title(candidate->by, candidate->ladder));
  case MLOOM_CANDIDATE_OTHER_PROVIDER:
    return mloom_buffer_append_format(out, "that layer names it for %s", mloom_resolution_quote(candidate->by).text);
  case MLOOM_CANDIDATE_UNKNOWN:
    return mloom_buffer_append_string(out, "no such provider is loaded");
  case MLOOM_CANDIDATE_DENIED:
    return mloom_buffer_append_format(out, "the %s's policy does not allow it", candidate->by);
  case MLOOM_CANDIDATE_VETOED:
    return mloom_buffer_append_format(out, "vetoed by %s", candidate->by);
  case MLOOM_CANDIDATE_LABELS_OFF:
    return mloom_buffer_append_format(out, "the %s's policy ignores model labels", candidate->by);
  case MLOOM_CANDIDATE_CONFLICT:
    return mloom_buffer_append_string(out, "two labels name different models");
  default:
    return mloom_buffer_append_string(out, "no provider is chosen");
  }
}

static const char *outcome_name(uint32_t outcome) {
  switch (outcome) {
  case MLOOM_CANDIDATE_CHOSEN:
    return "chosen";
  case MLOOM_CANDIDATE_UNKNOWN:
  case MLOOM_CANDIDATE_DENIED:
  case MLOOM_CANDIDATE_VETOED:
  case MLOOM_CANDIDATE_CONFLICT:
    return "refused";
  default:
    return "lost";
  }
}

static int32_t say_origin(mloom_buffer *out, const mloom_resolution *resolution, const mloom_candidate *candidate) {
  if (candidate->line > 0) {
    return mloom_buffer_append_string(out, mloom_resolution_place(resolution, candidate->line, candidate->column).text);
  }
  const char *origin = candidate->origin == NULL ? "" : candidate->origin;
  return mloom_text_append_printable(out, origin, strlen(origin), 0);
}

/* ---- Text ---- */

static size_t width_of(const char *text, size_t size) {
  size_t width = 0;
  for (size_t i = 0; i < size; i++) {
    width += ((unsigned char)text[i] & 0xc0) != 0x80;
  }
  return width;
}

/* One paragraph in the right column, broken between words. label is the left column of its first line. */
static int32_t append_paragraph(mloom_buffer *out, const char *label, const char *text) {
  int32_t code = mloom_buffer_append_format(out, "%-*s", INDENT, label);
  size_t column = INDENT;
  while (code == MLOOM_OK && *text != '\0') {
    size_t size = strcspn(text, " ");
    size_t width = width_of(text, size);
    if (column > INDENT && column + 1 + width > WIDTH) {
      code = mloom_buffer_append_format(out, "\n%*s", INDENT, "");
      column = INDENT;
    } else if (column > INDENT) {
      code = mloom_buffer_append_char(out, ' ');
      column++;
    }
    code = code != MLOOM_OK ? code : mloom_buffer_append(out, text, size);
    column += width;
    text += size;
    text += strspn(text, " ");
  }
  return code != MLOOM_OK ? code : mloom_buffer_append_char(out, '\n');
}

static int32_t explain_choice(mloom_buffer *out, const mloom_resolution *resolution, uint32_t ladder) {
  const char *label = ladder == MLOOM_LADDER_PROVIDER ? "provider" : "model";
  const mloom_candidate *candidate = resolution->chosen[ladder];
  if (candidate == NULL) {
    int unnamed = ladder == MLOOM_LADDER_MODEL && !resolution->blocked;
    return append_paragraph(out, label, unnamed ? "none: no layer names one" : "none");
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
  int32_t code = mloom_text_append_printable(&line, candidate->value, strlen(candidate->value), 0);
  code = code != MLOOM_OK ? code : append_paragraph(out, label, mloom_buffer_string(&line));
  mloom_buffer_clear(&line);
  code = code != MLOOM_OK ? code
                          : mloom_buffer_append_format(&line, "from the %s, ", layer_title(candidate->layer, ladder));
  code = code != MLOOM_OK ? code : say_origin(&line, resolution, candidate);
  if (code == MLOOM_OK && strcmp(candidate->written, candidate->value) != 0) {
    code = mloom_buffer_append_format(&line, ", written %s", mloom_resolution_quote(candidate->written).text);
  }
  return code != MLOOM_OK ? code : append_paragraph(out, "", mloom_buffer_string(&line));
}

static int32_t explain_losers(mloom_buffer *out, const mloom_resolution *resolution) {
  const char *label = "not used";
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < resolution->candidate_count; i++) {
    const mloom_candidate *candidate = &resolution->candidates[i];
    if (candidate->outcome == MLOOM_CANDIDATE_CHOSEN) {
      continue;
    }
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    code = mloom_buffer_append_format(
        &line, "%s %s from the %s: ", candidate->ladder == MLOOM_LADDER_PROVIDER ? "provider" : "model",
        mloom_resolution_quote(candidate->value).text, layer_title(candidate->layer, candidate->ladder));
    code = code != MLOOM_OK ? code : say_reason(&line, resolution, candidate);
    code = code != MLOOM_OK ? code : append_paragraph(out, label, mloom_buffer_string(&line));
    label = "";
  }
  return code;
}

static int32_t explain_notes(mloom_buffer *out, const mloom_resolution *resolution, uint32_t blocks) {
  const char *label = blocks ? "blocked" : "warning";
  int32_t code = MLOOM_OK;
  for (size_t i = 0; code == MLOOM_OK && i < mloom_resolution_note_count(resolution); i++) {
    const mloom_directive_note *note = mloom_resolution_note_at(resolution, i);
    if (note->blocks != blocks) {
      continue;
    }
    MLOOM_AUTO(mloom_buffer_free) mloom_buffer line = MLOOM_BUFFER_INIT;
    if (note->line > 0) {
      code =
          mloom_buffer_append_format(&line, "%s: ", mloom_resolution_place(resolution, note->line, note->column).text);
    }
    code = code != MLOOM_OK ? code : mloom_text_append_printable(&line, note->message, strlen(note->message), 0);
    code = code != MLOOM_OK ? code : append_paragraph(out, label, mloom_buffer_string(&line));
    mloom_buffer_clear(&line);
    code = code != MLOOM_OK ? code : mloom_buffer_append_string(&line, "-> ");
    code = code != MLOOM_OK ? code : mloom_text_append_printable(&line, note->remedy, strlen(note->remedy), 0);
    code = code != MLOOM_OK ? code : append_paragraph(out, "", mloom_buffer_string(&line));
  }
  return code;
}

int32_t mloom_resolution_explain(mloom_buffer *out, const mloom_resolution *resolution) {
  int32_t code = explain_choice(out, resolution, MLOOM_LADDER_PROVIDER);
  code = code != MLOOM_OK ? code : explain_choice(out, resolution, MLOOM_LADDER_MODEL);
  code = code != MLOOM_OK ? code : explain_losers(out, resolution);
  code = code != MLOOM_OK ? code : explain_notes(out, resolution, 0);
  return code != MLOOM_OK ? code : explain_notes(out, resolution, 1);
}

/* ---- JSON ---- */

typedef int32_t (*say_fn)(mloom_buffer *out, const mloom_resolution *resolution, const mloom_candidate *candidate);

static mloom_json *text_of(say_fn say, const mloom_resolution *resolution, const mloom_candidate *candidate) {
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  return say(&text, resolution, candidate) == MLOOM_OK ? mloom_json_new_string(mloom_buffer_string(&text), text.size)
                                                       : NULL;
}

static mloom_json *candidate_tree(const mloom_resolution *resolution, const mloom_candidate *candidate) {
  mloom_json *tree = mloom_json_new_object();
  mloom_json_set_string(tree, "value", candidate->value);
  mloom_json_set_string(tree, "written", candidate->written);
  mloom_json_set_string(tree, "layer", candidate->layer);
  mloom_json_set(tree, "origin", text_of(say_origin, resolution, candidate));
  mloom_json_set_string(tree, "outcome", outcome_name(candidate->outcome));
  mloom_json_set(tree, "reason", text_of(say_reason, resolution, candidate));
  return tree;
}

static mloom_json *ladder_tree(const mloom_resolution *resolution, uint32_t ladder) {
  mloom_json *tree = mloom_json_new_object();
  mloom_json *candidates = mloom_json_new_array();
  const mloom_candidate *chosen = resolution->blocked ? NULL : resolution->chosen[ladder];
  for (size_t i = 0; i < resolution->candidate_count; i++) {
    if (resolution->candidates[i].ladder == ladder) {
      mloom_json_add(candidates, candidate_tree(resolution, &resolution->candidates[i]));
    }
  }
  mloom_json_set_string(tree, "value", chosen == NULL ? NULL : chosen->value);
  mloom_json_set_string(tree, "layer", chosen == NULL ? NULL : chosen->layer);
  if (chosen == NULL) {
    mloom_json_set_string(tree, "origin", NULL);
  } else {
    mloom_json_set(tree, "origin", text_of(say_origin, resolution, chosen));
  }
  mloom_json_set(tree, "candidates", candidates);
  return tree;
}

static mloom_json *directives_tree(const mloom_directives *directives) {
  static const char *const lists[] = {"work_repos", "context_repos", "context_files", "context_folders"};
  static const char *const values[] = {"provider", "model", "inline_context"};
  mloom_json *tree = mloom_json_new_object();
  for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
    const char *value = mloom_directives_value(directives, values[i], NULL, NULL);
    if (value != NULL) {
      mloom_json_set_string(tree, values[i], value);
    }
  }
  for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
    size_t count = mloom_directives_list_count(directives, lists[i]);
    mloom_json *list = count == 0 ? NULL : mloom_json_new_array();
    for (size_t j = 0; j < count; j++) {
      const char *element = mloom_directives_list_at(directives, lists[i], j);
      mloom_json_add(list, mloom_json_new_string(element, strlen(element)));
    }
    if (count > 0) {
      mloom_json_set(tree, lists[i], list);
    }
  }
  return tree;
}

static mloom_json *notes_tree(const mloom_resolution *resolution, uint32_t blocks) {
  mloom_json *tree = mloom_json_new_array();
  for (size_t i = 0; i < mloom_resolution_note_count(resolution); i++) {
    const mloom_directive_note *note = mloom_resolution_note_at(resolution, i);
    if (note->blocks == blocks) {
      mloom_json *item = mloom_json_new_object();
      mloom_json_set_string(item, "message", note->message);
      mloom_json_set_string(item, "remedy", note->remedy);
      if (note->line == 0) {
        mloom_json_set_string(item, "line", NULL);
        mloom_json_set_string(item, "column", NULL);
      } else {
        mloom_json_set_integer(item, "line", mloom_resolution_line(resolution, note->line));
        mloom_json_set_integer(item, "column", note->column);
      }
      mloom_json_add(tree, item);
    }
  }
  return tree;
}

mloom_json *mloom_resolution_build_tree(const mloom_resolution *resolution) {
  mloom_json *tree = mloom_json_new_object();
  mloom_json_set_string(tree, "schema", "mergeloom.resolution.v1");
  mloom_json_set_boolean(tree, "blocked", resolution->blocked != 0);
  mloom_json_set(tree, "provider", ladder_tree(resolution, MLOOM_LADDER_PROVIDER));
  mloom_json_set(tree, "model", ladder_tree(resolution, MLOOM_LADDER_MODEL));
  mloom_json_set(tree, "directives", directives_tree(resolution->directives));
  mloom_json_set(tree, "warnings", notes_tree(resolution, 0));
  mloom_json_set(tree, "blockers", notes_tree(resolution, 1));
  return tree;
}
