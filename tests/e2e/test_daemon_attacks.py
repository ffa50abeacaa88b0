#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mergeloomd against requests that mean it no good: it refuses them, stays, and tells no secret."""
import contextlib
import http.client
import json
import re
import socket
import time
import urllib.parse

import harness
from daemon_server import api, daemon, field, memory_kib, settled, wait_for
from harness import check, contains, equal, lacks

KEY = harness.KEY
ACCESS = "access-test-token-not-a-secret"
CLUSTER = "cluster-test-token-not-a-secret"


@contextlib.contextmanager
def attacked(**more):
    """A daemon that must be alive, whole and silent about its secrets after whatever is done to it."""
    values = {"JCA_ANTHROPIC_API_KEY": KEY, "JCA_WORKER_CLUSTER_TOKEN": CLUSTER, **more}
    with daemon(**values) as server:
        server.port = int(server.url.rsplit(":", 1)[1])
        server.host = f"127.0.0.1:{server.port}"
        yield server
        alive(server)
        for secret in (KEY, ACCESS, CLUSTER):
            lacks(server.text(), secret, "the log")
        lacks(server.text(), "ERROR: ", "the log of a sanitizer")


def alive(server):
    check(server.process.poll() is None, f"it has ended: {server.text()}")
    equal(harness.request(server.url + "/healthz")[0], 200, "it answers")


