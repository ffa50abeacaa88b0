/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/builtin.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifdef MLOOM_BUILTIN_PLUGINS
/* In a static build each plugin is compiled with -Dmergeloom_plugin_init_v1=<its name here>. */
const mloom_plugin *mloom_builtin_aws_bedrock(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_azure_foundry(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_claude_api(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_claude_code_cli(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_codex_api(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_codex_cli(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_credential_aws(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_credential_azure(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_credential_command(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_credential_google(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_credential_static(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_openai_compatible(const mloom_host *host, char *error_text, size_t error_size);
const mloom_plugin *mloom_builtin_vertex_ai(const mloom_host *host, char *error_text, size_t error_size);
#endif

const mloom_plugin_init_fn *mloom_builtin_plugins(void) {
  static const mloom_plugin_init_fn plugins[] = {
#ifdef MLOOM_BUILTIN_PLUGINS
      mloom_builtin_aws_bedrock,
      mloom_builtin_azure_foundry,
      mloom_builtin_claude_api,
      mloom_builtin_claude_code_cli,
      mloom_builtin_codex_api,
      mloom_builtin_codex_cli,
      mloom_builtin_credential_aws,
      mloom_builtin_credential_azure,
      mloom_builtin_credential_command,
      mloom_builtin_credential_google,
      mloom_builtin_credential_static,
      mloom_builtin_openai_compatible,
      mloom_builtin_vertex_ai,
#endif
      NULL,
  };
  return plugins;
}
