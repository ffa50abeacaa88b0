/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of sections and settings as botocore reads ~/.aws/config: "[section]", "name = value" or "name: value", lines
 * indented deeper than their setting go on with its value, lines that begin with # or ; are comments.
 */
#ifndef MLOOM_WIRE_AWS_INI_H
#define MLOOM_WIRE_AWS_INI_H

#include "base/buffer.h"

#define MLOOM_AWS_INI_SECTIONS 2000u
#define MLOOM_AWS_INI_OPTIONS 4000u /* of one section */

typedef struct mloom_aws_option {
  char *name;  /* in lower case */
  char *value; /* without white space at its ends; the lines of a longer one are joined by line feeds */
} mloom_aws_option;

typedef struct mloom_aws_section {
  char *name; /* what stands between the brackets */
  mloom_aws_option *options;
  size_t count;
} mloom_aws_section;

typedef struct mloom_aws_ini {
  mloom_aws_section *sections;
  size_t count;
} mloom_aws_ini;

/* path is for the message. MLOOM_E_INVALID names the line of what is malformed; MLOOM_E_LIMIT. out is freed by the
 * caller in all cases; values are overwritten then. */
int32_t mloom_aws_ini_parse(mloom_aws_ini *out, mloom_bytes text, const char *path, mloom_error *error);
void mloom_aws_ini_free(mloom_aws_ini *ini);
/* NULL when there is none. */
const mloom_aws_section *mloom_aws_ini_section(const mloom_aws_ini *ini, const char *name);
const char *mloom_aws_section_get(const mloom_aws_section *section, const char *name);

/* The value that name has in a block of indented lines, "NAME = VALUE" each; *found is empty when it has none.
 * MLOOM_E_INVALID: a line without "=". */
int32_t mloom_aws_ini_nested(mloom_bytes *found, const char *block, const char *name);

#endif
