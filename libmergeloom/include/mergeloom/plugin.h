/* SPDX-License-Identifier: Apache-2.0
 *
 * The plugin ABI of mergeloom, version 1.
 *
 * A plugin built against any 1.x header loads in every later 1.y host. A plugin built against 1.y runs in an
 * older 1.x host and finds newer host functions absent. Nothing is ever removed, reordered or given a new
 * meaning within 1.
 *
 * A plugin is a shared object that exports one symbol, mergeloom_plugin_init_v1, and links no library of
 * ours. Every struct that may grow begins with its size; a member exists only if size covers it (see
 * MLOOM_HAS) and, for a pointer, if it is not NULL. Set size to sizeof the struct and flags to 0 in each struct
 * you fill. A function of a plugin that is given a value it does not know (a role, a kind of probe) returns
 * MLOOM_E_UNSUPPORTED. error is never NULL where the host calls a plugin, and may be NULL where a plugin calls the
 * host. The guide is docs/plugin-guide.md.
 */
#ifndef MERGELOOM_PLUGIN_H
#define MERGELOOM_PLUGIN_H

#include <mergeloom/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MLOOM_ABI_MAJOR 1u
#define MLOOM_ABI_MINOR 0u

#if defined(__GNUC__)
#define MLOOM_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define MLOOM_PLUGIN_EXPORT
#endif

/* Does the struct that p points to, of type type, have member as the other side built it? */
#define MLOOM_HAS(p, type, member) ((p)->size >= offsetof(type, member) + sizeof(((const type *)0)->member))

/* Opaque to plugins. */
typedef struct mloom_call mloom_call;         /* one call of the host: its deadline, cancel flag and log fields */
typedef struct mloom_secret mloom_secret;     /* bytes in locked memory, wiped when the last reference goes */
typedef struct mloom_settings mloom_settings; /* effective settings of one provider, a snapshot */

/* ---- Headers, requests, answers ---- */

typedef struct mloom_header {
  uint32_t size;
  uint32_t flags;
  const char *name;
  const char *value;          /* without CR or LF */
  const mloom_secret *secret; /* when set, its bytes follow value on the wire: {"Authorization", "Bearer ", key} */
} mloom_header;

/* One HTTP request. Pointers are borrowed for the call. The host adds proxy, private CA and time-outs from the
 * provider's transport settings, follows no redirect, and refuses header names and values with CR or LF. */
typedef struct mloom_http_request {
  uint32_t size;
  uint32_t flags; /* MLOOM_HTTP_DIRECT */
  const char *method;
  const char *url;
  const mloom_header *const *headers;
  size_t header_count;
  const mloom_bytes *body; /* segments sent one after the other */
  size_t body_count;
  /* Milliseconds; 0 takes the provider's setting. */
  uint64_t connect_timeout_ms;
  uint64_t first_byte_timeout_ms;
  uint64_t idle_timeout_ms;
  uint64_t total_timeout_ms;
} mloom_http_request;

/* Past any proxy: for addresses that mean this very machine or network, such as a cloud's metadata server. */
#define MLOOM_HTTP_DIRECT 1u

/* What feed and a body callback may return besides MLOOM_OK and errors. */
#define MLOOM_COMPLETE 1
/* What probe_result may return: the answer has another page, to be asked for by another probe. */
#define MLOOM_MORE 2

/* Receives an answer, in order, on the thread that made the call. A negative return aborts the exchange and
 * becomes its outcome; MLOOM_COMPLETE from body says that the answer is whole, and the exchange then ends well within a
 * second even when the server keeps the connection. name and value of a header are valid during the callback. */
typedef struct mloom_http_sink {
  uint32_t size;
  uint32_t flags;
  void *userdata;
  int32_t (*status)(int32_t status, void *userdata);
  int32_t (*header)(const char *name, const char *value, void *userdata);
  int32_t (*body)(const char *data, size_t data_size, void *userdata);
} mloom_http_sink;

/* A file that the host writes for a program, readable and executable for this user only. */
typedef struct mloom_process_file {
  uint32_t size;
  uint32_t flags;
  const char *path; /* absolute, directly in the session's scratch_directory; of a probe, in the folder of the login */
  mloom_bytes content;
} mloom_process_file;

