#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Signed JSON Web Tokens, verified by the openssl program under keys that are made for the run."""
import base64
import json
import os
import pathlib
import subprocess
import sys
import tempfile

BUILD = pathlib.Path(os.environ.get("top_builddir", ".")).resolve()
SIGN = BUILD / "tests/unit/wire/jwt_sign"
PADDING = {"RS256": [], "PS256": ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]}


def decoded(part):
    if "=" in part or "+" in part or "/" in part:
        raise ValueError("not in the alphabet of tokens: " + part)
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verify(folder, algorithm, bits):
    key, public = folder / f"{bits}.pem", folder / f"{bits}.pub"
    if not key.exists():
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}", "-out", key],
                       check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-out", public], check=True)
    header = json.dumps({"alg": algorithm, "typ": "JWT"})
    claims = json.dumps({"iss": "a \u00e9", "exp": 1767323045})
    token = subprocess.run([SIGN, algorithm, key, header, claims], check=True, capture_output=True, text=True).stdout
    parts = token.split(".")
    if len(parts) != 3 or decoded(parts[0]) != header.encode() or decoded(parts[1]) != claims.encode():
        return f"{algorithm}: header or claims differ: {token}"
    (folder / "data").write_text(f"{parts[0]}.{parts[1]}")
    (folder / "signature").write_bytes(decoded(parts[2]))
    done = subprocess.run(["openssl", "dgst", "-sha256", *PADDING[algorithm], "-verify", public, "-signature",
                           folder / "signature", folder / "data"], capture_output=True, text=True, check=False)
    return "" if done.stdout.strip() == "Verified OK" else f"{algorithm} with {bits} bits: {done.stdout}{done.stderr}"


def main():
    cases = [("RS256", 2048), ("PS256", 2048), ("RS256", 3072), ("PS256", 3072)]
    print(f"1..{len(cases) + 1}")
    failures = 0
    with tempfile.TemporaryDirectory(prefix="mergeloom-jwt-") as name:
        folder = pathlib.Path(name)
        for number, (algorithm, bits) in enumerate(cases, 1):
            reason = verify(folder, algorithm, bits)
            failures += bool(reason)
            print(f"{'not ' if reason else ''}ok {number} - openssl verifies {algorithm} under {bits} bits {reason}")
        (folder / "none.pem").write_text("no key")
        done = subprocess.run([SIGN, "RS256", folder / "none.pem", "{}", "{}"], capture_output=True, text=True,
                              check=False)
        refused = done.returncode == 1 and done.stdout == "" and "the private key cannot be read" in done.stderr
        print(f"{'' if refused else 'not '}ok {len(cases) + 1} - a file that is no key is refused")
    return 1 if failures or not refused else 0


sys.exit(main())