def raw(server, data, wait=True):
    """The status of what comes back for exact bytes: 0 when the connection ends without an answer."""
    if isinstance(data, str):
        data = data.encode("latin-1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=harness.GUARD) as connection:
        answer = b""
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while wait and (part := connection.recv(65536)):
                answer += part
        return statuses(answer), answer


def statuses(answer):
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def head(server, first, *lines):
    return "\r\n".join([first, f"Host: {server.host}", *lines, "", ""])


def spent(server):
    """Waits until the bucket of this address is full enough for what comes next."""
    wait_for(lambda: harness.request(server.url + "/api/v1/jobs")[0] != 429, "the rate limit passes")


# ---- Requests that are too much ----

def test_oversized():
    """headers, lines, paths, queries, cookies and bodies beyond the limits are refused"""
    with attacked() as server:
        for request in (head(server, "GET / HTTP/1.1", "X-Long: " + "x" * 100000),
                        head(server, "GET / HTTP/1.1", *[f"X-{number}: {'y' * 50}" for number in range(2000)]),
                        head(server, "GET /" + "p" * 100000 + " HTTP/1.1"),
                        head(server, "GET /audit?subject=" + "q" * 100000 + " HTTP/1.1"),
                        head(server, "GET / HTTP/1.1", "Cookie: mergeloom_session=" + "a" * 60000),
                        "G" * 200000):
            found, answer = raw(server, request)
            check(not found or found[0] in (400, 413, 414, 431), f"{request[:60]!r}: {answer[:200]!r}")
        equal(harness.request(server.url + "/" + "p" * 8000)[0], 404, "a long path")
        equal(harness.request(server.url + "/live/" + "j" * 8000)[0], 404, "a long id")
        equal(harness.request(server.url + "/audit?subject=" + "q" * 8000)[0], 200, "a long query")
        found, answer = raw(server, head(server, "POST /api/v1/jobs HTTP/1.1", f"Content-Length: {(4 << 20) + 1}"))
        equal(found, [413], "a body above 4 MB")
        contains(answer, b"application/problem+json", "a body above 4 MB")
        equal(json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"], 413, "what is said")
        with socket.create_connection(("127.0.0.1", server.port), timeout=harness.GUARD) as chunked:
            chunked.sendall(head(server, "POST /api/v1/jobs HTTP/1.1", "Transfer-Encoding: chunked").encode())
            with contextlib.suppress(OSError):
                for _ in range(80):
                    chunked.sendall(b"10000\r\n" + b"z" * 65536 + b"\r\n")
                chunked.sendall(b"0\r\n\r\n")
            chunked.settimeout(harness.GUARD)
            with contextlib.suppress(ConnectionError):
                equal(statuses(chunked.recv(4096))[:1], [413], "5 MB in chunks")


def test_bodies_of_strangers():
    """bodies of those who show no token, a wrong one, or that are for signing in, are not kept in memory"""
    with attacked(JCA_WORKER_ACCESS_TOKEN=ACCESS) as server:
        size = 4 << 20
        found, _ = raw(server, head(server, "POST /sign-in HTTP/1.1", f"Content-Length: {size}"))
        equal(found, [413], "signing in with a large body")
        before = memory_kib(server)
        with contextlib.ExitStack() as stack:
            for number in range(30):
                line, token = (("POST /api/v1/jobs HTTP/1.1", "X-Token: none"),
                               ("POST /api/v1/gateway/claim HTTP/1.1", "Authorization: Bearer wrong"))[number % 2]
                connection = stack.enter_context(
                    socket.create_connection(("127.0.0.1", server.port), timeout=harness.GUARD))
                connection.sendall(head(server, line, token, f"Content-Length: {size}").encode() + b"z" * (size - 1))
            grown = memory_kib(server) - before
            check(grown < 40 << 10, f"120 MiB of bodies that nobody may send take {grown} KiB")
            connection.sendall(b"z")
            contains(connection.recv(4096), b"HTTP/1.1 4", "the answer to one that has come whole")


def test_large_job():
    """a job document of almost 4 MB is taken, kept and given back whole; deep nesting and many members are no danger"""
    repo = harness.repository(harness.FILES)
    with attacked(JCA_WORKER_ROLE="gateway", JCA_WORKER_PROVIDER="claude-api") as server:
        document = {"schema": "mergeloom.job.v1", "repository": {"path": str(repo)},
                    "ticket": {"title": "Large", "description": "d" * (4 << 20)}}
        spare = len(json.dumps(document)) - (4 << 20)
        document["ticket"]["description"] = "d" * ((4 << 20) - spare)
        status, _, answer = api(server, "/jobs", "POST", document)
        check(status in (201, 413, 422), f"{status}: {json.dumps(answer)[:500]}")
        if status == 201:
            equal(api(server, f"/jobs/{answer['id']}")[2]["document"], document, "the document")
            equal(harness.request(server.url + "/runs")[0], 200, "the list")
        else:
            check(answer["title"] and answer["detail"], f"{answer}")
        for body in ("[" * 1000000, '{"a":' * 200000, '{"schema": "mergeloom.job.v1", "x": [' + "1," * 500000 + "1]}",
                     "9" * 1000000, '"' + "\\ud800" * 100000 + '"', '{"fields": {"model": "' + "\\u0000" * 1000 + '"}}'):
            for path, method in (("/jobs", "POST"), ("/resolve", "POST"), ("/providers/claude-api/settings", "PATCH")):
                status, headers, answer = harness.request(server.url + "/api/v1" + path, method, body)
                check(400 <= status < 500, f"{method} {path} {body[:20]!r}: {status} {answer[:300]!r}")
                equal(headers["Content-Type"], "application/problem+json", f"{method} {path} {body[:20]!r}")


# ---- Requests that are slow ----

def test_slow_requests():
    """connections that drip heads or bodies block nobody and are ended, however steadily they drip"""
    with attacked(JCA_WORKER_REQUEST_SECONDS="2") as server:
        beginnings = [b"", b"G", head(server, "GET / HTTP/1.1").encode()[:-2] + b"X-Slow: ",
                      head(server, "POST /api/v1/jobs HTTP/1.1", "Content-Length: 1000000").encode(),
                      head(server, "POST /api/v1/jobs HTTP/1.1", "Transfer-Encoding: chunked").encode() + b"5\r\nab"]
        slow = []
        for number in range(100):
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=harness.GUARD)
            connection.sendall(beginnings[number % len(beginnings)])
            slow.append(connection)
        alive(server)
        equal(harness.request(server.url + "/providers")[0], 200, "a page in the meantime")
        stream = http.client.HTTPConnection(server.host, timeout=harness.GUARD)
        stream.request("GET", "/api/v1/events")
        equal(stream.getresponse().status, 200, "a stream")
        waiting = list(slow)
        end = time.monotonic() + harness.GUARD
        while waiting:
            check(time.monotonic() < end, f"{len(waiting)} connections go on")
            time.sleep(0.2)
            waiting = [connection for connection in waiting if drips(connection)]
        for connection in slow:
            connection.close()
        stream.sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            check(stream.sock.recv(1 << 16) != b"", "an answer that goes on is not ended")
        stream.close()


def drips(connection):
    """Sends one more byte; 0 when the other side has ended the connection."""
    try:
        connection.setblocking(False)
        if connection.recv(4096) == b"":
            return False
    except BlockingIOError:
        pass
    except OSError:
        return False
    try:
        connection.send(b"x")
    except OSError:
        return False
    return True


def test_many_connections():
    """hundreds of connections that say nothing, and requests cut off in the middle"""
    with attacked() as server:
        idle = [socket.create_connection(("127.0.0.1", server.port), timeout=harness.GUARD) for _ in range(400)]
        alive(server)
        for connection in idle:
            connection.close()
        for size in (1, 10, 40, 80):
            for request in (head(server, "GET /providers HTTP/1.1"),
                            head(server, "POST /api/v1/jobs HTTP/1.1", "Content-Length: 90") + "{" * 80):
                raw(server, request[:size], wait=False)
        for _ in range(50):  # answers that nobody reads
            raw(server, head(server, "GET /assets/style.css HTTP/1.1") * 3, wait=False)
            raw(server, head(server, "GET /api/v1/events HTTP/1.1"), wait=False)
        alive(server)


# ---- Requests that mean two things ----

def test_smuggling():
    """two lengths, two hosts, folded lines, bad chunks: one answer at most, never a second request"""
    # Connections whose end the daemon does not see at once are ended soon.
    with attacked(JCA_WORKER_REQUEST_SECONDS="2") as server:
        inner = head(server, "GET /api/v1/providers HTTP/1.1")
        post = "POST /api/v1/resolve HTTP/1.1"
        for lines, body in (
                (("Content-Length: 5", "Transfer-Encoding: chunked"), "0\r\n\r\n" + inner),
                (("Transfer-Encoding: chunked", "Content-Length: 5"), "0\r\n\r\n" + inner),
                (("Content-Length: 0", f"Content-Length: {len(inner)}"), inner),
                (("Content-Length: 0, 5",), inner), (("Content-Length: +5",), inner), (("Content-Length: -1",), inner),
                (("Content-Length: 0x5",), inner), (("Content-Length: 99999999999999999999999",), inner),
                (("Transfer-Encoding: xchunked",), "0\r\n\r\n" + inner),
                (("Transfer-Encoding: chunked, identity",), "0\r\n\r\n" + inner),
                (("Transfer-Encoding : chunked",), "0\r\n\r\n" + inner),
                (("Transfer-Encoding: chunked",), "zz\r\n" + inner),
                (("Transfer-Encoding: chunked",), "-1\r\n" + inner),
                (("Transfer-Encoding: chunked",), "ffffffffffffffffff\r\n" + inner),
                (("Transfer-Encoding: chunked",), "5\r\nabcdefgh" + inner),
                ((f"Content-Length : {len(inner)}",), inner), ((f"Content-Length: {len(inner)}", "X A: b"), inner),
                (("Content-Length: 5", "Content-Length: 5"), inner), (("Content-Length: 5 5",), inner),
                # What ends a line for one side and not for the other, and lines that go on in the next.
                ((f"Content-Length: {len(inner)}", "X-A: b\nTransfer-Encoding: chunked"), "0\r\n\r\n" + inner),
                ((f"Content-Length: {len(inner)}", "X-A: b\rTransfer-Encoding: chunked"), inner),
                ((f"Content-Length: {len(inner)}", "X-A: b\n\n" + inner), ""),
                ((f"Content-Length: {len(inner)}", "Transfer-Encoding:\r\n chunked"), inner),
                ((f"Content-Length: {len(inner)}", "X-A: b\r\n Transfer-Encoding: chunked"), inner),
                ((f"Content-Length: {len(inner)}", " Transfer-Encoding: chunked"), inner),
                ((f"Content-Length: {len(inner)}", "Transfer-Encoding: \x0bchunked"), inner),
                (("Transfer-Encoding: chunked",), "5 ;x\nabcde\n0\n\n" + inner),
                (("Transfer-Encoding: chunked",), "0\r\nX: y\n\n" + inner)):
            found, answer = raw(server, head(server, post, *lines) + body)
            check(all(status >= 400 for status in found), f"{lines} {body[:12]!r}: {answer[:400]!r}")
            lacks(answer, b"mergeloom.providers.v1", f"{lines} {body[:12]!r}: the inner request")
        for lines in ((f"Host: {server.host}",), ("Host: attacker.example",)):
            found, answer = raw(server, head(server, "GET /providers HTTP/1.1", *lines))
            check(found and found[0] in (400, 403), f"two hosts {lines}: {answer[:200]!r}")
        for request in ("GET /providers HTTP/1.1\r\n\r\n", "GET /providers HTTP/1.0\r\n\r\n",
                        "GET /providers HTTP/1.1\r\nHost: \r\n\r\n", "GET http://attacker.example/providers HTTP/1.1\r\n\r\n",
                        f"GET /providers HTTP/1.1\r\nHost: {server.host}\r\n evil.example\r\n\r\n",
                        f"GET /providers HTTP/1.1\r\nHost: {server.host}@attacker.example\r\n\r\n",
                        f"GET /providers HTTP/1.1\r\nHost: attacker.example#{server.host}\r\n\r\n"):
            found, answer = raw(server, request)
            check(not found or found[0] in (400, 403), f"{request!r}: {answer[:200]!r}")
        for address in ("http://attacker.example/providers", "//attacker.example/providers", "http:/providers",
                        f"http://{server.host}@attacker.example/providers"):
            found, answer = raw(server, head(server, f"GET {address} HTTP/1.1"))
            check(not found or found[0] in (400, 403, 404), f"{address} under our own host: {answer[:200]!r}")
        for request in ("GET / HTTP/9.9\r\nHost: x\r\n\r\n", "\r\n\r\n\r\n", "GET\r\n\r\n", "\0" * 100, "GET  HTTP/1.1\r\n\r\n",
                        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
            found, answer = raw(server, request)
            check(all(status >= 400 for status in found), f"{request!r}: {answer[:200]!r}")


def test_methods():
    """HEAD has no body, OPTIONS opens nothing to other sites, TRACE and invented methods get nothing back"""
    with attacked() as server:
        for path in ("/", "/providers", "/api/v1/providers", "/metrics", "/assets/style.css", "/healthz"):
            status, _, body = harness.request(server.url + path, "HEAD")
            equal((status, body), (200, b""), f"HEAD {path}")
        marked = {"X-Mark": "mirror-me", "Origin": "http://attacker.example", "Access-Control-Request-Method": "PATCH"}
        for method in ("OPTIONS", "TRACE", "CONNECT", "PUT", "DELETE", "PROPFIND", "get"):
            for path in ("/providers", "/api/v1/providers/claude-api/settings"):
                for headers in ({"X-Mark": "mirror-me"}, marked):
                    status, answered, body = harness.request(server.url + path, method, headers=headers)
                    check(400 <= status < 500, f"{method} {path}: {status}")
                    lacks(body, b"mirror-me", f"{method} {path}")
                    check(not [name for name in answered if name.lower().startswith("access-control")], f"{answered}")
        path = "/api/v1/providers/claude-api/settings"
        for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
            for method in ("GET", "POST"):
                equal(harness.request(f"{server.url}{path}?_method=PATCH", method, '{"fields": {"model": "overridden"}}',
                                      {name: "PATCH"})[0], 405, f"{method} with {name}")
        check(not field(server, "claude-api", "model")["set"], "another method was taken")


# ---- Paths and texts ----

def test_paths():
    """traversal, NUL, line ends, odd and broken characters in paths and queries lead nowhere and split nothing"""
    odd = ["../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "....//etc/passwd", "..%5c..%5cetc",
           "%c0%ae%c0%ae/etc/passwd", "a%00b", "%00", "a%0d%0aX-Injected:%20yes", "%ff%fe", "a%20b", "%3Cscript%3E", "%25s%25n",
           "%252e%252e%252fetc%252fpasswd", "%25252e%25252e/etc/passwd", "..%c0%afetc%c0%afpasswd", "%e0%80%ae%e0%80%ae/etc/passwd",
           "..%ef%bc%8fetc%ef%bc%8fpasswd", "..;/..;/etc/passwd", "%2fetc%2fpasswd", "..%u2215etc%u2215passwd",
           "'%20OR%201=1--", "%F0%9F%98%80", "*", ";", "con", "a" * 200, "."]
    with attacked() as server:
        for part in odd:
            for path in ("/" + part, "/assets/" + part, "/live/" + part, "/api/v1/jobs/" + part, f"/api/v1/jobs/{part}/events",
                         "/api/v1/providers/" + part):
                status, headers, body = harness.request(server.url + path)
                check(status in (400, 404), f"{path}: {status} {body[:200]!r}")
                check("X-Injected" not in headers, f"{path}: {headers}")
                lacks(body, b"root:", path)
                check("html" not in headers["Content-Type"] or b"<script>" not in body, path)
                body.decode()
            spent(server)
        equal(harness.request(server.url + "/healthz%00.html")[0], 400, "NUL after a path that exists")
        equal(harness.request(server.url + "/api/v1/providers/claude-api%00x")[0], 400, "NUL after an id that exists")
        for query in ("kind=%00", "kind=%0d%0aX-Injected:%20yes", "subject=%ff%fe", "subject='%20OR%201=1--", "before=-1",
                      "before=99999999999999999999", "before=x", "&&&==&", "kind", "subject=%25_", "format=%ff"):
            for path in ("/audit", "/api/v1/audit", "/api/v1/jobs", "/runs"):
                status, headers, body = harness.request(f"{server.url}{path}?{query}")
                check(status in (200, 400, 422), f"{path}?{query}: {status} {body[:200]!r}")
                check("X-Injected" not in headers, f"{path}?{query}: {headers}")
                body.decode()
            spent(server)
        equal(api(server, "/audit?subject=%27%20OR%201=1--")[2], {"entries": []}, "SQL in a filter")


def test_ids():
    """ids of jobs with odd characters are refused or kept as they are, and lead to no other job"""
    repo = harness.repository(harness.FILES)
    with attacked(JCA_WORKER_ROLE="gateway", JCA_WORKER_PROVIDER="claude-api") as server:
        for name in ("../x", "a/b", "", " ", "a\nb", "x" * 65, "x" * 5000, "<b>", "ä", "%2e", "a\0b", "'", "job one", 7, None, {}):
            status, _, answer = api(server, "/jobs", "POST", {
                "schema": "mergeloom.job.v1", "id": name, "ticket": {"title": "t"}, "repository": {"path": str(repo)}})
            check(status in (201, 422), f"id {name!r}: {status} {answer}")
            if status == 201:
                check(re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer["id"]), f"id {name!r} became {answer['id']!r}")
                equal(api(server, "/jobs/" + answer["id"])[0], 200, f"id {name!r}")
        equal(harness.request(server.url + "/runs")[0], 200, "the list")


def test_broken_text():
    """bytes that are no UTF-8 in bodies and forms are refused and spoil nothing that is stored"""
    with attacked() as server:
        token = None
        cookie = {}
        status, headers, page = harness.request(server.url + "/providers")
        token = re.search(rb'name="csrf" value="([0-9a-f]{64})"', page).group(1).decode()
        cookie = {"Cookie": headers["Set-Cookie"].split(";")[0], "Origin": server.url,
                  "Content-Type": "application/x-www-form-urlencoded"}
        for value in ("%ff%fe%fd", "%c3%28", "%ed%a0%80", "a%00b", "%0a%0d", "%80"):
            status, _, body = harness.request(server.url + "/providers/claude-api/settings", "POST",
                                              f"csrf={token}&claude-api.model={value}", cookie)
            check(status in (303, 400, 422), f"{value}: {status} {body[:300]!r}")
            body.decode()
            found = field(server, "claude-api", "model")["value"]
            check(found is None or "\0" not in found, f"{value} became {found!r}")
        for body in (b'{"fields": {"model": "\xff\xfe"}}', b'{"fields": {"\xc3\x28": "x"}}', b'\xef\xbb\xbf{}', b"\xff" * 1000,
                     b'{"fields": {"model": "a\\u0000b"}}'):
            equal(harness.request(server.url + "/api/v1/providers/claude-api/settings", "PATCH", body)[0], 422, f"{body[:40]!r}")
        equal(api(server, "/providers/claude-api/settings", "PATCH", {"fields": {"model": "good"}})[0], 204, "a good write")
        equal(field(server, "claude-api", "model")["value"], "good", "the model")
        settled(server, "claude-api")


# ---- Tokens, sites, forms ----

def test_guessing_tokens():
    """wrong tokens are limited for API, executors and signing in alike; another address is not"""
    with attacked(JCA_WORKER_ACCESS_TOKEN=ACCESS) as server:
        good = {"Authorization": f"Bearer {ACCESS}"}
        equal(harness.request(server.url + "/providers", headers=good)[0], 200, "the token")
        for header in ("Bearer", "Bearer ", "bearer x", f"Basic {ACCESS}", ACCESS, f"Bearer {ACCESS} ", f"Bearer {ACCESS}x",
                       f"Bearer {ACCESS[:-1]}", "Bearer " + "x" * 5000):
            status = harness.request(server.url + "/api/v1/providers", headers={"Authorization": header})[0]
            check(status in (401, 429), f"{header[:40]!r}: {status}")
        for method, path, body, headers in (
                ("GET", "/api/v1/providers", None, {"Authorization": "Bearer wrong"}),
                ("GET", "/api/v1/gateway/settings", None, {"Authorization": "Bearer wrong"}),
                ("POST", "/sign-in", urllib.parse.urlencode({"token": "wrong"}),
                 {"Content-Type": "application/x-www-form-urlencoded"})):
            found = []
            while 429 not in found and len(found) < 1000:
                found.append(harness.request(server.url + path, method, body, headers)[0])
            check(set(found) <= {401, 429} and 429 in found, f"{method} {path}: {found}")
        equal(harness.request(server.url + "/healthz")[0], 200, "the probe of a supervisor is not limited")
        other = http.client.HTTPConnection(server.host, timeout=harness.GUARD, source_address=("127.0.0.2", 0))
        other.request("GET", "/api/v1/jobs", headers=good)
        equal(other.getresponse().status, 200, "another address")
        other.close()
        wait_for(lambda: harness.request(server.url + "/providers", headers=good)[0] == 200, "the limit passes")


def test_executors_are_not_limited():
    """the cluster token may be shown as often as executors need; nobody gets to guess who has used up the limit"""
    with attacked(JCA_WORKER_ACCESS_TOKEN="") as server:
        good = {"Authorization": f"Bearer {CLUSTER}"}
        wait_for(lambda: harness.request(server.url + "/api/v1/gateway/settings", headers=good)[0] == 200, "the settings are read")
        connection = http.client.HTTPConnection(server.host, timeout=harness.GUARD)
        found = set()
        for _ in range(1000):
            connection.request("GET", "/api/v1/gateway/settings", headers=good)
            answer = connection.getresponse()
            answer.read()
            found.add(answer.status)
        connection.close()
        equal(found, {200}, "answers to a thousand requests")
        found = []
        while 429 not in found and len(found) < 1000:
            harness.request(server.url + "/api/v1/gateway/settings", headers={"Authorization": "Bearer wrong"})
            found.append(harness.request(server.url + "/api/v1/gateway/settings", headers=good)[0])
        check(429 in found, f"the right guess among wrong ones: {found}")
        wait_for(lambda: harness.request(server.url + "/api/v1/gateway/settings", headers=good)[0] == 200, "the limit passes")


def test_sites_and_forms():
    """Origin, Sec-Fetch-Site and CSRF in every way a page of another site could try, for forms, API and signing in"""
    with attacked(JCA_WORKER_ACCESS_TOKEN="") as server:
        origins = ["http://attacker.example", "null", "", "file://", server.url + ".attacker.example", server.url + "@attacker.example",
                   f"http://attacker.example/{server.host}", "http://localhost.attacker.example", f"http://127.0.0.1:{server.port + 1}"]
        change = json.dumps({"fields": {"model": "stolen"}})
        for origin in origins:
            for method, path, body in (("PATCH", "/api/v1/providers/claude-api/settings", change),
                                       ("POST", "/api/v1/providers/claude-api/checks", None),
                                       ("POST", "/providers/claude-api/disable", "csrf=")):
                equal(harness.request(server.url + path, method, body, {"Origin": origin})[0], 403, f"{method} {path} from {origin!r}")
            spent(server)
        equal(harness.request(server.url + "/sign-in", "POST", "token=x", {"Origin": origins[0]})[0], 403, "signing in")
        for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"):
            equal(harness.request(server.url + "/providers", headers={name: "127.0.0.1"})[0], 403, f"a proxy that says {name}")
        for site in ("cross-site", "same-site", "nonsense"):
            equal(harness.request(server.url + "/api/v1/providers/claude-api/checks", "POST", None, {"Sec-Fetch-Site": site})[0],
                  403, site)
        # What a form of another site can send without being asked for leave: no Origin here, but a cookie.
        for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"):
            equal(harness.request(server.url + "/api/v1/providers/claude-api/settings", "PATCH", change, {
                "Content-Type": kind, "Cookie": "mergeloom_session=" + "a" * 64})[0], 403, kind)
        spent(server)
        for cookie in ("mergeloom_session=" + "A" * 64, "mergeloom_session=", "mergeloom_session", "=; ;;; =", "x" * 4000):
            equal(harness.request(server.url + "/providers/claude-api/disable", "POST", "csrf=" + "0" * 64, {
                "Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie})[0], 403, cookie[:40])
        for host in ("attacker.example", "127.0.0.1.nip.example", "0.0.0.0", "[::ffff:127.0.0.1]", "2130706433", "localhost.",
                     "127.0.0.1:", "127.0.0.1:80:80", "[::1", "@127.0.0.1"):
            equal(harness.request(server.url + "/providers", headers={"Host": host})[0], 403, f"Host {host}")
        wait_for(lambda: harness.request(server.url + "/sign-in", "POST", "token=x", {"Host": "attacker.example"})[0] == 403,
                 "signing in under another name is refused")
        found = wait_for(lambda: (lambda answer: answer[2] if answer[0] == 200 else None)(
            api(server, "/providers/claude-api")), "the limit passes")
        lacks(json.dumps(found), "stolen", "what was written")
        check(found["enabled"], "nothing was disabled")


harness.main(globals())