/* The program runs in the host's sandbox, with the network: it reads the system, its own folder and read_paths, and
 * changes write_paths only. */
#define MLOOM_PROCESS_CONFINED 1u
/* The program runs on a terminal of its own; what it writes to either output arrives as output. */
#define MLOOM_PROCESS_TERMINAL 2u

/* One process, run without a shell, stdin closed after its bytes. The environment is exactly the one given, and the
 * host's proxy variables where it says nothing of them. */
typedef struct mloom_process_request {
  uint32_t size;
  uint32_t flags;                 /* MLOOM_PROCESS_... */
  const char *const *argv;        /* ends with NULL; argv[0] is an absolute path. Never put a secret here */
  const char *const *environment; /* NAME=value strings, ends with NULL */
  const char *working_directory;  /* absolute */
  const mloom_bytes *input;       /* NULL: empty stdin */
  uint64_t idle_timeout_ms;       /* 0: none */
  uint64_t total_timeout_ms;      /* 0: until the call's deadline */
  /* How long the program may go on after feed said MLOOM_COMPLETE, before it is ended; 0: one second. */
  uint64_t complete_grace_ms;
  /* Environment variables that hold secrets: the host appends them to environment and wipes them. */
  const mloom_header *const *variables;
  size_t variable_count;
  const mloom_process_file *const *files; /* written before the start, removed after the end */
  size_t file_count;
  const char *const *read_paths;  /* for MLOOM_PROCESS_CONFINED; absolute, ends with NULL */
  const char *const *write_paths; /* the same; each has to exist */
  /* A folder that one program at a time may use: the host holds a lock in it from before the start to after the end,
   * and waits for it. NULL: none. */
  const char *lock_directory;
} mloom_process_request;

typedef struct mloom_process_sink {
  uint32_t size;
  uint32_t flags;
  void *userdata;
  int32_t (*output)(const char *data, size_t data_size, void *userdata);       /* stdout */
  int32_t (*error_output)(const char *data, size_t data_size, void *userdata); /* stderr */
  int32_t (*exited)(int32_t exit_code, int32_t signal, void *userdata);        /* once, last */
} mloom_process_sink;

/* ---- Settings ---- */

/* A field that a provider declares. The host derives the environment name JCA_<ID>_<NAME> (upper case, '-' and
 * '.' as '_') where environment_names is NULL, and adds the transport fields every provider has. */
typedef struct mloom_field {
  uint32_t size;
  uint32_t flags;   /* MLOOM_FIELD_REQUIRED, ... */
  const char *name; /* lower case, a-z 0-9 _ */
  const char *title;
  const char *help;
  uint32_t kind; /* MLOOM_FIELD_STRING ... */
  uint32_t reserved;
  const char *const *environment_names; /* ends with NULL, strongest first */
  const char *const *choices;           /* ends with NULL */
  const char *default_value;            /* NULL: none */
  int64_t minimum;
  int64_t maximum;
  const char *shown_when_field; /* the field is asked for only while this other field ... */
  const char *shown_when_value; /* ... has this value */
} mloom_field;

#define MLOOM_FIELD_REQUIRED 1u
#define MLOOM_FIELD_ADVANCED 2u
#define MLOOM_FIELD_MULTILINE 4u /* a secret that may have line breaks: a key file, a JSON document */

/* The effective value of one field. Texts live as long as the settings object. */
typedef struct mloom_setting {
  uint32_t size;
  uint32_t flags;
  const char *value;          /* NULL when unset; never set for secrets and headers */
  const mloom_secret *secret; /* borrowed; set for MLOOM_FIELD_SECRET and MLOOM_FIELD_HEADERS that have a value */
  const char *origin_name;    /* the variable, file or store it came from; safe to show */
  uint32_t origin;            /* MLOOM_ORIGIN_... */
  uint32_t locked;            /* 1: deployment owns it */
  /* The file that the value was read from; it may hold another one by now. NULL: none, or not a file of its own. */
  const char *path;
} mloom_setting;

/* ---- The host ---- */

