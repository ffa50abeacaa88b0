# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the test's own: on a free port of this machine, in a folder that goes with it."""
import contextlib
import glob
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

import harness
from harness import check

USER = "mergeloom_worker"
# With characters that a URL has to escape.
PASSWORD = "database-word@for/tests"
DATABASE = "mergeloom"


def programs():
    """The folder of the server's programs; skips, or fails where nothing may be skipped."""
    found = [pathlib.Path(path).parent for path in glob.glob("/usr/lib/postgresql/*/bin/postgres")]
    on_path = shutil.which("postgres")
    found += [pathlib.Path(on_path).parent] if on_path else []
    if found:
        return max(found, key=lambda path: [int(part) for part in path.parts if part.isdigit()])
    reason = "PostgreSQL is not installed: ./dev setup installs it"
    if os.environ.get("CI") == "true":
        raise harness.Failure(reason)
    raise harness.Skip(reason)


def free_port():
    """Below those that the system gives out by itself, so that it is still free when the server starts again."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """Started when made; stop() and start() as often as a test likes, close() at the end. For "with" as well."""

    def __init__(self):
        self.programs = programs()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mergeloom-postgresql-"))
        self.data = self.folder / "data"
        self.port = free_port()
        self.process = None
        self.command = []
        try:
            # The server refuses to run as root.
            if os.geteuid() == 0:
                owner = self._other_user()
                os.chown(self.folder, owner.pw_uid, owner.pw_gid)
                self.command = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
            self._create()
            self.start()
            self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'", "postgres")
            self.add_database(DATABASE)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _other_user():
        for name in ("postgres", "nobody"):
            try:
                return pwd.getpwnam(name)
            except KeyError:
                continue
        raise harness.Failure("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")

    def _run(self, arguments, **more):
        # From a folder that the other user may enter.
        done = subprocess.run([*self.command, *map(str, arguments)], cwd=self.folder, text=True, capture_output=True,
                              timeout=harness.GUARD, check=False, **more)
        check(done.returncode == 0, f"{arguments[0]}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        return done.stdout

    def _create(self):
        self._run([self.programs / "initdb", "--pgdata", self.data, "--username=postgres", "--encoding=UTF8",
                   "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync",
                   "--no-instructions"])

    def start(self):
        log = open(self.folder / "log", "ab")  # pylint: disable=consider-using-with
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [*self.command, self.programs / "postgres", "-D", self.data, "-h", "127.0.0.1", "-p", str(self.port),
             "-k", self.folder, "-c", "fsync=off", "-c", "max_connections=60", "-c", "shared_buffers=16MB"],
            cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        end = time.monotonic() + harness.GUARD
        while subprocess.run([self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
                             check=False).returncode != 0:
            check(self.process.poll() is None and time.monotonic() < end, f"PostgreSQL: {self.log()[-2000:]}")
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT):
        """SIGINT ends connections and closes the server, SIGQUIT has it crash."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(timeout=harness.GUARD)
            self.process = None

    def restart(self, how=signal.SIGINT):
        self.stop(how)
        self.start()

    @contextlib.contextmanager
    def paused(self):
        """It stands still with all its processes: nothing is answered, and nothing refused."""
        self.process.send_signal(signal.SIGSTOP)
        of_it = [self.process.pid, *self._children()]
        try:
            for process in of_it:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in of_it:
                os.kill(process, signal.SIGCONT)

    def _children(self):
        for stat in glob.glob("/proc/[0-9]*/stat"):
            with contextlib.suppress(OSError):
                text = pathlib.Path(stat).read_text(encoding="utf-8", errors="replace")
                if int(text.rpartition(")")[2].split()[1]) == self.process.pid:
                    yield int(text.split()[0])

    def close(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def log(self):
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def add_database(self, name):
        self.sql(f"CREATE DATABASE {name} OWNER {USER}", "postgres")
        return self.url(name)

    def url(self, database=DATABASE, scheme="postgresql+psycopg", password=PASSWORD):
        quoted = urllib.parse.quote(password, safe="")
        return f"{scheme}://{USER}:{quoted}@127.0.0.1:{self.port}/{database}"

    def sql(self, text, database=DATABASE):
        """What psql prints for it, as the server's owner: one row a line, columns by "|"."""
        return self._run([self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder,
                          "-p", str(self.port), "-U", "postgres", "-d", database, "-c", text]).strip()
