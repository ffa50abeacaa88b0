/* SPDX-License-Identifier: Apache-2.0
 *
 * Tickets as people keep them: a JSON object, or text whose first line is the title.
 */
#include <mergeloom/resolution.h>

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "resolver/scan.h"
#include "settings/nearest.h"

#define TICKET_LIMIT ((size_t)2 * 1024 * 1024)
#define TITLE_LIMIT 1000
#define LABEL_LIMIT 255
#define LABELS_LIMIT 200

static int32_t invalid(mloom_error *error, const char *remedy, const char *what) {
  return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_RESOLVER, remedy, "the ticket: %s", what);
}

static int32_t add_label(mloom_json *labels, mloom_bytes label, mloom_error *error) {
  if (label.size == 0) {
    return MLOOM_OK;
  }
  if (label.size > LABEL_LIMIT || mloom_json_count(labels) >= LABELS_LIMIT) {
    return invalid(error, "remove some", "it has more than 200 labels, or one longer than 255 bytes");
  }
  return mloom_json_add(labels, mloom_json_new_string(label.data, label.size)) == MLOOM_OK ? MLOOM_OK
                                                                                           : mloom_error_memory(error);
}

/* ---- Text ---- */

static mloom_bytes take_line(mloom_bytes *rest) {
  size_t next = 0, end = mloom_scan_line_end(*rest, 0, &next);
  mloom_bytes line = {rest->data, end};
  rest->data += next;
  rest->size -= next;
  return mloom_scan_trim(line);
}

static mloom_bytes strip_heading(mloom_bytes line) {
  size_t marks = 0;
  while (marks < line.size && line.data[marks] == '#') {
    marks++;
  }
  return mloom_scan_trim((mloom_bytes){line.data + marks, line.size - marks});
}

/* The value of a line "Name: value"; {NULL, 0} for any other line. */
static mloom_bytes header_value(mloom_bytes line, const char *name) {
  size_t size = strlen(name);
  if (line.size <= size || line.data[size] != ':' || !mloom_text_equal_fold((mloom_bytes){line.data, size}, name)) {
    return (mloom_bytes){NULL, 0};
  }
  return mloom_scan_trim((mloom_bytes){line.data + size + 1, line.size - size - 1});
}

static int32_t add_labels(mloom_json *labels, mloom_bytes list, mloom_error *error) {
  for (size_t position = 0; position < list.size;) {
    const char *comma = memchr(list.data + position, ',', list.size - position);
    size_t end = comma == NULL ? list.size : (size_t)(comma - list.data);
    int32_t code = add_label(labels, mloom_scan_trim((mloom_bytes){list.data + position, end - position}), error);
    if (code != MLOOM_OK) {
      return code;
    }
    position = end + 1;
  }
  return MLOOM_OK;
}

/* Lines "Labels: a, b" and "Key: X-1" right under the title, or after one empty line. */
static int32_t read_headers(mloom_json *ticket, mloom_json *labels, mloom_bytes *rest, mloom_error *error) {
  mloom_bytes ahead = *rest;
  int first = 1;
  while (ahead.size > 0) {
    mloom_bytes line = take_line(&ahead);
    mloom_bytes named = header_value(line, "labels");
    mloom_bytes key = header_value(line, "key");
    int32_t code = MLOOM_OK;
    if (named.data != NULL) {
      code = add_labels(labels, named, error);
    } else if (key.data != NULL) {
      code = mloom_json_set(ticket, "key", mloom_json_new_string(key.data, key.size)) == MLOOM_OK
                 ? MLOOM_OK
                 : mloom_error_memory(error);
    } else if (!first || line.size > 0) {
      break;
    }
    if (code != MLOOM_OK) {
      return code;
    }
    first = 0;
    if (line.size > 0) {
      *rest = ahead;
    }
  }
  return MLOOM_OK;
}