/* What the host offers. All functions may be called from any thread during a call into the plugin; none from
 * mergeloom_plugin_init_v1 except log, alloc, realloc and free. ctx is always the first argument. The table
 * outlives every call but not the plugin's shutdown. */
typedef struct mloom_host {
  uint32_t size;
  uint32_t flags;
  uint32_t abi_major;
  uint32_t abi_minor;
  const char *version;
  void *ctx;
  /* level is MLOOM_LOG_...; component may be NULL. message becomes one line, with known secrets taken out. */
  void (*log)(void *ctx, int32_t level, const char *component, const char *message);
  /* What the host frees comes from here; what a plugin allocated otherwise it frees itself. NULL when out of
   * memory. */
  void *(*alloc)(void *ctx, size_t size);
  void *(*realloc)(void *ctx, void *memory, size_t size);
  void (*free)(void *ctx, void *memory);
  /* Copies bytes into a new secret and wipes bytes, also when it fails. The caller owns one reference. From then on the
   * host takes it out of logs, errors and events. MLOOM_E_INVALID, MLOOM_E_LIMIT (more than 1 MiB), MLOOM_E_MEMORY. */
  int32_t (*secret_new)(void *ctx, char *bytes, size_t size, mloom_secret **out, mloom_error *error);
  /* Add and drop a reference. NULL is allowed. */
  void (*secret_ref)(void *ctx, const mloom_secret *secret);
  void (*secret_unref)(void *ctx, const mloom_secret *secret);
  /* Borrows the bytes; valid while the caller holds a reference. Never copy them to ordinary memory. MLOOM_E_INVALID:
   * secret is NULL. */
  int32_t (*secret_borrow)(void *ctx, const mloom_secret *secret, mloom_bytes *out, mloom_error *error);
  /* Blocking. Ends early on cancel or deadline of the call; call may be NULL. MLOOM_OK for every whole answer, whatever
   * its status. MLOOM_E_INVALID: the URL, the method or a header is malformed: correct it. MLOOM_E_UNAVAILABLE: the
   * server was not reached (name, connection, TLS, proxy). MLOOM_E_TIMEOUT: one of the time-outs, named in the message.
   * MLOOM_E_PROTOCOL: the answer was cut or is no HTTP. MLOOM_E_CANCELLED. MLOOM_E_UNSUPPORTED: this host makes no
   * requests for plugins. Else what a callback of the sink returned. retryable says whether another try may help. */
  int32_t (*http)(void *ctx, mloom_call *call, const mloom_http_request *request, const mloom_http_sink *sink,
                  mloom_error *error);
  /* Blocking; ends early as http, with everything that the program started. Of the request it heeds argv, environment,
   * working_directory, input and the two time-outs; the rest is for exchanges. MLOOM_OK whenever the program ended by
   * itself, whatever its status. MLOOM_E_INVALID: argv[0] is not absolute. MLOOM_E_IO: it cannot be run.
   * MLOOM_E_TIMEOUT, MLOOM_E_CANCELLED. MLOOM_E_LIMIT: it wrote more than 64 MiB. Else what a callback of the sink
   * returned. */
  int32_t (*spawn)(void *ctx, mloom_call *call, const mloom_process_request *request, const mloom_process_sink *sink,
                   mloom_error *error);
  int64_t (*clock_wall_ms)(void *ctx);      /* since 1970-01-01 UTC */
  int64_t (*clock_monotonic_ms)(void *ctx); /* never goes back */
  /* Sleeps until the monotonic time; MLOOM_E_CANCELLED or MLOOM_E_TIMEOUT when the call ends first. */
  int32_t (*sleep_until)(void *ctx, mloom_call *call, int64_t monotonic_ms);
  /* Fills out with bytes fit for keys. MLOOM_E_IO: the system has none: give up. */
  int32_t (*random)(void *ctx, void *out, size_t size);
  /* MLOOM_E_NOT_FOUND when the schema has no such field; MLOOM_OK with origin MLOOM_ORIGIN_UNSET when it has no
   * value. out->size must be set by the caller; MLOOM_E_INVALID when it is not. */
  int32_t (*setting_get)(void *ctx, const mloom_settings *settings, const char *name, mloom_setting *out);
  int32_t (*call_cancelled)(void *ctx, mloom_call *call);    /* 1 when the call was cancelled or timed out */
  int64_t (*call_deadline_ms)(void *ctx, mloom_call *call);  /* monotonic; INT64_MAX when there is none */
  const void *(*get_interface)(void *ctx, const char *name); /* NULL when unknown; names "x-..." are experimental */
  /* A variable of the environment that the host works with, which is not always the process's; NULL when it is unset
   * or empty. Borrowed for the life of the host. Never use getenv. */
  const char *(*environment_get)(void *ctx, const char *name);
} mloom_host;

