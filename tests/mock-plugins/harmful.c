/* SPDX-License-Identifier: Apache-2.0
 *
 * The provider for OpenAI-compatible servers, harmed: a ticket that says "harm: crash" and the like has it do that.
 */
#include <mergeloom/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The real one, with its entry renamed. */
const mloom_plugin *harmed_plugin_init(const mloom_host *host, char *error_text, size_t error_size);

static mloom_plugin plugin;
static mloom_provider provider;
static const mloom_provider *providers[1];
static int32_t (*append_of_the_real_one)(void *session, const mloom_message *message, mloom_error *error);

static void crash(void) {
  volatile int *nowhere = NULL;
  *nowhere = 1;
}

static void corrupt(void) {
  void *volatile block = malloc(24);
  volatile char *bytes = block;
  for (int i = -8; i < 24; i++) {
    bytes[i] = (char)0xff;
  }
  free(block);
}

static void hang(void) {
  for (;;) {
    sleep(1);
  }
}

static void leak(void) {
  for (;;) {
    char *volatile block = malloc(1 << 20);
    memset(block, 1, 1 << 20);
    usleep(500);
  }
}

static void leave(void) {
  exit(0);
}

static int32_t append(void *session, const mloom_message *message, mloom_error *error) {
  static const struct {
    const char *word;
    void (*harm)(void);
  } harms[] = {{"harm: crash", crash},
               {"harm: corrupt", corrupt},
               {"harm: hang", hang},
               {"harm: leak", leak},
               {"harm: leave", leave}};
  for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
    if (memmem(message->text.data, message->text.size, harms[i].word, strlen(harms[i].word)) != NULL) {
      fprintf(stderr, "now it happens: %s\n", harms[i].word);
      harms[i].harm();
    }
  }
  return append_of_the_real_one(session, message, error);
}

MLOOM_PLUGIN_EXPORT const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text,
                                                                 size_t error_size) {
  const mloom_plugin *real = harmed_plugin_init(host, error_text, error_size);
  if (real == NULL) {
    return NULL;
  }
  plugin = *real;
  provider = *real->providers[0];
  append_of_the_real_one = provider.append;
  provider.append = append;
  provider.id = "harmful";
  provider.title = "Harmful";
  plugin.name = "harmful";
  providers[0] = &provider;
  plugin.providers = providers;
  return &plugin;
}
