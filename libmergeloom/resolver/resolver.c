/* SPDX-License-Identifier: Apache-2.0
 *
 * The two ladders. The strongest layer that names a provider decides, and so for the model; what it names is used or
 * blocks the job, but never gives way to something weaker in silence.
 */
#include "resolver/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "settings/nearest.h"

#define RANK_DIRECTIVE 100
#define RANK_LABEL 200
#define RANK_REPOSITORY 300
#define RANK_WORKSPACE 400
#define RANK_WORKER 500

#define LABEL_PREFIX "model:"

/* One rung, with what it names. */
typedef struct ladder_rung {
  int32_t rank;
  uint32_t plugin; /* 1 + index of a plugin's layer; 0 for the built-in ones */
  const char *layer;
  const char *provider; /* as written, NULL when it names none */
  const char *model;
} ladder_rung;

/* One resolution being made. */
typedef struct resolving {
  mloom_resolution *resolution;
  const mloom_resolver_input *input;
  ladder_rung *rungs; /* strongest first */
  size_t rung_count;
  const mloom_resolver_provider *provider; /* the chosen one, NULL while there is none */
  size_t label_count;
} resolving;

static const char *present(const char *text) {
  return text == NULL || text[0] == '\0' ? NULL : text;
}

/* ---- Layers of plugins ---- */

static void enter_plugin(const mloom_resolver_layer_entry *entry) {
  if (entry->plugin_lock != NULL && entry->descriptor.threads != MLOOM_THREADS_PARALLEL) {
    pthread_mutex_lock(entry->plugin_lock);
  }
  mloom_plugin_enter(entry->watch);
}

static void leave_plugin(const mloom_resolver_layer_entry *entry) {
  mloom_plugin_leave(entry->watch);
  if (entry->plugin_lock != NULL && entry->descriptor.threads != MLOOM_THREADS_PARALLEL) {
    pthread_mutex_unlock(entry->plugin_lock);
  }
}

static mloom_layer_query query_of(const resolving *work, uint32_t ladder) {
  return (mloom_layer_query){.size = sizeof(mloom_layer_query),
                             .key = ladder == MLOOM_LADDER_PROVIDER ? "provider" : "model",
                             .job = work->input->job,
                             .provider =
                                 ladder == MLOOM_LADDER_PROVIDER || work->provider == NULL ? NULL : work->provider->id};
}

/* Asks a plugin's rung. *value stays NULL when it has nothing to say; a layer that fails blocks the job. */
static int32_t ask_plugin(resolving *work, const ladder_rung *rung, uint32_t ladder, const char **value,
                          const char **origin) {
  const mloom_resolver_layer_entry *entry = work->input->layers[rung->plugin - 1];
  if (entry->descriptor.lookup == NULL) {
    return MLOOM_OK;
  }
  mloom_layer_query query = query_of(work, ladder);
  mloom_layer_answer answer = {.size = sizeof answer};
  mloom_error error = MLOOM_ERROR_INIT;
  enter_plugin(entry);
  int32_t code = entry->descriptor.lookup(&query, &answer, &error);
  leave_plugin(entry);
  answer.value[sizeof answer.value - 1] = '\0';
  answer.provenance[sizeof answer.provenance - 1] = '\0';
  if (code == MLOOM_E_NOT_APPLICABLE || code == MLOOM_E_NOT_FOUND || (code == MLOOM_OK && answer.value[0] == '\0')) {
    return MLOOM_OK;
  }
  if (code != MLOOM_OK) {
    return mloom_resolution_note(work->resolution, 1, "remove the plugin, or mend what it reads",
                                 "the layer %s of plugin %s failed: %s", rung->layer, entry->plugin_name,
                                 mloom_resolution_quote(error.message).text);
  }
  *value = mloom_resolution_keep(work->resolution, answer.value, strlen(answer.value));
  *origin = mloom_resolution_keep(work->resolution, answer.provenance, strlen(answer.provenance));
  return *value == NULL || *origin == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
}

