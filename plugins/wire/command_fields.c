/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/command_fields.h"

#define FIELD(field, ...)                   \
  const mloom_field mloom_field_##field = { \
      .size = (uint32_t)sizeof(mloom_field), .flags = MLOOM_FIELD_ADVANCED, .name = #field, __VA_ARGS__}

FIELD(credential_command, .title = "Credential command", .kind = MLOOM_FIELD_STRING,
      .help =
          "Program with its arguments that prints the key, alone or as JSON; run without a shell, on this machine's "
          "own settings only");
FIELD(credential_command_timeout, .title = "Time-out of the credential command", .kind = MLOOM_FIELD_INTEGER,
      .default_value = "30", .minimum = 1, .maximum = 3600, .help = "Seconds after which the program is ended");
FIELD(credential_command_ttl, .title = "Life of a printed key", .kind = MLOOM_FIELD_INTEGER, .default_value = "300",
      .minimum = 1, .maximum = 86400,
      .help = "Seconds after which the program is run again, where it does not say when the key expires");
FIELD(credential_command_variables, .title = "Variables of the credential command", .kind = MLOOM_FIELD_LIST,
      .help = "Names of environment variables that the program is given beside HOME, PATH and the like");
