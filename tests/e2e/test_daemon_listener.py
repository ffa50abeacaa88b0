#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mergeloomd where others reach it: in network namespaces of its own, asked from addresses that are not loopback, and with
exactly what the public chart gives a gateway and its executor."""
import contextlib
import ctypes
import http.client
import json
import os
import re
import select
import shutil
import socket
import subprocess
import urllib.parse

import harness
from chart import GATEWAY_HOST, check_providers, pod
from daemon_server import api, environment, wait_for
from harness import check, contains, equal, lacks

ACCESS = "access-test-token-not-a-secret"
CLUSTER = "cluster-test-token-not-a-secret"
NEW_NETWORK = 0x40000000
# The loopback device has all of this network, so that requests come from as many addresses as a test wants.
ADDRESS = "10.77.0.1"
NETWORK = 'ip link set lo up && ip address add 10.77.0.1/24 dev lo && exec "$@"'


def needs_namespaces():
    if os.geteuid() != 0 or not shutil.which("ip") or subprocess.run(
            ["unshare", "--net", "--mount", "true"], check=False, capture_output=True).returncode != 0:
        raise harness.Skip("network namespaces need root and iproute2")


@contextlib.contextmanager
def inside(server):
    """Connections of this thread are made in the server's network."""
    library = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net", "rb") as own, open(f"/proc/{server.process.pid}/ns/net", "rb") as other:
        def enter(file):
            if library.setns(file.fileno(), NEW_NETWORK) != 0:
                raise OSError(ctypes.get_errno(), "setns")
        enter(other)
        try:
            yield
        finally:
            enter(own)


def ask(server, path, method="GET", body=None, *, source="10.77.0.2", to=ADDRESS, **headers):
    """Status, headers and body of what the daemon answers to that address of its network."""
    with inside(server):
        connection = http.client.HTTPConnection(to, server.port, timeout=harness.GUARD, source_address=source and (source, 0))
        connection.connect()
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()
    finally:
        connection.close()


@contextlib.contextmanager
def elsewhere(**more):
    needs_namespaces()
    with harness.Server(["unshare", "--net", "sh", "-c", NETWORK, "sh", harness.BUILD / "mergeloomd"], "mergeloomd: ",
                        environment(**{"JCA_WORKER_HOST": "0.0.0.0", **more})) as server:
        server.port = int(re.search(r":(\d+)/", server.url).group(1))
        wait_for(lambda: ask(server, "/readyz")[0] == 200, "the providers are described")
        yield server
        for secret in (ACCESS, CLUSTER):
            lacks(server.text(), secret, "the log")


def routes(server, kept):
    """(method, path) of the API as its description, read on the machine itself, has it."""
    status, _, text = ask(server, "/api/v1/openapi.json", source=None, to="127.0.0.1")
    equal(status, 200, "the description")
    found = [(method.upper(), path.replace("{id}", "claude-api")) for path, item in json.loads(text)["paths"].items()
             for method in item if method != "parameters"]
    return [(method, path) for method, path in found if ("/gateway/" in path) == kept]


PAGES = [("GET", path) for path in ("/", "/providers", "/runs", "/audit", "/health", "/live/none", "/live/none/events", "/metrics",
                                    "/nowhere")] + [("POST", path) for path in (
                                        "/runs", "/providers/claude-api/settings", "/providers/claude-api/check",
                                        "/providers/claude-api/disable", "/providers/codex-cli/login", "/runs/none/cancel")]


def test_refusal():
    """an address that others reach is refused without a token or stated TLS termination; one of this machine is not"""
    for host in ("0.0.0.0", "::", ADDRESS, "::ffff:10.77.0.1", "worker.example"):
        finished = harness.run([harness.BUILD / "mergeloomd"], environment(JCA_WORKER_HOST=host))
        equal(finished.status, 2, f"{host}: {finished!r}")
        contains(finished.err, "JCA_WORKER_ACCESS_TOKEN", f"{host}: the remedy")
        for more in ({"JCA_WORKER_ACCESS_TOKEN": ACCESS}, {"JCA_WORKER_CLUSTER_TOKEN": CLUSTER}, {"JCA_WORKER_TLS_TERMINATED": "true"}):
            equal(harness.run([harness.BUILD / "mergeloomd", "--check-config"], environment(JCA_WORKER_HOST=host, **more)).status, 0,
                  f"{host} with {more}")
    for host in ("127.0.0.1", "127.0.0.2", "::1", "localhost"):
        equal(harness.run([harness.BUILD / "mergeloomd", "--check-config"], environment(JCA_WORKER_HOST=host)).status, 0, host)


