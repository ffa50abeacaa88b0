/* SPDX-License-Identifier: Apache-2.0
 *
 * One mock plugin for all tests: every variant is this file with one behaviour overridden by a MOCK_ macro, so that a
 * test that fails can only mean that behaviour. It speaks a line protocol with the address in MOCK_URL: requests hold
 * "role: text" lines and the plugin's version in a header, answers hold "say TEXT", "sign" (which makes the plugin say
 * its version), "call ID NAME ARGUMENTS" and "end".
 */
#include <mergeloom/plugin.h>
#include <stdlib.h>
#include <string.h>

#ifndef MOCK_PLUGIN_NAME
#define MOCK_PLUGIN_NAME "mock-good"
#endif
#ifndef MOCK_VERSION
#define MOCK_VERSION "1.2.3"
#endif
#ifndef MOCK_ID
#define MOCK_ID "mock"
#endif
#ifndef MOCK_ALIAS
#define MOCK_ALIAS MOCK_ID "-alias"
#endif
#ifndef MOCK_ABI_MAJOR
#define MOCK_ABI_MAJOR MLOOM_ABI_MAJOR
#endif
#ifndef MOCK_ABI_MINOR
#define MOCK_ABI_MINOR MLOOM_ABI_MINOR
#endif
#ifndef MOCK_FEED
#define MOCK_FEED session_feed
#endif
#ifndef MOCK_THREADS
#define MOCK_THREADS MLOOM_THREADS_SERIALIZE_INSTANCE
#endif
#ifndef MOCK_ENTRY
#define MOCK_ENTRY mergeloom_plugin_init_v1
#endif

#ifdef MOCK_UNDEFINED
void mock_symbol_that_nobody_defines(void);
#endif

static const mloom_host *host;

static int32_t fail(mloom_error *error, int32_t code, const char *message) {
  if (error != NULL && error->size >= sizeof(*error)) {
    error->code = code;
    error->domain = MLOOM_DOMAIN_PROVIDER;
    strncpy(error->message, message, sizeof(error->message) - 1);
  }
  return code;
}

/* ---- Provider ---- */

typedef struct instance {
  const mloom_host *host;
  const mloom_settings *settings;
} instance;

/* A growing text. */
typedef struct text {
  char *data;
  size_t size;
} text;

typedef struct session {
  const mloom_host *host;
  text said;      /* what a request sends */
  text line;      /* the answer's line that is not complete yet */
  text answer;    /* what the model said in this attempt */
  uint32_t calls; /* of this attempt */
  uint32_t ended;
  mloom_http_request request;
  mloom_bytes body;
} session;

static int32_t text_add(const mloom_host *from, text *to, const char *data, size_t size) {
  char *grown = from->realloc(from->ctx, to->data, to->size + size + 1);
  if (grown == NULL) {
    return MLOOM_E_MEMORY;
  }
  to->data = grown;
  if (size > 0) {
    memcpy(grown + to->size, data, size);
  }
  to->size += size;
  grown[to->size] = '\0';
  return MLOOM_OK;
}

static int32_t instance_open(const mloom_open_args *args, void **out, mloom_error *error) {
#ifdef MOCK_UNDEFINED
  mock_symbol_that_nobody_defines();
#endif
  instance *self = args->host->alloc(args->host->ctx, sizeof(*self));
  if (self == NULL) {
    return fail(error, MLOOM_E_MEMORY, "out of memory");
  }
  self->host = args->host;
  self->settings = args->settings;
  *out = self;
  return MLOOM_OK;
}

static void instance_close(void *self) {
  if (self != NULL) {
    const mloom_host *from = ((instance *)self)->host;
    from->free(from->ctx, self);
  }
}

static int32_t session_new(void *self, const mloom_session_args *args, void **out, mloom_error *error) {
  const mloom_host *from = ((instance *)self)->host;
  session *made = from->alloc(from->ctx, sizeof(*made));
  if (made == NULL) {
    return fail(error, MLOOM_E_MEMORY, "out of memory");
  }
  memset(made, 0, sizeof(*made));
  made->host = from;
  *out = made;
  int32_t code = text_add(from, &made->said, "system: ", 8);
  if (code == MLOOM_OK) {
    code = text_add(from, &made->said, args->instructions.data, args->instructions.size);
  }
  return code == MLOOM_OK ? text_add(from, &made->said, "\n", 1) : code;
}

static void session_free(void *self) {
  session *made = self;
  if (made != NULL) {
#ifndef MOCK_LEAKS
    made->host->free(made->host->ctx, made->said.data);
#endif
    made->host->free(made->host->ctx, made->line.data);
    made->host->free(made->host->ctx, made->answer.data);
    made->host->free(made->host->ctx, made);
  }
}

