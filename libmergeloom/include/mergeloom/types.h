/* SPDX-License-Identifier: Apache-2.0
 *
 * Types shared by embedders and plugins. Depends on <stdint.h> and <stddef.h> only; valid C99 and C++.
 */
#ifndef MERGELOOM_TYPES_H
#define MERGELOOM_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Marks what the library exports; everything else in it is hidden. */
#if defined(__GNUC__)
#define MLOOM_API __attribute__((visibility("default")))
#else
#define MLOOM_API
#endif

/* Outcome of every fallible call: MLOOM_OK or one of the negative codes. New codes may be added within
 * ABI 1; treat an unknown negative code as MLOOM_E_INTERNAL. The comment says what the caller does next. */
#define MLOOM_OK 0
#define MLOOM_E_INVALID (-1)            /* the input is malformed: correct it */
#define MLOOM_E_MEMORY (-2)             /* out of memory: free some or give up */
#define MLOOM_E_IO (-3)                 /* a file or pipe failed: see the message */
#define MLOOM_E_NOT_FOUND (-4)          /* the thing named does not exist */
#define MLOOM_E_DENIED (-5)             /* refused by permission or policy */
#define MLOOM_E_UNSUPPORTED (-6)        /* this build, kernel, server or plugin cannot do it */
#define MLOOM_E_CANCELLED (-7)          /* the caller's cancel token was triggered */
#define MLOOM_E_TIMEOUT (-8)            /* a deadline or time-out passed */
#define MLOOM_E_UNAVAILABLE (-9)        /* the other side is down or unreachable: later may work */
#define MLOOM_E_PROTOCOL (-10)          /* the other side broke its protocol, or cut a stream */
#define MLOOM_E_UNAUTHENTICATED (-11)   /* the credential is missing or was refused: change it */
#define MLOOM_E_RATE_LIMITED (-12)      /* too many requests: wait for retry_after_ms */
#define MLOOM_E_QUOTA (-13)             /* the account's quota or budget is spent: waiting does not help */
#define MLOOM_E_LIMIT (-14)             /* a limit set for this job or call was reached */
#define MLOOM_E_CONFLICT (-15)          /* the target changed or is locked: read it again */
#define MLOOM_E_NOT_READY (-16)         /* a readiness check fails: see the report */
#define MLOOM_E_BLOCKED (-17)           /* resolution or policy blocks the job: change the ticket or policy */
#define MLOOM_E_NOT_APPLICABLE (-18)    /* this credential source does not apply here: try the next */
#define MLOOM_E_NOT_CONFIGURED (-19)    /* a required setting has no value */
#define MLOOM_E_NEEDS_INTERACTION (-20) /* a person has to log in first */
#define MLOOM_E_EXPIRED (-21)           /* the credential has expired: fetch it again */
#define MLOOM_E_REFUSED (-22)           /* the model or the service's policy refused to answer */
#define MLOOM_E_CONTEXT_FULL (-23)      /* the conversation no longer fits the model's context */
#define MLOOM_E_INTERNAL (-24)          /* a bug in this library or a plugin: report it */

/* Where an error arose. */
#define MLOOM_DOMAIN_NONE 0u
#define MLOOM_DOMAIN_USAGE 1u
#define MLOOM_DOMAIN_PLUGIN 2u
#define MLOOM_DOMAIN_SETTINGS 3u
#define MLOOM_DOMAIN_SECRET 4u
#define MLOOM_DOMAIN_CREDENTIAL 5u
#define MLOOM_DOMAIN_RESOLVER 6u
#define MLOOM_DOMAIN_NETWORK 7u
#define MLOOM_DOMAIN_PROVIDER 8u
#define MLOOM_DOMAIN_PROCESS 9u
#define MLOOM_DOMAIN_SANDBOX 10u
#define MLOOM_DOMAIN_WORKSPACE 11u
#define MLOOM_DOMAIN_JOB 12u
#define MLOOM_DOMAIN_READINESS 13u
#define MLOOM_DOMAIN_SYSTEM 14u

/* What went wrong, where, and what to change. The caller owns the storage and sets size (use
 * MLOOM_ERROR_INIT); nothing in it needs freeing. Filled only when a call fails. Texts are one line of
 * UTF-8, never contain a secret, and are cut at the end of a character when too long. */
typedef struct mloom_error {
  uint32_t size;
  uint32_t flags;
  int32_t code;
  uint32_t domain;
  int32_t http_status;    /* 0 when no HTTP answer was involved */
  uint32_t retryable;     /* 1: the same call may succeed later */
  int64_t retry_after_ms; /* how long the other side asks to wait; -1 when it did not say */
  char message[512];
  char remedy[384];
  char request_id[128]; /* the provider's own id of the request, "" when it gave none */
} mloom_error;

#define MLOOM_ERROR_INIT \
  { (uint32_t)sizeof(mloom_error), 0, MLOOM_OK, MLOOM_DOMAIN_NONE, 0, 0, -1, "", "", "" }

/* Bytes with a length; not terminated by NUL unless said so. Frozen: this struct never grows. */
typedef struct mloom_bytes {
  const char *data;
  size_t size;
} mloom_bytes;

/* Levels of mloom_log_fn. */
#define MLOOM_LOG_ERROR 0
#define MLOOM_LOG_WARNING 1
#define MLOOM_LOG_INFO 2
#define MLOOM_LOG_DEBUG 3

/* State of one named check. */
#define MLOOM_CHECK_PASS 0u
#define MLOOM_CHECK_WARN 1u
#define MLOOM_CHECK_FAIL 2u
#define MLOOM_CHECK_SKIPPED 3u

/* Kinds of a settings field's value; the value itself is always UTF-8 text. */
#define MLOOM_FIELD_STRING 0u
#define MLOOM_FIELD_INTEGER 1u /* decimal; minimum and maximum apply */
#define MLOOM_FIELD_BOOLEAN 2u /* true or false; 1, 0, yes, no, on, off are accepted */
#define MLOOM_FIELD_CHOICE 3u  /* one of choices */
#define MLOOM_FIELD_SECRET 4u  /* reachable as a secret handle only */
#define MLOOM_FIELD_URL 5u     /* absolute http or https URL */
#define MLOOM_FIELD_PATH 6u    /* absolute path of a file */
#define MLOOM_FIELD_LIST 7u    /* comma-separated */
#define MLOOM_FIELD_HEADERS 8u /* "Name: value" lines; values may be secret and are never shown */

/* Where the value of a setting came from, strongest first. */
#define MLOOM_ORIGIN_UNSET 0u
#define MLOOM_ORIGIN_ENVIRONMENT 1u   /* variable NAME */
#define MLOOM_ORIGIN_FILE_VARIABLE 2u /* the file that NAME_FILE names */
#define MLOOM_ORIGIN_SECRET_MOUNT 3u  /* /run/secrets/NAME */
#define MLOOM_ORIGIN_CONFIG_FILE 4u
#define MLOOM_ORIGIN_GATEWAY 5u
#define MLOOM_ORIGIN_STORE 6u /* written through the user interface */
#define MLOOM_ORIGIN_DEFAULT 7u

#ifdef __cplusplus
}
#endif

#endif
