/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this floor share.
 */
#ifndef MLOOM_SETTINGS_INTERNAL_H
#define MLOOM_SETTINGS_INTERNAL_H

#include <stdatomic.h>

#include "settings/settings.h"

#define MLOOM_SETTINGS_VALUE_LIMIT ((size_t)64 * 1024)

typedef struct mloom_settings_slot {
  const mloom_field *field;
  char *derived_name; /* JCA_<OWNER>_<NAME> */
  char *value;        /* never of a secret */
  const mloom_secret *secret;
  char *origin_name;
  char *path; /* of the file it was read from; NULL: none */
  uint32_t origin;
  uint32_t locked;
  int refused; /* unset for all who use it; its description shows it, so that it can be removed */
} mloom_settings_slot;

struct mloom_settings {
  atomic_int references;
  char *owner;
  const mloom_secret *fingerprint_key;
  mloom_settings_slot *slots;
  size_t count;
  mloom_settings_problem *problems;
  size_t problem_count;
  char **problem_fields; /* names that no field owns, as the configuration file had them */
  size_t problem_field_count;
};

/* Layers that are JSON documents of one form. */
#define MLOOM_SETTINGS_DOCUMENT_CONFIG 0
#define MLOOM_SETTINGS_DOCUMENT_GATEWAY 1
#define MLOOM_SETTINGS_DOCUMENT_STORE 2
#define MLOOM_SETTINGS_DOCUMENT_COUNT 3

typedef struct mloom_settings_document {
  const char *name;          /* for people: its path, "gateway", "settings store" */
  const mloom_json *root;    /* or NULL */
  const mloom_json *section; /* the owner's object in it, or NULL */
} mloom_settings_document;

/* One reading of the layers. */
typedef struct mloom_settings_build {
  mloom_settings *settings;
  const mloom_settings_sources *sources;
  mloom_settings_document documents[MLOOM_SETTINGS_DOCUMENT_COUNT];
  int secrets_mounted; /* secrets_path is there */
} mloom_settings_build;

/* ---- kinds.c ---- */

int mloom_field_is_secret(const mloom_field *field);
/* Checks value against the field's kind and rewrites it into the form that is kept; empty means unset.
 * MLOOM_E_INVALID with message and remedy, which never repeat what may be a secret; MLOOM_E_MEMORY. */
int32_t mloom_field_normalize(const mloom_field *field, mloom_buffer *value, mloom_error *error);
/* Calls fn for each value of a normalized headers text, and for its last word where it has several. */
int32_t mloom_field_each_header_value(mloom_bytes headers, int32_t (*fn)(mloom_bytes value, void *userdata),
                                      void *userdata);
/* "string", "integer", ... Static. */
const char *mloom_field_kind_name(uint32_t kind);

/* Frees a buffer that may hold a secret. */
void mloom_settings_buffer_wipe(mloom_buffer *buffer);

/* ---- layers.c ---- */

/* Finds the strongest layer that has a value. MLOOM_OK also when there is none, or only a problem. */
int32_t mloom_settings_read_slot(mloom_settings_build *build, mloom_settings_slot *slot, mloom_error *error);
/* Environment name number index of a slot, strongest first: those given, then the derived one; NULL at the end. */
const char *mloom_settings_slot_name(const mloom_settings_slot *slot, size_t index);
/* The value of a variable, NULL when it is unset or empty. Borrowed. */
const char *mloom_settings_variable(const mloom_settings_sources *sources, const char *name);

/* ---- settings.c ---- */

/* field must live as long as the settings. */
__attribute__((format(printf, 6, 7))) int32_t mloom_settings_add_problem(mloom_settings *settings, const char *field,
                                                                         uint32_t state, int32_t code,
                                                                         const char *remedy, const char *format, ...);

/* ---- shared_fields.c ---- */

/* The fields of every provider (first) and of every HTTP provider (after them). */
const mloom_field *const *mloom_settings_shared_fields(int transport, size_t *count);

#endif