static int32_t read_text(mloom_json *ticket, mloom_bytes whole, mloom_error *error) {
  mloom_bytes text = whole;
  mloom_bytes title = {NULL, 0};
  while (title.size == 0 && text.size > 0) {
    title = strip_heading(take_line(&text));
  }
  if (title.size == 0) {
    return invalid(error, "write its title into the first line", "it is empty");
  }
  if (title.size > TITLE_LIMIT) {
    return invalid(error, "write a short title into the first line, and the description below it",
                   "its first line, the title, is longer than 1000 bytes");
  }
  mloom_json *labels = mloom_json_new_array();
  mloom_json_set(ticket, "title", mloom_json_new_string(title.data, title.size));
  int32_t code = read_headers(ticket, labels, &text, error);
  /* So that what is wrong in the description can be found in the file it came from. */
  mloom_scan_place place;
  mloom_scan_place_init(&place, whole);
  mloom_scan_place_move(&place, (size_t)(text.data - whole.data));
  mloom_json_set(ticket, "description", mloom_json_new_string(text.data, text.size));
  mloom_json_set_integer(ticket, "description_line", place.line);
  mloom_json_set(ticket, "labels", labels);
  return code;
}

/* ---- JSON ---- */

static int32_t copy_string(mloom_json *ticket, const mloom_json *document, const char *name, mloom_error *error) {
  const mloom_json *value = mloom_json_member(document, name);
  mloom_bytes text = mloom_json_text(value);
  if (mloom_json_kind(value) == MLOOM_JSON_NULL) {
    return MLOOM_OK;
  }
  if (text.data == NULL) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_RESOLVER, "write it in quotes",
                           "the ticket: member %s must be a string", name);
  }
  return mloom_json_set(ticket, name, mloom_json_new_string(text.data, text.size)) == MLOOM_OK
             ? MLOOM_OK
             : mloom_error_memory(error);
}

static int32_t copy_labels(mloom_json *ticket, const mloom_json *document, mloom_error *error) {
  const mloom_json *list = mloom_json_member(document, "labels");
  int kind = mloom_json_kind(list);
  if (kind != MLOOM_JSON_ARRAY && kind != MLOOM_JSON_NULL) {
    return invalid(error, "write [\"one\", \"two\"]", "member labels must be a list of strings");
  }
  mloom_json *labels = mloom_json_new_array();
  for (size_t i = 0; i < mloom_json_count(list); i++) {
    mloom_bytes label = mloom_json_text(mloom_json_at(list, i));
    int32_t code = label.data == NULL
                       ? invalid(error, "write [\"one\", \"two\"]", "member labels must be a list of strings")
                       : add_label(labels, label, error);
    if (code != MLOOM_OK) {
      mloom_json_unref(labels);
      return code;
    }
  }
  return mloom_json_set(ticket, "labels", labels) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

static int offer_member(const char *name, mloom_json *value, void *userdata) {
  static const char *const known[] = {"title", "description"};
  mloom_nearest nearest;
  const char **meant = userdata;
  (void)value;
  mloom_nearest_init(&nearest, name);
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    mloom_nearest_offer(&nearest, known[i], known[i]);
  }
  if (strcmp(name, "summary") == 0) {
    nearest.best = "title";
  }
  *meant = nearest.best;
  return nearest.best != NULL;
}

static int32_t read_json(mloom_json *ticket, mloom_bytes text, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *document = NULL;
  int32_t code = mloom_json_parse(&document, text.data, text.size, "the ticket", error);
  if (code != MLOOM_OK) {
    return code;
  }
  if (mloom_json_member(document, "schema") != NULL || mloom_json_member(document, "ticket") != NULL) {
    return invalid(error, "give it as a job: --job FILE", "this is a whole job document");
  }
  code = copy_string(ticket, document, "key", error);
  code = code != MLOOM_OK ? code : copy_string(ticket, document, "title", error);
  code = code != MLOOM_OK ? code : copy_string(ticket, document, "description", error);
  if (code != MLOOM_OK) {
    return code;
  }
  const char *description = mloom_json_member_string(document, "description", "");
  if (mloom_json_member_string(document, "title", "")[0] == '\0' && description[0] == '\0') {
    const char *meant = NULL;
    mloom_json_each_member(document, offer_member, (void *)&meant);
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_RESOLVER,
                           meant == NULL     ? "add \"title\": \"...\""
                           : meant[0] == 't' ? "name the member title"
                                             : "name the member description",
                           "the ticket: it has neither title nor description");
  }
  return copy_labels(ticket, document, error);
}

