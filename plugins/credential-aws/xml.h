/* SPDX-License-Identifier: Apache-2.0
 *
 * Small XML documents such as STS sends: elements and text, nothing that would have to be looked up elsewhere.
 */
#ifndef MLOOM_CREDENTIAL_AWS_XML_H
#define MLOOM_CREDENTIAL_AWS_XML_H

#include "base/buffer.h"

#define MLOOM_AWS_XML_DEPTH 16u

/* One element without elements in it, with the name of the one around it. text is valid during the call. Names are
 * without prefix. */
typedef int32_t (*mloom_aws_xml_leaf_fn)(mloom_bytes parent, mloom_bytes name, mloom_bytes text, void *userdata);

/* Tells every leaf in order. MLOOM_E_INVALID: not well-formed, a document type, an entity of no kind that XML itself
 * has, or deeper than MLOOM_AWS_XML_DEPTH; MLOOM_E_MEMORY; what leaf returned. */
int32_t mloom_aws_xml_read(mloom_bytes text, mloom_aws_xml_leaf_fn leaf, void *userdata);

#endif
