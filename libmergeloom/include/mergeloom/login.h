/* SPDX-License-Identifier: Apache-2.0
 *
 * Logging in to a provider that is a program with a login of its own.
 */
#ifndef MERGELOOM_LOGIN_H
#define MERGELOOM_LOGIN_H

#include <mergeloom/cancel.h>
#include <mergeloom/context.h>
#include <mergeloom/plugin.h> /* MLOOM_LOGIN_DEVICE, ... */

#ifdef __cplusplus
extern "C" {
#endif

/* What is told while a login runs. */
#define MLOOM_LOGIN_EVENT_URL 1u  /* text: the page to open */
#define MLOOM_LOGIN_EVENT_CODE 2u /* text: the code to type in there */
#define MLOOM_LOGIN_EVENT_TEXT 3u /* text: a line that the program wrote, safe to show */

typedef struct mloom_login_options {
  uint32_t size;
  uint32_t flags;
  uint32_t kind; /* MLOOM_LOGIN_...; 0: by a code, or through a browser where the program has no codes */
  uint32_t reserved;
  mloom_cancel *cancel;
  int64_t timeout_ms; /* 0: 15 minutes */
  /* For MLOOM_LOGIN_API_KEY. Copied to locked memory; the caller wipes its own. */
  const char *api_key;
  size_t api_key_size;
  /* A descriptor from which what a person types is read and handed to the program; NULL: nobody types. */
  const int *typed;
  void (*event)(uint32_t event, const char *text, void *userdata); /* on the caller's thread; may be NULL */
  void *userdata;
} mloom_login_options;

/* Runs the program's own login and waits for its end. Nothing of it is stored but what the program stores. Then check
 * the provider. MLOOM_E_NOT_FOUND: no such provider is loaded, or its program is not installed. MLOOM_E_UNSUPPORTED: it
 * has no login, or not of this kind. MLOOM_E_INVALID: there is no API key, for a login by one. MLOOM_E_DENIED: the
 * program ended without a login: what it wrote, told as events, says why. MLOOM_E_CANCELLED. MLOOM_E_TIMEOUT: begin
 * again. Thread-safe; a login folder is used by one at a time. */
MLOOM_API int32_t mloom_login(mloom_context *context, const char *provider, const mloom_login_options *options,
                              mloom_error *error);

#ifdef __cplusplus
}
#endif

#endif
