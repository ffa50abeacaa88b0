/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MLOOM_SECRET_IDENTITY_H
#define MLOOM_SECRET_IDENTITY_H

#include "secret/secret.h"

/* Reads a private key with its certificates: PEM, where the key may be encrypted, or PKCS #12 (PFX). password may be
 * NULL. *out is the same in PEM and not encrypted: the key, its certificate, and then those that come along.
 * MLOOM_E_INVALID. */
int32_t mloom_identity_read(const char *data, size_t size, const mloom_secret *password, mloom_secret **out,
                            mloom_error *error);

#endif
