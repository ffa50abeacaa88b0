/* SPDX-License-Identifier: Apache-2.0
 *
 * The fields of the credential source "command", for providers whose key a program of the operator's may print. Such a
 * provider has MLOOM_COMMAND_FIELDS among its fields, "command" as the first of its sources, and a key that is asked
 * for only while there is no command (MLOOM_UNLESS_COMMAND).
 */
#ifndef MLOOM_WIRE_COMMAND_FIELDS_H
#define MLOOM_WIRE_COMMAND_FIELDS_H

#include <mergeloom/plugin.h>

extern const mloom_field mloom_field_credential_command;
extern const mloom_field mloom_field_credential_command_timeout;
extern const mloom_field mloom_field_credential_command_ttl;
extern const mloom_field mloom_field_credential_command_variables;

#define MLOOM_COMMAND_FIELDS                                                                                     \
  &mloom_field_credential_command, &mloom_field_credential_command_timeout, &mloom_field_credential_command_ttl, \
      &mloom_field_credential_command_variables

#define MLOOM_UNLESS_COMMAND .shown_when_field = "credential_command", .shown_when_value = ""

#endif