/* ---- Provider role ---- */

/* How the host may call the functions of one role. */
#define MLOOM_THREADS_SERIALIZE_ALL 0u      /* one call at a time into the whole plugin: the safe default */
#define MLOOM_THREADS_SERIALIZE_INSTANCE 1u /* one call at a time for each instance and what came from it */
#define MLOOM_THREADS_PARALLEL 2u           /* any number; one session is still used by one thread at a time */

#define MLOOM_SHAPE_MODEL 0u /* answers one turn; the host runs the tools */
#define MLOOM_SHAPE_AGENT 1u /* a program that runs the whole job; the host supervises it */

/* Capabilities of a provider. */
#define MLOOM_CAPABILITY_TOOLS UINT64_C(1)
#define MLOOM_CAPABILITY_STREAMING UINT64_C(2)
#define MLOOM_CAPABILITY_MODEL_LIST UINT64_C(4)
#define MLOOM_CAPABILITY_PARALLEL_TOOLS UINT64_C(8)

typedef struct mloom_open_args {
  uint32_t size;
  uint32_t flags;
  const mloom_host *host;         /* valid until the plugin's shutdown returns */
  const mloom_settings *settings; /* valid until close */
} mloom_open_args;

typedef struct mloom_tool {
  uint32_t size;
  uint32_t flags;
  const char *name;
  const char *description;
  mloom_bytes parameters; /* a JSON Schema object */
} mloom_tool;

typedef struct mloom_session_args {
  uint32_t size;
  uint32_t flags;         /* MLOOM_SESSION_READ_ONLY */
  const char *session_id; /* stable for one conversation; usable as a prompt-cache key */
  const char *model;
  mloom_bytes instructions; /* the system text */
  const mloom_tool *const *tools;
  size_t tool_count;
  uint64_t max_output_tokens;    /* 0: the provider's default */
  const char *working_directory; /* agent shape: absolute path of the workspace; else NULL */
  /* The members below are for the agent shape. A private folder of the job, absolute; what is written there goes when
   * the job ends. Programs of the job may change its folders home and tmp. */
  const char *scratch_directory;
  /* A program that takes one argument, a command line for bash, and runs it in the sandbox of the job's commands. */
  const char *command_wrapper;
  const char *const *command_environment; /* of the job's commands: NAME=value, ends with NULL */
  const char *const *allowed_commands;    /* names of programs, ends with NULL */
  const char *const *read_paths;          /* what commands may read besides the system and the workspace */
  /* A program for hooks that are asked before each command: it reads {"tool_name": "Bash", "tool_input": {"command":
   * ...}} and ends with 0, or with 2 and the reason on its standard error output where the command line runs a program
   * that is not allowed. What it refuses it also appends to the file with its path and ".log" behind it. */
  const char *command_judge;
} mloom_session_args;

#define MLOOM_SESSION_READ_ONLY 1u /* a flag: nothing of the workspace may be changed */

#define MLOOM_ROLE_USER 0u
#define MLOOM_ROLE_TOOL_RESULT 1u

/* One thing said to the model. The session encodes it at once and keeps nothing of the caller's. What the
 * model itself says the session keeps by itself, opaque blocks included. */
typedef struct mloom_message {
  uint32_t size;
  uint32_t flags; /* MLOOM_MESSAGE_ERROR: the tool failed */
  uint32_t role;
  uint32_t reserved;
  mloom_bytes text;
  const char *tool_call_id; /* MLOOM_ROLE_TOOL_RESULT: the id of the call answered */
  const char *tool_name;
} mloom_message;