def test_cluster_token_alone():
    """with the cluster token alone other hosts get what executors ask for, and what says nothing of the worker"""
    with elsewhere(JCA_WORKER_CLUSTER_TOKEN=CLUSTER, JCA_WORKER_NAME="name-of-the-worker") as server:
        own = f"127.0.0.1:{server.port}"  # as somebody would send who knows which names are refused
        everything = [*routes(server, kept=False), *PAGES]
        check(len(everything) > 25, f"{everything}")
        for number, (method, path) in enumerate(everything):
            source = f"10.77.0.{number + 10}"  # a wrong token uses up the limit of an address
            status, _, text = ask(server, path, method, source=source, Host=own)
            equal(status, 403, f"{method} {path}")
            lacks(text, "name-of-the-worker", f"{method} {path}")
            equal(ask(server, path, method, source=source)[0], 403, f"{method} {path} under the address itself")
            equal(ask(server, path, method, source=source, Host=own, Authorization=f"Bearer {CLUSTER}")[0], 401,
                  f"{method} {path} with the cluster token")
        wait_for(lambda: ask(server, "/api/v1/gateway/settings", Authorization=f"Bearer {CLUSTER}")[0] == 200, "the settings")
        for method, path in routes(server, kept=True):
            equal(ask(server, path, method)[0], 401, f"{method} {path} without a token")
            status = ask(server, path, method, Authorization=f"Bearer {CLUSTER}")[0]
            check(status in (200, 204, 409, 422), f"{method} {path} with the cluster token: {status}")
        for path in ("/healthz", "/readyz", "/sign-in", "/assets/style.css", "/assets/live.js", "/favicon.ico"):
            status, _, text = ask(server, path)
            check(status < 300, f"{path}: {status}")
            lacks(text, "name-of-the-worker", path)
        status = ask(server, "/sign-in", "POST", "token=" + CLUSTER, Host=own, Content_Type="application/x-www-form-urlencoded")[0]
        equal(status, 401, "signing in with the cluster token")
        status, _, text = ask(server, "/providers", source=None, to="127.0.0.1")
        equal(status, 200, "the page on the machine itself")
        contains(text, "name-of-the-worker", "the page on the machine itself")


def test_access_token():
    """with an access token other hosts come in under the names that are allowed, by token or by signing in"""
    names = {"JCA_WORKER_ALLOWED_HOSTS": "worker.example"}
    with elsewhere(JCA_WORKER_ACCESS_TOKEN=ACCESS, JCA_WORKER_CLUSTER_TOKEN=CLUSTER, **names) as server:
        own, good = f"worker.example:{server.port}", {"Authorization": f"Bearer {ACCESS}"}
        equal(ask(server, "/api/v1/providers", Host=own, **good)[0], 200, "the token")
        equal(ask(server, "/api/v1/providers", Host=own)[0], 401, "no token")
        for host in (ADDRESS, "attacker.example", "worker.example.attacker.example", "0.0.0.0"):
            equal(ask(server, "/api/v1/providers", Host=host, **good)[0], 403, f"Host {host}")
        equal(ask(server, "/api/v1/gateway/settings", **good)[0], 401, "the access token for what executors ask for")
        equal(ask(server, "/api/v1/providers", Host=own, source="10.77.0.3", Authorization=f"Bearer {CLUSTER}")[0], 401,
              "the cluster token for the API")
        signed_in(server, own, f"http://{own}", secure=False)


def signed_in(server, host, origin, secure):
    """Signs in as a browser of another host does, and writes a setting."""
    form = {"Host": host, "Content_Type": "application/x-www-form-urlencoded"}
    source = "10.77.0.4"
    token = urllib.parse.urlencode({"token": ACCESS})
    equal(ask(server, "/sign-in", "POST", token, source=source, Origin="http://attacker.example", **form)[0], 403, "another site")
    status, headers, _ = ask(server, "/sign-in", "POST", token, source=source, Origin=origin, **form)
    equal(status, 303, "signing in")
    cookies = headers.get_all("Set-Cookie")
    status, headers, page = ask(server, "/providers", source=source, Host=host, Cookie=cookies[0].split(";")[0])
    equal(status, 200, "the page")
    cookies += headers.get_all("Set-Cookie")
    equal([cookie.split("=")[0] for cookie in cookies], ["mergeloom_access", "mergeloom_session"], "the cookies")
    for cookie in cookies:
        equal([word in cookie.split("; ") for word in ("HttpOnly", "SameSite=Strict", "Secure")], [True, True, secure], cookie)
    kept = "; ".join(cookie.split(";")[0] for cookie in cookies)
    csrf = re.search('name="csrf" value="([0-9a-f]{64})"', page).group(1)
    for given, expected in (("0" * 64, 403), (csrf, 303)):
        body = urllib.parse.urlencode({"csrf": given, "claude-api.model": "from-elsewhere"})
        equal(ask(server, "/providers/claude-api/settings", "POST", body, source=source, Origin=origin, Cookie=kept, **form)[0],
              expected, f"a form with {given[:4]}...")


def test_tls_terminated():
    """behind a proxy that ends TLS cookies are for HTTPS only; without an access token the proxy decides who comes in"""
    names = {"JCA_WORKER_ALLOWED_HOSTS": "worker.example", "JCA_WORKER_TLS_TERMINATED": "true"}
    with elsewhere(JCA_WORKER_ACCESS_TOKEN=ACCESS, **names) as server:
        equal(ask(server, "/providers", Host="worker.example")[0], 401, "no token")
        signed_in(server, "worker.example", "https://worker.example", secure=True)
    with elsewhere(**names) as server:
        status, headers, _ = ask(server, "/providers", Host="worker.example", X_Forwarded_For="10.77.0.9")
        equal(status, 200, "the page")
        contains(headers["Set-Cookie"], "; Secure", "the cookie")
        equal(ask(server, "/providers", Host="attacker.example")[0], 403, "another name")
        equal(ask(server, "/api/v1/gateway/settings")[0], 403, "what executors ask for, without a cluster token")