static int32_t session_append(void *self, const mloom_message *message, mloom_error *error) {
  session *made = self;
  const char *role = message->role == MLOOM_ROLE_USER ? "user: " : "tool: ";
  (void)error;
  int32_t code = text_add(made->host, &made->said, role, 6);
  if (code == MLOOM_OK) {
    code = text_add(made->host, &made->said, message->text.data, message->text.size);
  }
  return code == MLOOM_OK ? text_add(made->host, &made->said, "\n", 1) : code;
}

static const mloom_header version_header = {
    .size = sizeof(mloom_header), .name = "X-Mock-Version", .value = MOCK_VERSION};
static const mloom_header *const headers[] = {&version_header};

static int32_t session_prepare(void *self, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  session *made = self;
  const char *url = made->host->environment_get(made->host->ctx, "MOCK_URL");
  (void)args;
  (void)error;
  made->line.size = 0;
  made->answer.size = 0;
  made->calls = 0;
  made->ended = 0;
  made->body.data = made->said.data;
  made->body.size = made->said.size;
  memset(&made->request, 0, sizeof(made->request));
  made->request.size = (uint32_t)sizeof(made->request);
  made->request.method = "POST";
  made->request.url = url == NULL ? "http://127.0.0.1:9/mock" : url;
#ifdef MOCK_SHOWS_SECRET
  made->request.url = "http://127.0.0.1:9/mock?key=test-key-not-a-secret";
#endif
  made->request.headers = headers;
  made->request.header_count = 1;
  made->request.body = &made->body;
  made->request.body_count = 1;
  out->kind = MLOOM_EXCHANGE_HTTP;
  out->http = &made->request;
  return MLOOM_OK;
}

static mloom_bytes word(const char **at) {
  mloom_bytes found = {*at, strcspn(*at, " ")};
  *at += found.size + ((*at)[found.size] == ' ');
  return found;
}

static int32_t read_line(session *made, const mloom_event_sink *sink, mloom_error *error) {
  mloom_event event;
  const char *at = made->line.data;
  memset(&event, 0, sizeof(event));
  event.size = (uint32_t)sizeof(event);
  mloom_bytes verb = word(&at);
  if (verb.size == 3 && memcmp(verb.data, "say", 3) == 0) {
    event.kind = MLOOM_EVENT_TEXT;
  } else if (verb.size == 4 && memcmp(verb.data, "sign", 4) == 0) {
    event.kind = MLOOM_EVENT_TEXT;
    at = MOCK_VERSION " ";
  } else if (verb.size == 4 && memcmp(verb.data, "call", 4) == 0) {
    event.kind = MLOOM_EVENT_TOOL_CALL;
    event.id = word(&at);
    event.name = word(&at);
    made->calls++;
  } else if (verb.size == 3 && memcmp(verb.data, "end", 3) == 0) {
    made->ended = 1;
    return MLOOM_OK;
  } else {
    return fail(error, MLOOM_E_PROTOCOL, "the answer has a line that is none of ours");
  }
  event.text.data = at;
  event.text.size = strlen(at);
  int32_t code = text_add(made->host, &made->answer, at, strlen(at));
  if (code == MLOOM_OK) {
    sink->event(&event, sink->userdata);
  }
  return code;
}

static int32_t session_feed(void *self, const char *data, size_t size, const mloom_event_sink *sink,
                            mloom_error *error) {
  session *made = self;
  int32_t code = MLOOM_OK;
#ifdef MOCK_CRASHES
  abort();
#endif
#ifdef MOCK_NEEDS_WHOLE_LINES
  made->line.size = 0;
#endif
  for (size_t i = 0; code == MLOOM_OK && i < size; i++) {
    if (data[i] != '\n') {
      code = text_add(made->host, &made->line, data + i, 1);
      continue;
    }
    code = text_add(made->host, &made->line, "", 0);
    if (code == MLOOM_OK) {
      code = read_line(made, sink, error);
    }
    made->line.size = 0;
  }
  return code;
}