#define MLOOM_MESSAGE_ERROR 1u

typedef struct mloom_turn_args {
  uint32_t size;
  uint32_t flags;
  uint64_t turn;    /* 1, 2, ... */
  uint64_t attempt; /* 1, 2, ...: more than 1 when the turn is sent again */
} mloom_turn_args;

#define MLOOM_EXCHANGE_HTTP 0u
#define MLOOM_EXCHANGE_PROCESS 1u

#define MLOOM_EXCHANGE_NEXT 1u /* set by the host for probe: the next page is asked for */

/* How the host is to authorize an HTTP exchange: the sources are asked in order, the first that applies
 * decides. A static value goes into header, after prefix; a source that signs does it itself. */
typedef struct mloom_authorization {
  uint32_t size;
  uint32_t flags;             /* MLOOM_AUTHORIZATION_OPTIONAL: go without when no source applies */
  const char *const *sources; /* ids of credential sources, ends with NULL */
  const char *audience;       /* what the credential is for: an origin, scope or service; caches are kept by it */
  const char *header;         /* "Authorization", "x-api-key", ... */
  const char *prefix;         /* "Bearer ", "" */
} mloom_authorization;

#define MLOOM_AUTHORIZATION_OPTIONAL 1u

/* What the host is to do for one turn or probe. Filled by the plugin; its pointers stay valid until finish (or
 * probe_result) of this exchange has returned. */
typedef struct mloom_exchange {
  uint32_t size;
  uint32_t flags;
  uint32_t kind;
  uint32_t reserved;
  const mloom_http_request *http;
  const mloom_process_request *process;
  const mloom_authorization *authorization; /* NULL: none */
} mloom_exchange;

/* Kinds of event. Text members that a kind does not list are empty. */
#define MLOOM_EVENT_TEXT 1u       /* text: the next piece of the answer */
#define MLOOM_EVENT_REASONING 2u  /* text: the next piece of reasoning that may be shown */
#define MLOOM_EVENT_TOOL_CALL 3u  /* id, name, text: a complete call; text is the JSON of its arguments, unchecked */
#define MLOOM_EVENT_TOOL_DELTA 4u /* name: arguments of a call are arriving; for display */
#define MLOOM_EVENT_USAGE 5u      /* the usage members, totals of this turn so far */
#define MLOOM_EVENT_RATE_LIMIT 6u /* text: what the provider says of its limits; name: low when little is left */
#define MLOOM_EVENT_NOTICE 7u     /* text: something an operator should know; name: a stable code */
/* Agent shape. name: command, file, tool, search, plan, ...; text: what it does, for display. NAME_end and NAME_failed
 * tell how the last of that name ended; file and plan are over when they are told. */
#define MLOOM_EVENT_ACTIVITY 8u
#define MLOOM_EVENT_RESULT 9u /* agent shape. text: the JSON of its structured result, unchecked */

typedef struct mloom_event {
  uint32_t size;
  uint32_t flags;
  uint32_t kind;
  uint32_t reserved;
  mloom_bytes text;
  mloom_bytes id;
  mloom_bytes name;
  uint64_t input_tokens; /* all of the prompt, cached ones included */
  uint64_t cached_input_tokens;
  uint64_t cache_write_tokens;
  uint64_t output_tokens; /* reasoning included */
  uint64_t reasoning_tokens;
  uint64_t cost_millionths; /* of a US dollar, where the program itself says what the turn cost; 0: unknown */
} mloom_event;

/* Receives events, in order, during feed and finish. */
typedef struct mloom_event_sink {
  uint32_t size;
  uint32_t flags;
  void *userdata;
  void (*event)(const mloom_event *event, void *userdata);
} mloom_event_sink;

/* Why the model stopped. */
#define MLOOM_STOP_END 0u        /* it said all it had to say */
#define MLOOM_STOP_TOOL_CALLS 1u /* it waits for the results of its calls */
#define MLOOM_STOP_LENGTH 2u     /* output limit reached; calls of this turn must not be run */
#define MLOOM_STOP_REFUSED 3u    /* a refusal or content filter */
#define MLOOM_STOP_PAUSED 4u     /* send the conversation again as it is */

