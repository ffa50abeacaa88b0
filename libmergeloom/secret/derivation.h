/* SPDX-License-Identifier: Apache-2.0
 *
 * What it would cost to make keys of a password. A key file says itself how often the password is hashed, so that a
 * hostile one could keep a processor busy for days: it is looked at before anything is derived.
 */
#ifndef MLOOM_SECRET_DERIVATION_H
#define MLOOM_SECRET_DERIVATION_H

#include <stdint.h>

#include <openssl/pkcs12.h>

/* Rounds of all derivations of one file together, some seconds of work. Programs of today use 600,000 for each part. */
#define MLOOM_DERIVATION_LIMIT 5000000

/* The rounds that the encrypted keys in PEM text ask for. Everything above the limit may be told as just above it. */
uint64_t mloom_derivation_pem_rounds(const char *data, size_t size);
/* The same for the check of a PKCS #12 file's password, and for its content, which is opened to see what is inside as
 * long as that stays below the limit. password may be NULL. */
uint64_t mloom_derivation_mac_rounds(const PKCS12 *store);
uint64_t mloom_derivation_store_rounds(const PKCS12 *store, const char *password);

#endif
