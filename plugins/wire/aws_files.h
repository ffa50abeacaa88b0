/* SPDX-License-Identifier: Apache-2.0
 *
 * The shared files of AWS programs, ~/.aws/config and ~/.aws/credentials, and what they say of profiles, regions and
 * addresses.
 */
#ifndef MLOOM_WIRE_AWS_FILES_H
#define MLOOM_WIRE_AWS_FILES_H

#include "wire/aws_ini.h"
#include <mergeloom/plugin.h>

typedef struct mloom_aws_files {
  char *config_path; /* NULL: there is no home and no variable that names one */
  char *credentials_path;
  mloom_aws_ini config;
  mloom_aws_ini credentials;
  char **profile_names; /* of the sections of config; NULL for those that are no profile */
} mloom_aws_files;

/* Reads AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE, or the usual places; one that does not exist is empty.
 * MLOOM_E_INVALID: malformed, MLOOM_E_DENIED and others: unreadable. out is freed by the caller in all cases. */
int32_t mloom_aws_files_read(mloom_aws_files *out, const mloom_host *host, mloom_error *error);
void mloom_aws_files_free(mloom_aws_files *files);
MLOOM_DEFINE_AUTO(mloom_aws_files, mloom_aws_files_free)

int mloom_aws_files_has_profile(const mloom_aws_files *files, const char *profile);
/* Of both files, the credentials file first; NULL when neither says it. */
const char *mloom_aws_files_get(const mloom_aws_files *files, const char *profile, const char *name);
/* Of the config file alone; the credentials file has sections named as its profiles. */
const mloom_aws_section *mloom_aws_files_config_profile(const mloom_aws_files *files, const char *profile);
/* [sso-session NAME], [services NAME]; NULL when there is none. */
const mloom_aws_section *mloom_aws_files_block(const mloom_aws_files *files, const char *kind, const char *name);

/* The profile in use: what is given (NULL: nothing), AWS_DEFAULT_PROFILE, AWS_PROFILE, "default". */
const char *mloom_aws_profile_name(const mloom_host *host, const char *given);
/* AWS_REGION, AWS_DEFAULT_REGION, the profile's; NULL when none says it. What is not a region's name is MLOOM_E_INVALID
 * with the place it came from. */
int32_t mloom_aws_region(const char **out, const mloom_host *host, const mloom_aws_files *files, const char *profile,
                         mloom_error *error);
/* 1 when text looks as the names of regions do: it becomes a part of host names. */
int mloom_aws_is_region(const char *text);
/* "amazonaws.com", "amazonaws.com.cn", ...: what names of hosts in the region end with. dual_stack: those that are
 * reached over IPv6 too. */
const char *mloom_aws_dns_suffix(const char *region, int dual_stack);
/* The address that is configured for a service, "bedrock_runtime" or "sts": AWS_ENDPOINT_URL_<SERVICE>,
 * AWS_ENDPOINT_URL, the services block of the profile, its endpoint_url. Appends it; nothing when none is
 * configured. *origin says where it came from. */
int32_t mloom_aws_endpoint_url(mloom_buffer *out, const char **origin, const mloom_host *host,
                               const mloom_aws_files *files, const char *profile, const char *service,
                               mloom_error *error);
/* AWS_USE_FIPS_ENDPOINT and the like: a variable, then the profile's setting. */
int mloom_aws_boolean(const mloom_host *host, const mloom_aws_files *files, const char *profile, const char *variable,
                      const char *name);

#endif