/* How the exchange ended, told to finish. */
typedef struct mloom_exchange_end {
  uint32_t size;
  uint32_t flags;
  int32_t outcome;     /* MLOOM_OK: the answer ended regularly; else why it did not */
  int32_t http_status; /* or 0 */
  int32_t exit_code;   /* processes */
  int32_t signal;
} mloom_exchange_end;

typedef struct mloom_turn_result {
  uint32_t size;
  uint32_t flags;
  uint32_t stop; /* MLOOM_STOP_... */
  uint32_t tool_call_count;
} mloom_turn_result;

/* What probe asks for. */
#define MLOOM_PROBE_REACH 1u  /* any cheap answer of the endpoint proves that it is reached */
#define MLOOM_PROBE_MODELS 2u /* the list of models */
/* Of the agent shape: a program is run, and its exit status stands in for the HTTP status. */
#define MLOOM_PROBE_PROGRAM 3u /* it starts and says its version: check "cli" */
#define MLOOM_PROBE_LOGIN 4u   /* it says whether it is logged in: check "login" */
#define MLOOM_PROBE_SANDBOX 5u /* its own sandbox withstands an attack: check "confinement" */

/* Receives what a check or probe found. */
typedef struct mloom_probe_sink {
  uint32_t size;
  uint32_t flags;
  void *userdata;
  /* check: settings, credential, model, ...; state MLOOM_CHECK_...; remedy may be "". */
  void (*check)(const char *check, uint32_t state, const char *reason, const char *remedy, void *userdata);
  void (*model)(const char *id, const char *title, uint64_t context_tokens, void *userdata);
} mloom_probe_sink;

/* A provider translates between the host's conversation and one wire format or program. It does no input or
 * output of its own. Members marked optional may be NULL. All texts are UTF-8 and stay valid until shutdown. */
typedef struct mloom_provider {
  uint32_t size;
  uint32_t flags;
  const char *id; /* lower case, a-z 0-9 - */
  const char *title;
  const char *description;
  uint32_t shape;
  uint32_t threads;
  uint64_t capabilities;
  const char *const *aliases; /* accepted on input, ends with NULL; optional */
  const mloom_field *const *fields;
  size_t field_count;
  /* Must validate settings only as far as it needs to; the host has checked kinds and required fields. A failure makes
   * the provider not ready, with the error as the reason. On failure close is not called. */
  int32_t (*open)(const mloom_open_args *args, void **out_instance, mloom_error *error);
  /* After session_free of each of its sessions. */
  void (*close)(void *instance);
  /* Begins a conversation; args are borrowed for the call. A failure ends the job, and session_free is not called. */
  int32_t (*session_new)(void *instance, const mloom_session_args *args, void **out_session, mloom_error *error);
  /* At any time between two calls, also after a failed turn. */
  void (*session_free)(void *session);
  /* Encodes what is said next. A failure ends the job. */
  int32_t (*append)(void *session, const mloom_message *message, mloom_error *error);
  /* Describes what is to be done for a turn; a failure fails the turn.
   * Called again for the same turn after a failed attempt: whatever was decoded of that attempt is dropped. */
  int32_t (*prepare)(void *session, const mloom_turn_args *args, mloom_exchange *out, mloom_error *error);
  /* One header of the answer, before any feed; optional. */
  int32_t (*header)(void *session, int32_t http_status, const char *name, const char *value, mloom_error *error);
  /* Bytes of the answer (or stdout), cut anywhere. Called for error statuses too: finish says what they mean.
   * A negative return aborts the exchange. MLOOM_COMPLETE: the answer is whole, as after a stream's terminal event;
   * the host does not wait long for the server to end the connection. More bytes may still be fed. */
  int32_t (*feed)(void *session, const char *data, size_t size, const mloom_event_sink *sink, mloom_error *error);
  /* Ends the attempt. Returns MLOOM_OK and out when the turn is complete: the session has then appended what the
   * model said. Otherwise a code that says what the service answered, retryable and retry_after_ms set; the session is
   * as before prepare. A stream that ended without its terminal event is MLOOM_E_PROTOCOL. */
  int32_t (*finish)(void *session, const mloom_exchange_end *end, const mloom_event_sink *sink, mloom_turn_result *out,
                    mloom_error *error);
  /* Tells checks of the settings that need no network; a failure counts as a failed one. Optional. */
  int32_t (*check)(void *instance, const mloom_probe_sink *sink, mloom_error *error);
  /* Describes an exchange for MLOOM_PROBE_...; MLOOM_E_UNSUPPORTED when the service has nothing like it. Optional. */
  int32_t (*probe)(void *instance, uint32_t kind, mloom_exchange *out, mloom_error *error);
  /* Reads the whole answer to a probe. MLOOM_E_UNAUTHENTICATED, MLOOM_E_NOT_FOUND, ... as for finish. MLOOM_MORE: there
   * is another page, and probe is called again, with MLOOM_EXCHANGE_NEXT in the flags of out. Optional. */
  int32_t (*probe_result)(void *instance, uint32_t kind, int32_t http_status, const char *body, size_t body_size,
                          const mloom_probe_sink *sink, mloom_error *error);
  /* Describes how a person logs in: a program to run, kind MLOOM_EXCHANGE_PROCESS. secret is the API key for
   * MLOOM_LOGIN_API_KEY and else NULL; it goes to the program's input. MLOOM_E_UNSUPPORTED for a kind that the
   * program has not. Optional. */
  int32_t (*login)(void *instance, uint32_t kind, const mloom_secret *secret, mloom_exchange *out, mloom_error *error);
} mloom_provider;

