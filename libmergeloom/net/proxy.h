/* SPDX-License-Identifier: Apache-2.0
 *
 * What a proxy wants to know of its user: "user:password", in a setting or in the URL of the environment.
 */
#ifndef MLOOM_NET_PROXY_H
#define MLOOM_NET_PROXY_H

#include "secret/redactor.h"

/* The "user:password" that stands in front of the host of a proxy's URL, as it stands there; empty when there is none.
 */
mloom_bytes mloom_proxy_url_login(const char *url);
/* From now on the login and its password are replaced in text. NULLs do nothing. MLOOM_E_MEMORY. */
int32_t mloom_proxy_redact_login(mloom_redactor *redactor, const mloom_secret *login);
/* The same for what stands in a URL, with its escapes and without. */
int32_t mloom_proxy_redact_url(mloom_redactor *redactor, const char *url);

#endif
