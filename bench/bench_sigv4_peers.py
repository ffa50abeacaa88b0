#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""CPU of one signature by the libraries of AWS for Python and JavaScript, for the request of bench_sigv4."""
import os
import pathlib
import shutil
import subprocess
import time

URL = ("https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/"
       "converse-stream")
BODY = b"x" * 5120
ROUNDS = 20
SIGNATURES = 50

SMITHY = """
const { SignatureV4 } = require('@smithy/signature-v4');
const { createHash, createHmac } = require('crypto');
class Sha256 {
  constructor(secret) { this.hash = secret ? createHmac('sha256', secret) : createHash('sha256'); }
  update(data) { this.hash.update(data); }
  async digest() { return new Uint8Array(this.hash.digest()); }
}
const signer = new SignatureV4({ service: 'bedrock', region: 'us-east-1', sha256: Sha256,
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'test-key-not-a-secret-for-the-bench' } });
const body = 'x'.repeat(5120);
const sign = () => signer.sign({ method: 'POST', protocol: 'https:', query: {}, body,
  hostname: 'bedrock-runtime.us-east-1.amazonaws.com',
  path: '/model/anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream',
  headers: { host: 'bedrock-runtime.us-east-1.amazonaws.com', accept: 'application/vnd.amazon.eventstream',
    'content-type': 'application/json' } });
(async () => {
  let best = Infinity;
  for (let round = 0; round < 20; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < 200; i++) await sign();
    const used = process.cpuUsage(start);
    best = Math.min(best, (used.user + used.system) / 200);
  }
  console.log(best);
})();
"""


def report(what, microseconds):
    print(f"SigV4, 5 KB body: {what}", f"{microseconds:.0f}", "us", "", sep="\t", flush=True)


def botocore_microseconds():
    import botocore.auth  # pylint: disable=import-outside-toplevel
    import botocore.awsrequest  # pylint: disable=import-outside-toplevel
    import botocore.credentials  # pylint: disable=import-outside-toplevel
    keys = botocore.credentials.Credentials("AKIDEXAMPLE", "test-key-not-a-secret-for-the-bench")
    signer = botocore.auth.SigV4Auth(keys, "bedrock", "us-east-1")
    headers = {"Accept": "application/vnd.amazon.eventstream", "Content-Type": "application/json"}
    best = float("inf")
    for _ in range(ROUNDS):
        requests = [botocore.awsrequest.AWSRequest(method="POST", url=URL, headers=headers, data=BODY)
                    for _ in range(SIGNATURES)]
        start = time.process_time()
        for request in requests:
            signer.add_auth(request)
        best = min(best, (time.process_time() - start) * 1e6 / SIGNATURES)
    return best


def main():
    try:
        report("botocore", botocore_microseconds())
    except ImportError:
        print("botocore: not installed, nothing to show beside")
    source = pathlib.Path(os.environ["top_srcdir"])
    modules = pathlib.Path(os.environ.get("MERGELOOM_NODE_MODULES", source / "tests/e2e/node_modules"))
    node = os.environ.get("MERGELOOM_NODE") or shutil.which("node")
    if not node or not (modules / "@smithy/signature-v4").is_dir():
        print("@smithy/signature-v4: not installed, nothing to show beside")
        return
    made = subprocess.run([node, "-e", SMITHY], cwd=modules.parent, capture_output=True, text=True, check=False,
                          timeout=120)
    if made.returncode == 0:
        report("@smithy/signature-v4", float(made.stdout))
    else:
        print("@smithy/signature-v4: does not run here:", (made.stderr.strip().splitlines() or ["?"])[-1])


if __name__ == "__main__":
    main()
