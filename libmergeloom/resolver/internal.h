/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a resolution. What people read is made when somebody asks for it.
 */
#ifndef MLOOM_RESOLVER_INTERNAL_H
#define MLOOM_RESOLVER_INTERNAL_H

#include <pthread.h>

#include "resolver/resolver.h"

/* Which ladder a candidate stands on. */
#define MLOOM_LADDER_PROVIDER 0u
#define MLOOM_LADDER_MODEL 1u

/* What became of a candidate. */
#define MLOOM_CANDIDATE_CHOSEN 0u
#define MLOOM_CANDIDATE_WEAKER 1u         /* a stronger layer decided; by: its layer */
#define MLOOM_CANDIDATE_OTHER_PROVIDER 2u /* by: the provider that its layer names */
#define MLOOM_CANDIDATE_UNKNOWN 3u
#define MLOOM_CANDIDATE_DENIED 4u /* by: whose policy */
#define MLOOM_CANDIDATE_VETOED 5u /* by: the plugin layer's reason */
#define MLOOM_CANDIDATE_LABELS_OFF 6u
#define MLOOM_CANDIDATE_CONFLICT 7u
#define MLOOM_CANDIDATE_UNDECIDED 8u /* a model, and no provider was chosen */

typedef struct mloom_candidate {
  const char *written; /* as the layer has it */
  const char *value;   /* the id; as written when unknown */
  const char *layer;   /* "directive", "label", "repository", "workspace", "worker", or a plugin layer's id */
  const char *origin;  /* where the layer has it from, NULL for directives */
  const char *by;
  uint32_t ladder;
  uint32_t outcome;
  uint32_t line; /* of a directive in the description, else 0 */
  uint32_t column;
} mloom_candidate;

#define MLOOM_RESOLUTION_FIRST_CHUNK 1536

typedef struct mloom_resolution_chunk mloom_resolution_chunk;

struct mloom_resolution {
  mloom_directives *directives;
  mloom_candidate *candidates;
  size_t candidate_count;
  const mloom_candidate *chosen[2]; /* by ladder; NULL: none */
  mloom_directive_note *notes;      /* of the resolver's own, line 0 */
  size_t note_count;
  uint32_t blocked;
  uint32_t description_line; /* as in the input */
  /* Texts live here; more chunks follow when the first is full. */
  mloom_resolution_chunk *chunks;
  size_t used;
  pthread_mutex_t lock; /* held while one of these is made */
  char *text;
  char *json;
  mloom_json *tree;
  mloom_error *refusal; /* of a redacted resolution: the first reason that blocks; NULL: made from the notes */
  char first[MLOOM_RESOLUTION_FIRST_CHUNK];
};

/* A copy that lives as long as the resolution; NULL when out of memory. */
const char *mloom_resolution_keep(mloom_resolution *resolution, const char *data, size_t size);
/* Adds a warning or what blocks. Every part of the message must be printable: use mloom_resolution_quote. */
__attribute__((format(printf, 4, 5))) int32_t mloom_resolution_note(mloom_resolution *resolution, int blocks,
                                                                    const char *remedy, const char *format, ...);
/* A short, printable form of text from outside. */
typedef struct mloom_quote {
  char text[104];
} mloom_quote;
mloom_quote mloom_resolution_quote(const char *text);

/* The line to show for a line of the description. */
uint32_t mloom_resolution_line(const mloom_resolution *resolution, uint32_t line);
/* "description line 3, column 10", or "ticket line 8, column 10" when it is known where the description begins. */
mloom_quote mloom_resolution_place(const mloom_resolution *resolution, uint32_t line, uint32_t column);

/* Notes of the directives and of the resolver, in that order. */
size_t mloom_resolution_note_count(const mloom_resolution *resolution);
const mloom_directive_note *mloom_resolution_note_at(const mloom_resolution *resolution, size_t index);

/* explain.c: appends the text, builds the tree. */
int32_t mloom_resolution_explain(mloom_buffer *out, const mloom_resolution *resolution);
mloom_json *mloom_resolution_build_tree(const mloom_resolution *resolution);

/* policy.c */

/* By id or alias; NULL when it is not loaded. */
const mloom_resolver_provider *mloom_resolver_find_provider(const mloom_resolver_input *input, const char *name);
/* The model id that an alias of the provider stands for; the name itself when it is none. */
const char *mloom_resolver_find_model(const mloom_resolver_provider *provider, const char *name);
/* * and ? match as in file names; everything else for itself. */
int mloom_glob_match(const char *pattern, const char *text);
/* Who forbids it; NULL when nobody does. written is what model was called, of a model of provider. */
const char *mloom_resolver_provider_denied_by(const mloom_resolver_input *input,
                                              const mloom_resolver_provider *provider);
const char *mloom_resolver_model_denied_by(const mloom_resolver_input *input, const mloom_resolver_provider *provider,
                                           const char *written, const char *model);
const char *mloom_resolver_labels_off_by(const mloom_resolver_input *input);

#endif
