/* SPDX-License-Identifier: Apache-2.0
 *
 * Has the functions of libcurl by name, and says that it is older than what the library needs.
 */
#include "net/libcurl.h"

static curl_version_info_data old = {.age = CURLVERSION_NOW, .version = "7.83.1", .version_num = 0x075301};

#define OLD_FUNCTION(name)                                                                                \
  __attribute__((visibility("default"))) curl_version_info_data *old_##name(void) __asm__("curl_" #name); \
  curl_version_info_data *old_##name(void) {                                                              \
    return &old;                                                                                          \
  }
MLOOM_LIBCURL_FUNCTIONS(OLD_FUNCTION)