/* ---- The job ---- */

/* An object, also one that was cut off; but not the {macro} that some trackers begin a text with. */
static int looks_like_json(mloom_bytes text) {
  text = mloom_text_trim(text);
  if (text.size == 0 || text.data[0] != '{') {
    return 0;
  }
  mloom_bytes rest = mloom_text_trim((mloom_bytes){text.data + 1, text.size - 1});
  return rest.size == 0 || rest.data[0] == '"' || rest.data[rest.size - 1] == '}';
}

static int32_t read_ticket(mloom_json *ticket, const char *data, size_t size, mloom_error *error) {
  mloom_bytes text = {data, size};
  if (size > TICKET_LIMIT) {
    return invalid(error, "shorten it", "it is larger than 2 MiB");
  }
  if (size >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0) {
    text = (mloom_bytes){data + 3, size - 3};
  }
  if (!mloom_text_is_utf8(text.data, text.size)) {
    return invalid(error, "save it as UTF-8", "it is not UTF-8");
  }
  if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL) {
    return invalid(error, "save it as plain text", "it has a NUL byte in it");
  }
  return looks_like_json(text) ? read_json(ticket, text, error) : read_text(ticket, text, error);
}

static int32_t read_template(mloom_json **out, const char *text, size_t size, mloom_error *error) {
  if (text == NULL) {
    *out = mloom_json_new_object();
    return *out == NULL ? mloom_error_memory(error) : MLOOM_OK;
  }
  int32_t code = mloom_json_parse(out, text, size, "the job", error);
  if (code == MLOOM_OK && mloom_json_kind(*out) != MLOOM_JSON_OBJECT) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_RESOLVER, "docs/json.md lists the members of a job",
                           "the job: it is no JSON object");
  }
  return code;
}

static int32_t set_repository(mloom_json *job, const char *path, mloom_error *error) {
  mloom_json *repository = mloom_json_member(job, "repository");
  int kind = mloom_json_kind(repository);
  if (path == NULL) {
    return MLOOM_OK;
  }
  if (kind != MLOOM_JSON_NULL && kind != MLOOM_JSON_OBJECT) {
    return mloom_error_set(error, MLOOM_E_INVALID, MLOOM_DOMAIN_RESOLVER, "write {\"path\": ...}",
                           "the job: repository must be an object");
  }
  if (kind == MLOOM_JSON_NULL) {
    mloom_json *added = mloom_json_new_object();
    mloom_json_set_string(added, "path", path);
    return mloom_json_set(job, "repository", added) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
  }
  return mloom_json_set_string(repository, "path", path) == MLOOM_OK ? MLOOM_OK : mloom_error_memory(error);
}

int32_t mloom_job_from_ticket(char **out, const char *ticket, size_t ticket_size, const char *repository_path,
                              const char *template_job, size_t template_job_size, mloom_error *error) {
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *job = NULL;
  MLOOM_AUTO(mloom_json_unref_auto) mloom_json *read = mloom_json_new_object();
  *out = NULL;
  int32_t code = read_template(&job, template_job, template_job_size, error);
  code = code != MLOOM_OK || ticket == NULL ? code : read_ticket(read, ticket, ticket_size, error);
  code = code != MLOOM_OK ? code : set_repository(job, repository_path, error);
  if (code != MLOOM_OK) {
    return code;
  }
  MLOOM_AUTO(mloom_buffer_free) mloom_buffer text = MLOOM_BUFFER_INIT;
  if (ticket != NULL) {
    mloom_json_set_string(job, "schema", "mergeloom.job.v1");
    mloom_json_set(job, "ticket", MLOOM_STEAL(read));
  }
  if (mloom_json_serialize(&text, job, 0) != MLOOM_OK || (*out = mloom_buffer_take(&text)) == NULL) {
    return mloom_error_memory(error);
  }
  return MLOOM_OK;
}
