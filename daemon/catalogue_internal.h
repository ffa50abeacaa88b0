/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of the catalogue, for its own files.
 */
#ifndef MERGELOOM_DAEMON_CATALOGUE_INTERNAL_H
#define MERGELOOM_DAEMON_CATALOGUE_INTERNAL_H

#include <pthread.h>

#include "catalogue.h"

#define PROVIDER_LIMIT 64

/* What the checks of one provider found. The rest of what is known of it stands in the description. */
typedef struct provider_state {
  char id[64];
  char state[24];
  mloom_json *checks;
  char checked_at[32];
  mloom_json *models; /* as listed last; NULL: never */
  char listed_at[32];
  mloom_json *progress; /* of the last self-test; NULL: none */
  int checking;
  int checked_generation; /* of the settings that the running check knows */
  int self_tests;         /* what runs, or follows, is a self-test */
  int again;              /* another check follows the one that runs */
  mloom_cancel *cancel;   /* of the check that runs */
  pthread_t thread;       /* of the last check */
  int has_thread;
  char *plugin; /* the path of its file, or the provider's id: whom the quarantine knows it by */
  int enabled;
  int64_t changed; /* counts, so that a document is made anew only when needed */
} provider_state;

struct catalogue {
  catalogue_options options;
  pthread_mutex_t refreshing; /* so that what was read first is not put in the place of what was read last */
  pthread_mutex_t lock;
  mloom_cancel *cancel;
  int generation;         /* of the settings: grows with every refresh */
  mloom_buffer described; /* what the child described, as text: a tree of it takes eight times the room */
  mloom_json *worker;     /* of that */
  mloom_json *gateway_settings;
  provider_state states[PROVIDER_LIMIT];
  size_t count;
};

/* How often the plugin of a provider has crashed. With the lock held. */
int64_t catalogue_crashes(const catalogue *catalogue, const provider_state *state);
/* With the lock held; NULL: no such provider. */
provider_state *catalogue_find_state(catalogue *catalogue, const char *id);
/* A tree that shares nothing with json: json-c counts references without atomics. */
mloom_json *catalogue_copy_tree(const mloom_json *json);

#endif
