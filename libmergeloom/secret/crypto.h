/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's side of mergeloom/crypto.h, on OpenSSL.
 */
#ifndef MLOOM_SECRET_CRYPTO_H
#define MLOOM_SECRET_CRYPTO_H

#include "base/cleanup.h"
#include <mergeloom/crypto.h>

/* Algorithms fetched once and used by every call. Thread-safe. */
typedef struct mloom_crypto_engine mloom_crypto_engine;

int32_t mloom_crypto_engine_new(mloom_crypto_engine **out, mloom_error *error);
void mloom_crypto_engine_free(mloom_crypto_engine *engine);
MLOOM_DEFINE_AUTO(mloom_crypto_engine, mloom_crypto_engine_free)
/* The table for plugins; lives as long as the engine. */
const mloom_crypto *mloom_crypto_engine_table(const mloom_crypto_engine *engine);

#endif