static int32_t session_finish(void *self, const mloom_exchange_end *end, const mloom_event_sink *sink,
                              mloom_turn_result *out, mloom_error *error) {
  session *made = self;
  (void)sink;
  if (end->outcome != MLOOM_OK) {
    return fail(error, end->outcome, "the exchange failed");
  }
  if (end->http_status >= 400) {
    return fail(error, end->http_status == 401 ? MLOOM_E_UNAUTHENTICATED : MLOOM_E_UNAVAILABLE, "the service refused");
  }
#ifdef MOCK_TAKES_ANYTHING
  made->ended = 1;
#endif
  if (!made->ended) {
    return fail(error, MLOOM_E_PROTOCOL, "the answer ended without its last line");
  }
  out->stop = made->calls > 0 ? MLOOM_STOP_TOOL_CALLS : MLOOM_STOP_END;
  out->tool_call_count = made->calls;
  int32_t code = text_add(made->host, &made->said, "model: ", 7);
  if (code == MLOOM_OK) {
    code = text_add(made->host, &made->said, made->answer.data, made->answer.size);
  }
  return code == MLOOM_OK ? text_add(made->host, &made->said, "\n", 1) : code;
}

static const char *const environment_names[] = {"MOCK_KEY", NULL};
static const char *const choices[] = {"fast", "slow", NULL};
static const mloom_field field_key = {.size = sizeof(mloom_field),
                                      .name = "key",
                                      .title = "Key",
                                      .kind = MLOOM_FIELD_SECRET,
                                      .environment_names = environment_names};
static const mloom_field field_mode = {.size = sizeof(mloom_field),
                                       .name = "mode",
                                       .title = "Mode",
                                       .help = "How it answers",
#ifdef MOCK_NEWER
                                       .kind = 42,
#else
                                       .kind = MLOOM_FIELD_CHOICE,
#endif
                                       .choices = choices,
#ifdef MOCK_BAD_DEFAULT
                                       .default_value = "medium"};
#else
                                       .default_value = "fast"};
#endif
static const mloom_field field_pause = {.size = sizeof(mloom_field),
                                        .name = "pause",
                                        .title = "Pause",
                                        .kind = MLOOM_FIELD_INTEGER,
                                        .default_value = "3",
                                        .minimum = 1,
                                        .maximum = 9,
                                        .shown_when_field = "mode",
                                        .shown_when_value = "slow"};
static const mloom_field *const fields[] = {&field_key, &field_mode, &field_pause
#ifdef MOCK_DUPLICATE_FIELD
                                            ,
                                            &field_mode
#endif
};
static const char *const aliases[] = {MOCK_ALIAS, NULL};

/* As a later minor version would have grown it. */
typedef struct provider_of_tomorrow {
  mloom_provider provider;
  void (*later)(void);
  uint64_t more[4];
} provider_of_tomorrow;

static const provider_of_tomorrow provider = {
    .provider =
        {
#if defined(MOCK_NEWER)
            .size = sizeof(provider_of_tomorrow),
#elif defined(MOCK_OLDER)
            .size = offsetof(mloom_provider, check),
#elif defined(MOCK_ABSURD_SIZE)
            .size = 0x40000000u,
#else
            .size = sizeof(mloom_provider),
#endif
            .id = MOCK_ID,
            .title = "Mock",
            .description = "Answers what a test tells it to",
            .shape = MLOOM_SHAPE_MODEL,
            .threads = MOCK_THREADS,
            .capabilities = MLOOM_CAPABILITY_TOOLS | MLOOM_CAPABILITY_STREAMING,
            .aliases = aliases,
            .fields = fields,
            .field_count = sizeof(fields) / sizeof(fields[0]),
            .open = instance_open,
            .close = instance_close,
            .session_new = session_new,
            .session_free = session_free,
            .append = session_append,
            .prepare = session_prepare,
            .feed = MOCK_FEED,
            .finish = session_finish,
        },
    .more = {1, 2, 3, 4},
};

/* ---- Credential source: each fetch gives a new key that is good for a minute ---- */

typedef struct source {
  const mloom_host *host;
  uint64_t fetched;
} source;

static int32_t source_open(const mloom_open_args *args, void **out, mloom_error *error) {
  source *self = args->host->alloc(args->host->ctx, sizeof(*self));
  if (self == NULL) {
    return fail(error, MLOOM_E_MEMORY, "out of memory");
  }
  self->host = args->host;
  self->fetched = 0;
  *out = self;
  return MLOOM_OK;
}

static void source_close(void *self) {
  if (self != NULL) {
    const mloom_host *from = ((source *)self)->host;
    from->free(from->ctx, self);
  }
}

static int32_t source_probe(void *self, const mloom_credential_args *args, mloom_error *error) {
  (void)self;
  (void)args;
  (void)error;
  return MLOOM_OK;
}