#define MLOOM_LOGIN_DEVICE 1u  /* a code, typed in on a page that is opened on any machine */
#define MLOOM_LOGIN_BROWSER 2u /* a page that is opened in a browser; it may answer with a code to be typed in here */
#define MLOOM_LOGIN_API_KEY 3u
#define MLOOM_LOGIN_OUT 4u

/* ---- Credential-source role ---- */

#define MLOOM_CREDENTIAL_VALUE 0u /* one secret, sent in the header the provider names */
#define MLOOM_CREDENTIAL_SIGNS 1u /* the source's authorize makes the headers */

/* What probe may return besides MLOOM_OK and errors: it applies, and what it is made of (a file) is no longer what the
 * last fetch found. The host then fetches again, and uses the old credential on while that fails. */
#define MLOOM_CREDENTIAL_CHANGED 1

typedef struct mloom_credential_args {
  uint32_t size;
  uint32_t flags;
  const mloom_settings *settings; /* of the provider that asks */
  const char *audience;
  /* What to add to this machine's clock to come to the service's, by which it judges signatures; 0 as long as it has
   * refused none for its time. */
  int64_t clock_offset_ms;
} mloom_credential_args;

/* Filled by fetch. The host takes the reference to secret. */
typedef struct mloom_credential {
  uint32_t size;
  uint32_t flags;
  uint32_t kind;
  uint32_t reserved;
  const mloom_secret *secret;
  int64_t expires_wall_ms; /* -1: it does not expire, or nobody knows */
  char description[160];   /* safe to show: where it came from, never a part of it */
  /* What is to be added to this machine's clock to come to the issuer's, where that refused what was made by ours and
   * took it by its own; else 0. */
  int64_t clock_offset_ms;
} mloom_credential;

typedef struct mloom_header_sink {
  uint32_t size;
  uint32_t flags;
  void *userdata;
  int32_t (*header)(const mloom_header *header, void *userdata); /* copied; the sink takes its own secret reference */
} mloom_header_sink;