def test_connections_of_one_address():
    """an address that holds two hundred connections gets no more, and others are served"""
    with elsewhere(JCA_WORKER_CLUSTER_TOKEN=CLUSTER) as server:
        with inside(server):
            held = [socket.create_connection((ADDRESS, server.port), harness.GUARD, ("10.77.0.9", 0)) for _ in range(201)]
        refused = select.select(held, [], [], harness.GUARD)[0]  # not always the last: several threads let them in
        equal(len(refused), 1, "one too many")
        with contextlib.suppress(ConnectionError):
            equal(refused[0].recv(1), b"", "one too many")
        equal(ask(server, "/healthz", source="10.77.0.8")[0], 200, "another address")
        for connection in held:
            connection.close()
        wait_for(lambda: served(server, "10.77.0.9"), "the address is served again")


def served(server, source):
    with contextlib.suppress(ConnectionError, http.client.HTTPException):
        return ask(server, "/healthz", source=source)[0] == 200
    return False


# ---- The pods of the public chart ----

# As in a container image: the paths of the chart are there and empty, and the rest is this machine's.
POD = """
root=$1 hosts=$2; shift 2
mkdir -p "$root/data/gateway" "$root/data/workspaces" "$root/home/agent/.codex" "$root/home/agent/.claude" || exit 1
for place in /* /home/*; do
  case $place in /data | /home | /home/agent) continue ;; esac
  if [ -L "$place" ]; then cp -P "$place" "$root$place" || exit 1
  elif [ -d "$place" ]; then mkdir -p "$root$place" && mount --rbind "$place" "$root$place" || exit 1; fi
done
mount --bind "$hosts" "$root/etc/hosts" && ip link set lo up && exec /usr/sbin/chroot "$root" "$@"
"""


def started(role):
    """mergeloomd in a pod of its own: network, files, and no variables but those of image and chart."""
    root, hosts = harness.scratch() / f"pod-{role}", harness.scratch() / "hosts"
    root.mkdir()
    hosts.write_text(f"127.0.0.1 localhost\n{ADDRESS} {GATEWAY_HOST}\n", encoding="utf-8")
    image = {name: value for name, value in harness.clean_environment().items() if name == "PATH" or name.startswith("MERGELOOM_") or
             name.endswith("_OPTIONS")}
    given = {**image, "HOME": "/home/agent", **harness.worker_environment(), **pod(role)}
    server = harness.Server(["unshare", "--net", "--mount", "sh", "-c", POD, "sh", root, hosts, harness.BUILD / "mergeloomd"],
                            "mergeloomd: ", {name: str(value) for name, value in given.items()})
    equal(server.url, "http://0.0.0.0:8010/providers", "where it listens")
    server.url, server.port = "http://127.0.0.1:8010", 8010
    return server


def connect(gateway, executor):
    """A cable between two pods, whose other addresses are gone."""
    def inside_of(server, *words):
        harness.must(["nsenter", "--net", "--target", server.process.pid, "ip", *words])
    inside_of(gateway, "link", "add", "pod", "type", "veth", "peer", "name", "pod", "netns", executor.process.pid)
    for server, address in ((gateway, ADDRESS), (executor, "10.77.0.2")):
        inside_of(server, "address", "add", f"{address}/24", "dev", "pod")
        inside_of(server, "link", "set", "pod", "up")


def test_chart():
    """gateway and executor come up with exactly what the public chart gives them, find each other and say what is missing"""
    needs_namespaces()
    with started("gateway") as gateway, started("executor") as executor:
        connect(gateway, executor)
        for server in (gateway, executor):
            with inside(server):
                wait_for(lambda: harness.request(server.url + "/readyz")[0] == 200, "the providers are described")
                check_providers(server, 8)
        with inside(gateway):
            found = wait_for(lambda: api(gateway, "/executors")[2]["executors"], "the executor is known")
            equal([item["name"] for item in found], [f"{GATEWAY_HOST}-executor-0"], "the executors")
        with inside(executor):  # as a kubelet asks, from another address
            equal(harness.request(f"http://{ADDRESS}:8010/healthz")[0], 200, "the probe")
            equal(harness.request(f"http://{ADDRESS}:8010/providers")[0], 403, "a page")
        for server in (gateway, executor):
            contains(server.text(), "JCA_WORKER_CONTROL_PLANE_URL is set, but has no meaning here", "the log")
            lacks(server.text(), "is known to no loaded provider", "the log")
    for path in ("provider_config.db", "provider_secret.key", "runtime_config.db"):
        check((harness.scratch() / "pod-gateway/data/gateway" / path).is_file(), path)


harness.main(globals())
