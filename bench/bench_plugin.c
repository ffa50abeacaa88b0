/* SPDX-License-Identifier: Apache-2.0
 *
 * A provider that only describes itself, as much as a real one does. bench_load copies the shared object and gives
 * each copy an id of its own by changing the mark in the file.
 */
#include <mergeloom/plugin.h>

#define MARK "bench-mark-0"

static int32_t open_instance(const mloom_open_args *args, void **out_instance, mloom_error *error) {
  (void)args;
  (void)error;
  *out_instance = (void *)(uintptr_t)1;
  return MLOOM_OK;
}

static void close_instance(void *instance) {
  (void)instance;
}

static int32_t session_new(void *instance, const mloom_session_args *args, void **out_session, mloom_error *error) {
  (void)args;
  (void)error;
  *out_session = instance;
  return MLOOM_OK;
}

static void session_free(void *session) {
  (void)session;
}

static int32_t append(void *session, const mloom_message *message, mloom_error *error) {
  (void)session;
  (void)message;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

static int32_t prepare(void *session, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error) {
  (void)session;
  (void)args;
  (void)out;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

static int32_t feed(void *session, const char *data, size_t size, const mloom_event_sink *sink, mloom_error *error) {
  (void)session;
  (void)data;
  (void)size;
  (void)sink;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

static int32_t finish(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink,
                      mloom_turn_result *out, mloom_error *error) {
  (void)session;
  (void)end;
  (void)sink;
  (void)out;
  (void)error;
  return MLOOM_E_UNSUPPORTED;
}

#define FIELD(id, heading, sort) \
  { .size = sizeof(mloom_field), .name = id, .title = heading, .help = "What it is for, in a sentence.", .kind = sort }

static const mloom_field base_url = FIELD("base_url", "Address", MLOOM_FIELD_URL);
static const mloom_field api_key = FIELD("api_key", "Key", MLOOM_FIELD_SECRET);
static const mloom_field model = FIELD("model", "Model", MLOOM_FIELD_STRING);
static const mloom_field region = FIELD("region", "Region", MLOOM_FIELD_STRING);
static const mloom_field account = FIELD("account", "Account", MLOOM_FIELD_STRING);
static const mloom_field limit = FIELD("token_limit", "Limit", MLOOM_FIELD_STRING);
static const mloom_field headers = FIELD("more_headers", "Headers", MLOOM_FIELD_HEADERS);
static const mloom_field *const fields[] = {&base_url, &api_key, &model, &region, &account, &limit, &headers};

static const mloom_provider provider = {
    .size = sizeof(provider),
    .id = MARK,
    .title = "Bench",
    .description = "Describes itself",
    .fields = fields,
    .field_count = sizeof(fields) / sizeof(fields[0]),
    .open = open_instance,
    .close = close_instance,
    .session_new = session_new,
    .session_free = session_free,
    .append = append,
    .prepare = prepare,
    .feed = feed,
    .finish = finish,
};
static const mloom_provider *const providers[] = {&provider};

static const mloom_plugin plugin = {
    .size = sizeof(plugin),
    .abi_major = MLOOM_ABI_MAJOR,
    .abi_minor = MLOOM_ABI_MINOR,
    .name = MARK,
    .version = "1.0",
    .description = "For measuring",
    .providers = providers,
    .provider_count = 1,
};

const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  (void)host;
  (void)error_text;
  (void)error_size;
  return &plugin;
}