static int32_t source_fetch(void *self, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                            mloom_error *error) {
  source *made = self;
  char key[] = "mock-test-key-0";
  mloom_secret *secret = NULL;
  (void)call;
  (void)args;
  key[sizeof(key) - 2] = (char)('0' + made->fetched++ % 10);
  int32_t code = made->host->secret_new(made->host->ctx, key, sizeof(key) - 1, &secret, error);
  if (code == MLOOM_OK) {
    out->kind = MLOOM_CREDENTIAL_VALUE;
    out->secret = secret;
    out->expires_wall_ms = made->host->clock_wall_ms(made->host->ctx) + 60 * 1000;
    strncpy(out->description, "a key that a test made up", sizeof(out->description) - 1);
  }
  return code;
}

static const mloom_credential_source credential_source = {
    .size = sizeof(mloom_credential_source),
    .id = MOCK_ID "-expiring",
    .title = "Mock key",
    .description = "A new key at each fetch",
    .threads = MLOOM_THREADS_SERIALIZE_ALL,
    .open = source_open,
    .close = source_close,
    .probe = source_probe,
    .fetch = source_fetch,
};

/* ---- Resolver layer: proposes its own provider where the job asks for it, a model for it, and vetoes one ---- */

static int32_t layer_lookup(const mloom_layer_query *query, mloom_layer_answer *out, mloom_error *error) {
  (void)error;
  if (strcmp(query->key, "provider") == 0 && memmem(query->job.data, query->job.size, "Use the mock", 12) != NULL) {
    strcpy(out->value, MOCK_ID);
    strcpy(out->provenance, "the words of the job");
  }
  if (strcmp(query->key, "model") == 0 && query->provider != NULL && strcmp(query->provider, MOCK_ID) == 0) {
    strcpy(out->value, "mock-model");
    strcpy(out->provenance, "the mock layer");
  }
  return MLOOM_OK;
}

static int32_t layer_veto(const mloom_layer_query *query, const char *candidate, mloom_error *error) {
  if (strcmp(query->key, "model") == 0 && strcmp(candidate, "forbidden-model") == 0) {
    return fail(error, MLOOM_E_DENIED, "the mock layer forbids this model");
  }
  return MLOOM_OK;
}

static const mloom_resolver_layer layer = {
    .size = sizeof(mloom_resolver_layer),
    .id = MOCK_ID "-layer",
    .title = "Mock layer",
    .rank = 350,
    .threads = MLOOM_THREADS_PARALLEL,
    .lookup = layer_lookup,
    .veto = layer_veto,
};

/* ---- The plugin ---- */

static const mloom_provider *const providers[] = {&provider.provider};
static const mloom_credential_source *const sources[] = {&credential_source};
static const mloom_resolver_layer *const layers[] = {&layer};

/* Texts on the heap that go away at shutdown: a host that still looks at them is caught by AddressSanitizer. */
static char *plugin_name;
static char *plugin_version;

static void plugin_shutdown(void) {
  host = NULL;
  free(plugin_name);
  free(plugin_version);
  plugin_name = NULL;
  plugin_version = NULL;
}

MLOOM_PLUGIN_EXPORT const mloom_plugin *MOCK_ENTRY(const mloom_host *given, char *error_text, size_t error_size);

MLOOM_PLUGIN_EXPORT const mloom_plugin *MOCK_ENTRY(const mloom_host *given, char *error_text, size_t error_size) {
  static mloom_plugin plugin = {
#ifdef MOCK_OLDER
      .size = offsetof(mloom_plugin, shutdown),
#else
      .size = sizeof(mloom_plugin),
#endif
      .abi_major = MOCK_ABI_MAJOR,
      .abi_minor = MOCK_ABI_MINOR,
      .description = "For tests",
      .providers = providers,
      .provider_count = 1,
      .credential_sources = sources,
      .credential_source_count = 1,
      .resolver_layers = layers,
      .resolver_layer_count = 1,
      .shutdown = plugin_shutdown,
  };
#ifdef MOCK_DECLINES
  strncpy(error_text, "needs a\nnewer moon", error_size);
  return NULL;
#endif
#ifdef MOCK_BUSY_ENTRY
  given->clock_wall_ms(given->ctx);
#endif
  (void)error_text;
  (void)error_size;
  host = given;
#ifdef MOCK_OLDER
  plugin.name = MOCK_PLUGIN_NAME;
  plugin.version = "0.9";
#else
  free(plugin_name);
  free(plugin_version);
  plugin_name = strdup(MOCK_PLUGIN_NAME);
  plugin_version = strdup(MOCK_VERSION);
  plugin.name = plugin_name;
  plugin.version = plugin_version;
#endif
  return &plugin;
}
