/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/strings.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

char **mloom_strings_copy(const char *const *list) {
  size_t count = 0;
  while (list[count] != NULL) {
    count++;
  }
  char **copy = calloc(count + 1, sizeof(*copy));
  for (size_t i = 0; copy != NULL && i < count; i++) {
    copy[i] = strdup(list[i]);
    if (copy[i] == NULL) {
      mloom_strings_free(copy);
      return NULL;
    }
  }
  return copy;
}

char **mloom_strings_split(const char *text, char separator, const char *last) {
  size_t most = 3; /* the first part, last, and the end */
  for (const char *at = text; *at != '\0'; at++) {
    most += *at == separator;
  }
  char **list = calloc(most, sizeof(*list));
  if (list == NULL) {
    return NULL;
  }
  size_t count = 0;
  int failed = 0;
  for (const char *at = text; at != NULL;) {
    const char *end = strchr(at, separator);
    mloom_bytes part = {at, end == NULL ? strlen(at) : (size_t)(end - at)};
    part = mloom_text_trim(part);
    if (part.size > 0) {
      list[count] = mloom_text_dup(part);
      failed |= list[count++] == NULL;
    }
    at = end == NULL ? NULL : end + 1;
  }
  if (last != NULL) {
    list[count] = strdup(last);
    failed |= list[count] == NULL;
  }
  if (failed) {
    for (size_t i = 0; i < most; i++) {
      free(list[i]);
    }
    free(list);
    return NULL;
  }
  return list;
}

void mloom_strings_free(char **list) {
  for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
    free(list[i]);
  }
  free(list);
}

const char *mloom_strings_variable(char *const *environment, const char *name) {
  size_t size = strlen(name);
  for (size_t i = 0; environment[i] != NULL; i++) {
    if (strncmp(environment[i], name, size) == 0 && environment[i][size] == '=') {
      const char *value = environment[i] + size + 1;
      return value[0] == '\0' ? NULL : value;
    }
  }
  return NULL;
}

static const char *first_variable(char *const *environment, const char *const *names) {
  for (size_t i = 0; names[i] != NULL; i++) {
    const char *value = mloom_strings_variable(environment, names[i]);
    if (value != NULL) {
      return value;
    }
  }
  return NULL;
}

const char *mloom_strings_proxy(char *const *environment) {
  static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", NULL};
  return first_variable(environment, names);
}

const char *mloom_strings_no_proxy(char *const *environment) {
  static const char *const names[] = {"no_proxy", "NO_PROXY", NULL};
  return first_variable(environment, names);
}