/* *reason is who objects and why, NULL when nobody does. */
static int32_t ask_vetoes(resolving *work, uint32_t ladder, const char *candidate, const char **reason) {
  *reason = NULL;
  for (size_t i = 0; i < work->input->layer_count && *reason == NULL; i++) {
    const mloom_resolver_layer_entry *entry = work->input->layers[i];
    if (entry->descriptor.veto == NULL) {
      continue;
    }
    mloom_layer_query query = query_of(work, ladder);
    mloom_error error = MLOOM_ERROR_INIT;
    enter_plugin(entry);
    int32_t code = entry->descriptor.veto(&query, candidate, &error);
    leave_plugin(entry);
    if (code != MLOOM_OK) {
      char text[256];
      const char *why = error.message[0] == '\0' ? "no reason given" : error.message;
      int size = snprintf(text, sizeof text, "%.60s: %s", entry->descriptor.id, mloom_resolution_quote(why).text);
      *reason =
          mloom_resolution_keep(work->resolution, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
      if (*reason == NULL) {
        return MLOOM_E_MEMORY;
      }
    }
  }
  return MLOOM_OK;
}

/* ---- Candidates ---- */

static mloom_candidate *add_candidate(resolving *work, uint32_t ladder, const char *layer, const char *written,
                                      const char *origin) {
  mloom_resolution *resolution = work->resolution;
  mloom_candidate *candidate = &resolution->candidates[resolution->candidate_count];
  const char *kept = mloom_resolution_keep(resolution, written, strlen(written));
  const char *kept_origin = origin == NULL ? NULL : mloom_resolution_keep(resolution, origin, strlen(origin));
  if (kept == NULL || (origin != NULL && kept_origin == NULL)) {
    return NULL;
  }
  *candidate = (mloom_candidate){.written = kept,
                                 .value = kept,
                                 .layer = layer,
                                 .origin = kept_origin,
                                 .ladder = ladder,
                                 .outcome = MLOOM_CANDIDATE_WEAKER};
  resolution->candidate_count++;
  return candidate;
}

static int32_t keep_value(resolving *work, mloom_candidate *candidate, const char *value) {
  if (value != candidate->written && strcmp(value, candidate->written) != 0) {
    candidate->value = mloom_resolution_keep(work->resolution, value, strlen(value));
  }
  return candidate->value == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
}

/* The place and a colon in front of what is said of a directive. */
static void say_place(char *out, size_t size, const resolving *work, const mloom_candidate *candidate) {
  if (candidate->line > 0) {
    snprintf(out, size, "%s: ", mloom_resolution_place(work->resolution, candidate->line, candidate->column).text);
  } else {
    snprintf(out, size,
             "%s: ", candidate->origin == NULL ? candidate->layer : mloom_resolution_quote(candidate->origin).text);
  }
}

static const char *origin_of(const resolving *work, const ladder_rung *rung, uint32_t ladder) {
  int provider = ladder == MLOOM_LADDER_PROVIDER;
  switch (rung->rank) {
  case RANK_REPOSITORY:
    return provider ? "repository.workflow.provider" : "repository.workflow.model";
  case RANK_WORKSPACE:
    return provider ? "workspace.provider" : "workspace.model";
  case RANK_WORKER:
    return provider ? work->input->worker_provider_origin : work->provider->default_model_origin;
  default:
    return NULL;
  }
}

static void set_place(const resolving *work, const ladder_rung *rung, uint32_t ladder, mloom_candidate *candidate) {
  if (rung->rank == RANK_DIRECTIVE && rung->plugin == 0) {
    mloom_directives_value(work->resolution->directives, ladder == MLOOM_LADDER_PROVIDER ? "provider" : "model",
                           &candidate->line, &candidate->column);
  }
}

/* ---- The provider's ladder ---- */

static int32_t refuse_unknown_provider(resolving *work, const mloom_candidate *candidate) {
  char place[160], loaded[160] = "", remedy[256];
  size_t used = 0;
  mloom_nearest nearest;
  mloom_nearest_init(&nearest, candidate->written);
  for (size_t i = 0; i < work->input->provider_count; i++) {
    const mloom_resolver_provider *provider = &work->input->providers[i];
    mloom_nearest_offer(&nearest, provider->id, provider->id);
    for (size_t j = 0; provider->aliases != NULL && provider->aliases[j] != NULL; j++) {
      mloom_nearest_offer(&nearest, provider->aliases[j], provider->id);
    }
    if (used < sizeof loaded) {
      used += (size_t)snprintf(loaded + used, sizeof loaded - used, "%s%s", i == 0 ? "" : ", ", provider->id);
    }
  }
  if (nearest.best != NULL) {
    snprintf(remedy, sizeof remedy, "did you mean %s? Loaded are: %s", nearest.best, loaded);
  } else if (work->input->provider_count > 0) {
    snprintf(remedy, sizeof remedy, "use one that is loaded: %s", loaded);
  } else {
    snprintf(remedy, sizeof remedy, "no provider is loaded at all; see mergeloom plugins");
  }
  say_place(place, sizeof place, work, candidate);
  return mloom_resolution_note(work->resolution, 1, remedy, "%sno provider %s is loaded on this worker", place,
                               mloom_resolution_quote(candidate->written).text);
}

/* The strongest candidate decides: it is taken or it blocks. */
static int32_t decide_provider(resolving *work, mloom_candidate *candidate) {
  char place[160];
  const mloom_resolver_provider *provider = mloom_resolver_find_provider(work->input, candidate->written);
  if (provider == NULL) {
    candidate->outcome = MLOOM_CANDIDATE_UNKNOWN;
    return refuse_unknown_provider(work, candidate);
  }
  int32_t code = keep_value(work, candidate, provider->id);
  candidate->by = mloom_resolver_provider_denied_by(work->input, provider);
  if (code == MLOOM_OK && candidate->by != NULL) {
    candidate->outcome = MLOOM_CANDIDATE_DENIED;
    candidate->by = mloom_resolution_keep(work->resolution, candidate->by, strlen(candidate->by));
    say_place(place, sizeof place, work, candidate);
    return candidate->by == NULL
               ? MLOOM_E_MEMORY
               : mloom_resolution_note(work->resolution, 1, "name an allowed provider, or have the policy changed",
                                       "%sthe %s's policy does not allow provider %s", place, candidate->by,
                                       provider->id);
  }
  code = code != MLOOM_OK ? code : ask_vetoes(work, MLOOM_LADDER_PROVIDER, provider->id, &candidate->by);
  if (code == MLOOM_OK && candidate->by != NULL) {
    candidate->outcome = MLOOM_CANDIDATE_VETOED;
    say_place(place, sizeof place, work, candidate);
    return mloom_resolution_note(work->resolution, 1, "name another provider", "%sprovider %s is vetoed by %s", place,
                                 provider->id, candidate->by);
  }
  if (code == MLOOM_OK && provider->disabled) {
    code = mloom_resolution_note(work->resolution, 0, "set its setting enabled to true",
                                 "provider %s is disabled on this worker", provider->id);
  }
  candidate->outcome = MLOOM_CANDIDATE_CHOSEN;
  work->resolution->chosen[MLOOM_LADDER_PROVIDER] = candidate;
  work->provider = provider;
  return code;
}

static int32_t climb_providers(resolving *work) {
  mloom_candidate *decider = NULL;
  int unreadable = 0;
  for (size_t i = 0; i < work->rung_count; i++) {
    ladder_rung *rung = &work->rungs[i];
    const char *origin = NULL;
    int32_t code = MLOOM_OK;
    if (rung->plugin != 0) {
      code = ask_plugin(work, rung, MLOOM_LADDER_PROVIDER, &rung->provider, &origin);
    } else {
      origin = origin_of(work, rung, MLOOM_LADDER_PROVIDER);
    }
    if (code != MLOOM_OK) {
      return code;
    }
    const mloom_settings_problem *problem = work->input->worker_provider_problem;
    if (rung->rank == RANK_WORKER && rung->plugin == 0 && problem != NULL && decider == NULL) {
      unreadable = 1;
      code = mloom_resolution_note(work->resolution, 1, problem->remedy, "worker default: %s", problem->message);
    }
    if (code != MLOOM_OK || rung->provider == NULL) {
      if (code != MLOOM_OK) {
        return code;
      }
      continue;
    }
    mloom_candidate *candidate = add_candidate(work, MLOOM_LADDER_PROVIDER, rung->layer, rung->provider, origin);
    if (candidate == NULL) {
      return MLOOM_E_MEMORY;
    }
    set_place(work, rung, MLOOM_LADDER_PROVIDER, candidate);
    if (decider != NULL) {
      const mloom_resolver_provider *provider = mloom_resolver_find_provider(work->input, candidate->written);
      candidate->by = decider->layer;
      code = provider == NULL ? MLOOM_OK : keep_value(work, candidate, provider->id);
    } else {
      decider = candidate;
      code = decide_provider(work, candidate);
    }
    if (code != MLOOM_OK) {
      return code;
    }
  }
  if (decider == NULL && !unreadable) {
    return mloom_resolution_note(work->resolution, 1,
                                 "set JCA_WORKER_PROVIDER, or name one in the ticket: provider=ID in a [JCA] block",
                                 "no layer names a provider for this job");
  }
  return MLOOM_OK;
}

/* ---- The model's ladder ---- */

/* Is candidate usable? Sets its outcome when not; only what is no label then blocks. */
static int32_t judge_model(resolving *work, mloom_candidate *candidate, int label, int *usable) {
  char place[160];
  const char *model = mloom_resolver_find_model(work->provider, candidate->written);
  int32_t code = keep_value(work, candidate, model);
  *usable = 0;
  candidate->by = mloom_resolver_model_denied_by(work->input, work->provider, candidate->written, model);
  if (candidate->by != NULL) {
    candidate->outcome = MLOOM_CANDIDATE_DENIED;
    candidate->by = mloom_resolution_keep(work->resolution, candidate->by, strlen(candidate->by));
    code = candidate->by == NULL ? MLOOM_E_MEMORY : code;
  } else if (code == MLOOM_OK) {
    code = ask_vetoes(work, MLOOM_LADDER_MODEL, candidate->value, &candidate->by);
    candidate->outcome = candidate->by != NULL ? MLOOM_CANDIDATE_VETOED : candidate->outcome;
  }
  if (code != MLOOM_OK || candidate->by == NULL) {
    *usable = code == MLOOM_OK;
    return code;
  }
  say_place(place, sizeof place, work, candidate);
  if (candidate->outcome == MLOOM_CANDIDATE_DENIED) {
    return mloom_resolution_note(work->resolution, !label, "name an allowed model, or have the policy changed",
                                 "%sthe %s's policy does not allow model %s%s", place, candidate->by,
                                 mloom_resolution_quote(candidate->value).text, label ? ": skipped" : "");
  }
  return mloom_resolution_note(work->resolution, !label, "name another model", "%smodel %s is vetoed by %s%s", place,
                               mloom_resolution_quote(candidate->value).text, candidate->by, label ? ": skipped" : "");
}

/* Puts a model candidate onto the ladder below decider, the candidate that decided already (or NULL). */
static int32_t place_model(resolving *work, const ladder_rung *rung, mloom_candidate *candidate,
                           mloom_candidate **decider) {
  if (work->provider == NULL) {
    candidate->outcome = MLOOM_CANDIDATE_UNDECIDED;
    return MLOOM_OK;
  }
  if (rung->provider != NULL && mloom_resolver_find_provider(work->input, rung->provider) != work->provider) {
    candidate->outcome = MLOOM_CANDIDATE_OTHER_PROVIDER;
    const mloom_resolver_provider *named = mloom_resolver_find_provider(work->input, rung->provider);
    const char *name = named == NULL ? rung->provider : named->id;
    candidate->by = mloom_resolution_keep(work->resolution, name, strlen(name));
    return candidate->by == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  }
  if (*decider != NULL) {
    candidate->by = (*decider)->layer;
    return keep_value(work, candidate, mloom_resolver_find_model(work->provider, candidate->written));
  }
  int usable = 0;
  int label = rung->rank == RANK_LABEL && rung->plugin == 0;
  int32_t code = judge_model(work, candidate, label, &usable);
  if (code == MLOOM_OK && usable) {
    candidate->outcome = MLOOM_CANDIDATE_CHOSEN;
    work->resolution->chosen[MLOOM_LADDER_MODEL] = candidate;
  }
  if (usable || !label) {
    *decider = candidate;
  }
  return code;
}

/* The name in a model: label, {NULL, 0} for other labels. */
static mloom_bytes label_model(const char *label) {
  mloom_bytes text = mloom_text_trim(mloom_text_bytes(label));
  size_t prefix = sizeof LABEL_PREFIX - 1;
  if (text.size < prefix || mloom_text_compare_start_fold(text.data, LABEL_PREFIX, prefix) != 0) {
    return (mloom_bytes){NULL, 0};
  }
  return mloom_text_trim((mloom_bytes){text.data + prefix, text.size - prefix});
}

static int same_model(const resolving *work, const char *a, const char *b) {
  if (work->provider != NULL) {
    a = mloom_resolver_find_model(work->provider, a);
    b = mloom_resolver_find_model(work->provider, b);
  }
  return mloom_text_compare_fold(a, b) == 0;
}

/* The one model that labels name. Repeated labels are one; two different ones block. */
static int32_t climb_label(resolving *work, const ladder_rung *rung, mloom_candidate **decider) {
  const char *off = mloom_resolver_labels_off_by(work->input);
  mloom_candidate *first = NULL;
  for (size_t i = 0; work->input->labels != NULL && work->input->labels[i] != NULL; i++) {
    mloom_bytes name = label_model(work->input->labels[i]);
    if (name.data == NULL) {
      continue;
    }
    const char *kept = mloom_resolution_keep(work->resolution, name.data, name.size);
    if (kept == NULL) {
      return MLOOM_E_MEMORY;
    }
    int32_t code = MLOOM_OK;
    if (name.size == 0) {
      code = mloom_resolution_note(work->resolution, 0, "write model:NAME", "a label model: without a name is ignored");
    } else if (first == NULL || !same_model(work, first->written, kept)) {
      mloom_candidate *candidate = add_candidate(work, MLOOM_LADDER_MODEL, rung->layer, kept, work->input->labels[i]);
      if (candidate == NULL) {
        return MLOOM_E_MEMORY;
      }
      if (off != NULL) {
        candidate->outcome = MLOOM_CANDIDATE_LABELS_OFF;
        candidate->by = mloom_resolution_keep(work->resolution, off, strlen(off));
        code = candidate->by == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
      } else if (first == NULL) {
        first = candidate;
      } else {
        candidate->outcome = first->outcome = MLOOM_CANDIDATE_CONFLICT;
        code = mloom_resolution_note(
            work->resolution, 1, "keep one model: label", "the labels %s and %s name different models",
            mloom_resolution_quote(first->origin).text, mloom_resolution_quote(candidate->origin).text);
      }
    }
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return first == NULL || first->outcome == MLOOM_CANDIDATE_CONFLICT ? MLOOM_OK
                                                                     : place_model(work, rung, first, decider);
}

static int32_t climb_rung(resolving *work, ladder_rung *rung, mloom_candidate **decider) {
  const char *model = rung->model, *origin = NULL;
  int32_t code = MLOOM_OK;
  if (rung->plugin != 0) {
    code = ask_plugin(work, rung, MLOOM_LADDER_MODEL, &model, &origin);
  } else if (rung->rank == RANK_LABEL) {
    return climb_label(work, rung, decider);
  } else if (rung->rank == RANK_WORKER) {
    if (work->provider == NULL) {
      return MLOOM_OK;
    }
    const mloom_settings_problem *problem = work->provider->default_model_problem;
    if (problem != NULL && *decider == NULL) {
      return mloom_resolution_note(work->resolution, 1, problem->remedy, "stored default of %s: %s", work->provider->id,
                                   problem->message);
    }
    model = present(work->provider->default_model);
  }
  if (code != MLOOM_OK || model == NULL) {
    return code;
  }
  if (rung->plugin == 0) {
    origin = origin_of(work, rung, MLOOM_LADDER_MODEL);
  }
  mloom_candidate *candidate = add_candidate(work, MLOOM_LADDER_MODEL, rung->layer, model, origin);
  if (candidate == NULL) {
    return MLOOM_E_MEMORY;
  }
  set_place(work, rung, MLOOM_LADDER_MODEL, candidate);
  return place_model(work, rung, candidate, decider);
}

static int32_t climb_models(resolving *work) {
  mloom_candidate *decider = NULL;
  for (size_t i = 0; i < work->rung_count; i++) {
    ladder_rung rung = work->rungs[i];
    if (rung.rank == RANK_WORKER && rung.plugin == 0) {
      rung.provider = NULL; /* its model is the chosen provider's own, whatever the worker's default provider is */
    }
    int32_t code = climb_rung(work, &rung, &decider);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

/* ---- The whole ---- */

/* In the order of rank; a plugin's rung comes after the built-in one of its rank. */
static void add_rung(resolving *work, ladder_rung added) {
  size_t at = work->rung_count++;
  while (at > 0 && work->rungs[at - 1].rank > added.rank) {
    work->rungs[at] = work->rungs[at - 1];
    at--;
  }
  work->rungs[at] = added;
}

static int32_t add_rungs(resolving *work) {
  const mloom_resolver_input *input = work->input;
  const mloom_directives *directives = work->resolution->directives;
  add_rung(work,
           (ladder_rung){RANK_DIRECTIVE, 0, "directive", mloom_directives_value(directives, "provider", NULL, NULL),
                         mloom_directives_value(directives, "model", NULL, NULL)});
  add_rung(work, (ladder_rung){RANK_LABEL, 0, "label", NULL, NULL});
  add_rung(work, (ladder_rung){RANK_REPOSITORY, 0, "repository", present(input->repository_provider),
                               present(input->repository_model)});
  add_rung(work, (ladder_rung){RANK_WORKSPACE, 0, "workspace", present(input->workspace_provider),
                               present(input->workspace_model)});
  add_rung(work, (ladder_rung){RANK_WORKER, 0, "worker", present(input->worker_provider), NULL});
  for (size_t i = 0; i < input->layer_count; i++) {
    const mloom_resolver_layer *layer = &input->layers[i]->descriptor;
    const char *id = mloom_resolution_keep(work->resolution, layer->id, strlen(layer->id));
    if (id == NULL) {
      return MLOOM_E_MEMORY;
    }
    add_rung(work, (ladder_rung){layer->rank, (uint32_t)i + 1, id, NULL, NULL});
  }
  return MLOOM_OK;
}

static int32_t note_policy_problems(resolving *work) {
  for (size_t i = 0; i < work->input->policy_problem_count; i++) {
    const mloom_settings_problem *problem = work->input->policy_problems[i];
    int32_t code = mloom_resolution_note(work->resolution, 1, problem->remedy, "the worker's policy cannot be read: %s",
                                         problem->message);
    if (code != MLOOM_OK) {
      return code;
    }
  }
  return MLOOM_OK;
}

static int32_t resolve(resolving *work) {
  int32_t code = add_rungs(work);
  code = code != MLOOM_OK ? code : note_policy_problems(work);
  code = code != MLOOM_OK ? code : climb_providers(work);
  code = code != MLOOM_OK ? code : climb_models(work);
  mloom_resolution *resolution = work->resolution;
  for (size_t i = 0; i < mloom_resolution_note_count(resolution); i++) {
    resolution->blocked |= mloom_resolution_note_at(resolution, i)->blocks;
  }
  return code;
}

static size_t count_labels(const mloom_resolver_input *input) {
  size_t count = 0;
  for (size_t i = 0; input->labels != NULL && input->labels[i] != NULL; i++) {
    count += label_model(input->labels[i]).data != NULL;
  }
  return count;
}

int32_t mloom_resolver_resolve(mloom_resolution **out, const mloom_resolver_input *input, mloom_error *error) {
  *out = NULL;
  mloom_resolution *resolution = malloc(sizeof *resolution);
  if (resolution == NULL) {
    return mloom_error_memory(error);
  }
  memset(resolution, 0, offsetof(mloom_resolution, first));
  pthread_mutex_init(&resolution->lock, NULL);
  resolution->description_line = input->description_line;
  ladder_rung few[16], *rungs = few;
  size_t rung_count = 5 + input->layer_count;
  if (rung_count > sizeof few / sizeof few[0]) {
    rungs = calloc(rung_count, sizeof *rungs);
  }
  resolving work = {.resolution = resolution, .input = input, .rungs = rungs, .label_count = count_labels(input)};
  resolution->candidates = malloc((2 * rung_count + work.label_count) * sizeof *resolution->candidates);
  int32_t code = rungs == NULL || resolution->candidates == NULL ? MLOOM_E_MEMORY : MLOOM_OK;
  code = code != MLOOM_OK
             ? code
             : mloom_directives_parse(&resolution->directives, input->description.data, input->description.size, NULL);
  code = code != MLOOM_OK ? code : resolve(&work);
  if (rungs != few) {
    free(rungs);
  }
  if (code != MLOOM_OK) {
    mloom_resolution_free(resolution);
    return mloom_error_memory(error);
  }
  *out = resolution;
  return MLOOM_OK;
}
