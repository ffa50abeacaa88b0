/* SPDX-License-Identifier: Apache-2.0
 *
 * The metadata server of Google's machines, of GKE and of Cloud Run.
 */
#ifndef MLOOM_CREDENTIAL_GOOGLE_METADATA_H
#define MLOOM_CREDENTIAL_GOOGLE_METADATA_H

#include "google.h"

#define MLOOM_GOOGLE_METADATA_OFF 0u     /* the environment says that there is none */
#define MLOOM_GOOGLE_METADATA_UNKNOWN 1u /* only asking would tell */
#define MLOOM_GOOGLE_METADATA_PRESENT 2u

/* What is known of it without asking. */
uint32_t mloom_google_metadata_detect(const mloom_host *host);
/* A token of the machine's service account. presence is one of the above; where it is not known, an answer has to come
 * within seconds. MLOOM_E_NOT_FOUND: there is no metadata server of Google. */
int32_t mloom_google_metadata_fetch(const mloom_google_job *job, uint32_t presence, mloom_google_token *out,
                                    mloom_error *error);

#endif
