# SPDX-License-Identifier: Apache-2.0
"""mergeloomd for tests: started on a free port with stores of its own, and asked through its API."""
import contextlib
import json
import time

import harness
from harness import check


def environment(**more):
    state = harness.scratch() / "state"
    values = {"XDG_STATE_HOME": state, "JCA_WORKER_PORT": "0", **harness.worker_environment(),
              "JCA_WORKER_ALLOWED_COMMANDS": "git,grep"}
    return harness.clean_environment(**{**values, **more})


@contextlib.contextmanager
def daemon(**more):
    with harness.Server([harness.BUILD / "mergeloomd"], "mergeloomd: ", environment(**more)) as server:
        server.url = server.url.removesuffix("/providers")
        wait_for(lambda: harness.request(server.url + "/readyz")[0] == 200, "the providers are described")
        yield server


class Killable(harness.Server):
    """mergeloomd with a state folder of its own, under the name that it had before when it starts again."""

    def __init__(self, name, **more):
        super().__init__([harness.BUILD / "mergeloomd"], "mergeloomd: ",
                         environment(**{"XDG_STATE_HOME": harness.scratch() / name, "JCA_WORKER_NAME": name, **more}))
        self.url = self.url.removesuffix("/providers")

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


def only_plugins(*names):
    """A folder with these plugins and no others: what starts over and over starts sooner."""
    folder = harness.scratch() / "plugins"
    (folder / ".libs").mkdir(parents=True, exist_ok=True)
    for name in names:
        for file in (f"mergeloom-{name}.la", f".libs/mergeloom-{name}.so"):
            if not (folder / file).exists():
                (folder / file).symlink_to(harness.PLAIN_BUILD / file)
    return folder


def wait_for(condition, what):
    end = time.monotonic() + harness.GUARD
    while True:
        found = condition()
        if found:
            return found
        check(time.monotonic() < end, f"{what}: did not come")
        time.sleep(0.05)


def api(server, path, method="GET", body=None, headers=None):
    data = None if body is None else json.dumps(body)
    status, answer_headers, answer = harness.request(server.url + "/api/v1" + path, method, data, headers)
    return status, answer_headers, json.loads(answer) if answer else None


def provider(server, name):
    return api(server, "/providers/" + name)[2]


def field(server, owner, name):
    document = api(server, "/providers")[2]
    settings = document["worker"]["settings"] if owner == "worker" else provider(server, owner)["settings"]
    return next(item for item in settings["fields"] if item["name"] == name)


def settled(server, name):
    return wait_for(lambda: (lambda found: found if not found["checking"] and found["checked_at"] else None)(
        provider(server, name)), f"{name} is checked")


def simulated(url, **more):
    return {"JCA_OPENAI_COMPATIBLE_BASE_URL": url + "/v1", "JCA_OPENAI_COMPATIBLE_MODEL": "sim-1", **more}
