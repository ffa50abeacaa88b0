/* SPDX-License-Identifier: Apache-2.0
 *
 * Where Google's tools leave credentials for programs on this machine, and what project these belong to.
 */
#ifndef MLOOM_WIRE_GOOGLE_ADC_H
#define MLOOM_WIRE_GOOGLE_ADC_H

#include "base/buffer.h"
#include <mergeloom/plugin.h>

/* The file of application default credentials: the setting credentials_path, GOOGLE_APPLICATION_CREDENTIALS, or the one
 * that gcloud writes, if that exists. origin says which. MLOOM_E_NOT_FOUND: there is none; out then is where gcloud's
 * would be, or empty. settings may be NULL. */
int32_t mloom_google_adc_path(mloom_buffer *out, char origin[96], const mloom_host *host,
                              const mloom_settings *settings);

/* The project, where no setting names it: GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT, then that of the credentials, the field
 * service_account_json or the file above. MLOOM_E_NOT_FOUND. Asks nobody. */
int32_t mloom_google_project(mloom_buffer *out, const mloom_host *host, const mloom_settings *settings);

#endif