/* Fetches a credential for an audience. The host owns order, cache, single flight and the one retry after a 401. */
typedef struct mloom_credential_source {
  uint32_t size;
  uint32_t flags;
  const char *id;
  const char *title;
  const char *description;
  uint32_t threads;
  uint32_t reserved;
  int32_t (*open)(const mloom_open_args *args, void **out_instance, mloom_error *error);
  void (*close)(void *instance);
  /* Could this source apply? MLOOM_OK, MLOOM_CREDENTIAL_CHANGED, MLOOM_E_NOT_APPLICABLE (try the next) or another code
   * (stop the chain with this reason). Never blocks. */
  int32_t (*probe)(void *instance, const mloom_credential_args *args, mloom_error *error);
  /* Gets the credential, blocking where it must; the host keeps it and asks again in time. MLOOM_E_NOT_CONFIGURED,
   * MLOOM_E_DENIED, MLOOM_E_NEEDS_INTERACTION, MLOOM_E_EXPIRED: a person has to change what the remedy names.
   * MLOOM_E_UNAVAILABLE, MLOOM_E_TIMEOUT: later may work. MLOOM_E_CANCELLED. A failure stops the chain, for whether the
   * source applies is for probe to say; what was fetched before is used on as long as it is good. */
  int32_t (*fetch)(void *instance, mloom_call *call, const mloom_credential_args *args, mloom_credential *out,
                   mloom_error *error);
  /* The service refused the credential: forget what is cached inside. Optional. */
  void (*invalidate)(void *instance, const mloom_credential_args *args);
  /* MLOOM_CREDENTIAL_SIGNS: headers for this very request. A failure fails the request. Optional. */
  int32_t (*authorize)(void *instance, const mloom_credential_args *args, const mloom_credential *credential,
                       const mloom_http_request *request, const mloom_header_sink *sink, mloom_error *error);
} mloom_credential_source;

/* ---- Resolver role ---- */

typedef struct mloom_layer_query {
  uint32_t size;
  uint32_t flags;
  const char *key;      /* "provider" or "model" */
  mloom_bytes job;      /* the mergeloom.job.v1 document */
  const char *provider; /* the provider chosen already; NULL while it is being chosen */
} mloom_layer_query;

typedef struct mloom_layer_answer {
  uint32_t size;
  uint32_t flags;
  char value[256];      /* "" when the layer has nothing to say */
  char provenance[256]; /* where the value comes from; safe to show */
} mloom_layer_answer;

/* One more rung of the ladder, or a veto. A pure function: no input or output. */
typedef struct mloom_resolver_layer {
  uint32_t size;
  uint32_t flags;
  const char *id;
  const char *title;
  int32_t rank; /* directive 100, label 200, repository 300, workspace 400, worker 500; lower is asked first */
  uint32_t threads;
  /* Proposes a value: writes it and where it comes from to out. Nothing to say: an empty value, MLOOM_E_NOT_APPLICABLE
   * or MLOOM_E_NOT_FOUND. Any other code blocks the job, with the error as the reason. Optional. */
  int32_t (*lookup)(const mloom_layer_query *query, mloom_layer_answer *out, mloom_error *error);
  /* May this provider or model be used? candidate is its id. MLOOM_OK, or MLOOM_E_DENIED with the reason in error: the
   * job is blocked, or the label skipped that named the model. Any other code denies as well. Optional. */
  int32_t (*veto)(const mloom_layer_query *query, const char *candidate, mloom_error *error);
} mloom_resolver_layer;

/* ---- The plugin ---- */

/* Returned by mergeloom_plugin_init_v1; must stay valid until shutdown returns. The host copies what it keeps. */
typedef struct mloom_plugin {
  uint32_t size;
  uint32_t flags;
  uint32_t abi_major; /* MLOOM_ABI_MAJOR */
  uint32_t abi_minor; /* MLOOM_ABI_MINOR */
  const char *name;
  const char *version;
  const char *description;
  const mloom_provider *const *providers;
  size_t provider_count;
  const mloom_credential_source *const *credential_sources;
  size_t credential_source_count;
  const mloom_resolver_layer *const *resolver_layers;
  size_t resolver_layer_count;
  void (*shutdown)(void); /* optional; called once per init, after every instance was closed */
} mloom_plugin;

/* The one exported symbol. Does no input or output and starts no thread. Returns NULL and writes a one-line reason
 * to error_text, at most error_size bytes with the NUL, when the plugin cannot run in this host. */
typedef const mloom_plugin *(*mloom_plugin_init_fn)(const mloom_host *host, char *error_text, size_t error_size);

MLOOM_PLUGIN_EXPORT const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text,
                                                                 size_t error_size);

#ifdef __cplusplus
}
#endif

#endif
