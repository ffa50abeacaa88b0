/* SPDX-License-Identifier: Apache-2.0
 *
 * The context: loaded plugins, settings and services. Everything else starts from one.
 */
#ifndef MERGELOOM_CONTEXT_H
#define MERGELOOM_CONTEXT_H

#include <mergeloom/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Any number of contexts may live in one process. A context may be used by several threads at once, except for
 * mloom_context_new and mloom_context_free. */
typedef struct mloom_context mloom_context;

/* component is the floor that speaks ("plugin", "net", ...). Called from the thread that logs, possibly from several at
 * once; message is redacted UTF-8 in one line. */
typedef void (*mloom_log_fn)(int32_t level, const char *component, const char *message, void *userdata);

typedef struct mloom_context_options {
  uint32_t size; /* sizeof(mloom_context_options) */
  uint32_t flags;
  /* Folders with plugins, absolute, end with NULL. NULL: the folders of MERGELOOM_PLUGIN_PATH (ignored in a set-user-id
   * program) and then the installed one. */
  const char *const *plugin_paths;
  /* Absolute path of the configuration file. NULL: MERGELOOM_CONFIG (ignored in a set-user-id program), else
   * /etc/mergeloom/config.json if it exists. */
  const char *config_path;
  /* Folder of mounted secrets. NULL: /run/secrets. */
  const char *secrets_path;
  /* NAME=value strings, ends with NULL. NULL: a copy of the process's environment. */
  const char *const *environment;
  mloom_log_fn log; /* NULL: no log */
  void *log_userdata;
  int32_t log_level; /* the least important level that is logged */
  uint32_t reserved;
  /* Absolute path of mergeloom-supervise. NULL: MERGELOOM_SUPERVISE (ignored in a set-user-id program), else the
   * installed one. */
  const char *supervise_path;
  /* Settings that a gateway gave (locked here) and settings that were written through a user interface (not locked), as
   * JSON documents in the form of the configuration file. They are weaker than it, and stored ones are weaker than a
   * gateway's. {NULL, 0}: none. Read during mloom_context_new only; the caller wipes what holds secrets. */
  mloom_bytes gateway_settings;
  mloom_bytes stored_settings;
  /* Under which descriptions show fingerprints of secrets, so that they stay the same from process to process
   * (mloom_seal_fingerprint_key). {NULL, 0}: a random one, which lives as long as the process. */
  mloom_bytes fingerprint_key;
  /* Files of plugins that are not loaded, as mloom_context_each_plugin gives their paths, ends with NULL: those that
   * ended an earlier process. They are told there with a failure. Read during mloom_context_new only. NULL: none. */
  const char *const *left_out_plugins;
  /* Called with the path of a plugin before it is loaded, before it is shut down, and before each call of a credential
   * source or a resolver layer of it; with NULL when that is over. In a process of its own a caller learns from it
   * which plugin has ended the process, when it is not that of the provider. From any thread that runs the plugin.
   * NULL: nobody asks. */
  void (*entering)(const char *plugin_path, void *userdata);
  void *entering_userdata;
} mloom_context_options;

/* Reads the configuration and loads the plugins. A plugin that fails to load is a warning in the log and in
 * mloom_context_each_plugin. options may be NULL. The caller owns *out. Neither is read again later: to take up changed
 * settings or a new version of a plugin (under another path, docs/abi.md), make a second context, start new calls on
 * it, and free the first when its last call has returned.
 *
 * MLOOM_E_INVALID: a path is not absolute, or the configuration file or a document of settings is malformed or no
 * regular file; the message has its line. MLOOM_E_NOT_FOUND: the configuration file that was named is not there.
 * MLOOM_E_DENIED: a file is writable by others: correct its mode. MLOOM_E_IO: it cannot be read. MLOOM_E_LIMIT: it is
 * larger than 1 MiB. MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_context_new(mloom_context **out, const mloom_context_options *options, mloom_error *error);

/* Shuts the plugins down and frees everything; the plugins' code stays in memory. No call may be running on it.
 * Results, reports and resolutions that came from it stay valid. NULL is allowed. */
MLOOM_API void mloom_context_free(mloom_context *context);

/* One plugin that was found, loaded or refused. */
typedef struct mloom_plugin_info {
  uint32_t size;
  uint32_t flags;
  const char *name; /* from the file name while it could not be loaded */
  const char *version;
  const char *description;
  const char *path;    /* "" for one that was built in */
  const char *roles;   /* "provider openai-compatible, credential source static" */
  const char *failure; /* NULL, or the reason why it was refused */
  uint32_t abi_major;
  uint32_t abi_minor;
  const char *remedy; /* what to change when it was refused; may be "" */
} mloom_plugin_info;

/* Calls fn for each plugin found, refused ones included, in the order of loading. info is valid during the callback. */
MLOOM_API void mloom_context_each_plugin(mloom_context *context,
                                         void (*fn)(const mloom_plugin_info *info, void *userdata), void *userdata);

/* Describes every provider with its fields, effective values (secrets masked), origins and locks as a JSON document:
 * docs/json.md has its members. The caller frees *out with mloom_string_free. MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_context_describe_providers(mloom_context *context, char **out, mloom_error *error);

/* What is set, defaults left out, as a JSON document in the form of the configuration file, WITH SECRETS IN THE OPEN:
 * for a gateway that hands its settings to its executors, over an authenticated connection. The caller frees *out with
 * mloom_string_free after overwriting it. MLOOM_E_MEMORY. */
MLOOM_API int32_t mloom_context_export_settings(mloom_context *context, char **out, mloom_error *error);

/* Frees a string that this library gave to the caller. NULL is allowed. */
MLOOM_API void mloom_string_free(char *string);

/* The version of the library, for instance "0.1.0". Static. */
MLOOM_API const char *mloom_version(void);

/* The name of a code, for instance "not-ready"; "internal" for an unknown one. Static. */
MLOOM_API const char *mloom_code_name(int32_t code);

#ifdef __cplusplus
}
#endif

#endif
