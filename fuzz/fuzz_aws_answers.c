/* SPDX-License-Identifier: Apache-2.0
 *
 * What STS, containers, instances, SSO and programs answer: XML and JSON. The first byte chooses.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "credential-aws/aws.h"
#include "credential-aws/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int32_t on_leaf(mloom_bytes parent, mloom_bytes name, mloom_bytes text, void *userdata) {
  size_t *leaves = userdata;
  ++*leaves;
  /* Entities and text of a well-formed document stay UTF-8. */
  if (!mloom_text_is_utf8(text.data, text.size) || !mloom_text_is_utf8(name.data, name.size) ||
      !mloom_text_is_utf8(parent.data, parent.size)) {
    abort();
  }
  return MLOOM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) {
    return 0;
  }
  size_t text_size = size - 1;
  char *copy = malloc(text_size + 1);
  memcpy(copy, data + 1, text_size);
  if (data[0] % 2 == 0) {
    size_t leaves = 0;
    if (mloom_aws_xml_read((mloom_bytes){copy, text_size}, on_leaf, &leaves) == MLOOM_OK && leaves == 0) {
      abort(); /* a document has at least one element, and the innermost is a leaf */
    }
  } else {
    mloom_aws_json json;
    (void)mloom_aws_json_read(&json, (mloom_bytes){copy, text_size});
    if (strnlen(json.expiration, sizeof(json.expiration)) == sizeof(json.expiration) ||
        strnlen(json.message, sizeof(json.message)) == sizeof(json.message)) {
      abort();
    }
    mloom_aws_json_free(&json);
  }
  free(copy);
  return 0;
}
