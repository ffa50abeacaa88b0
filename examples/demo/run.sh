#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# One job from ticket to checked diff, against the scripted model server: run.sh BUILD_FOLDER. With an endpoint of your
# own in JCA_OPENAI_COMPATIBLE_BASE_URL, that is asked instead. Leaves nothing behind.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:?usage: run.sh BUILD_FOLDER}" && pwd) || exit 1
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mergeloom-demo-XXXXXX") || exit 1
simulator=

clean_up() {
  [ -n "$simulator" ] && kill "$simulator" 2>/dev/null && wait "$simulator" 2>/dev/null
  rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

heading() { printf '\n== %s\n\n' "$*"; }
die() {
  printf '\n%s\ndemo: FAILED\n' "$*"
  exit 1
}
run_tests() { (cd "$repository" && python3 -B -m unittest discover -s tests 2>&1 | tail -n "$1"); }
git_here() { git -C "$repository" -c user.name=Demo -c user.email=demo@example.com "$@"; }

heading "1. A repository with a bug, and a ticket about it"
repository=$scratch/shelf
cp -R "$here/repository" "$repository"
git_here init -q -b main && git_here add -A && git_here commit -q -m 'Show the catalogue page by page' ||
  die "the repository could not be made"
sed -n '/^def page_count/,/^$/p' "$repository/shelf/pages.py"
echo
python3 -c 'import json, sys
ticket = json.load(open(sys.argv[1]))
print(ticket["key"] + ": " + ticket["title"] + "   labels: " + ", ".join(ticket["labels"]) + "\n")
print(ticket["description"])' "$here/ticket.json"
run_tests 3
(cd "$repository" && python3 -B -m unittest discover -s tests >/dev/null 2>&1) && die "the tests pass already"

ticket=$here/ticket.json
if [ -n "${JCA_OPENAI_COMPATIBLE_BASE_URL:-}" ]; then
  heading "2. Your own endpoint: $JCA_OPENAI_COMPATIBLE_BASE_URL"
  # The label of the ticket names a model of the simulator.
  python3 -c 'import json, sys
ticket = json.load(open(sys.argv[1]))
ticket["labels"] = ["bug"]
json.dump(ticket, open(sys.argv[2], "w"))' "$here/ticket.json" "$scratch/ticket.json"
  ticket=$scratch/ticket.json
else
  heading "2. A model server that plays a script"
  "$build/mergeloom-sim" --script "$here/script.json" >"$scratch/simulator" 2>&1 &
  simulator=$!
  for _ in $(seq 200); do
    grep -q '^listening on ' "$scratch/simulator" && break
    sleep 0.05
  done
  url=$(sed -n 's/^listening on //p' "$scratch/simulator")
  [ -n "$url" ] || die "the simulator did not start: $(cat "$scratch/simulator")"
  echo "mergeloom-sim listens on $url"
  export JCA_OPENAI_COMPATIBLE_BASE_URL=$url/v1 JCA_OPENAI_COMPATIBLE_MODEL=sim-1
fi

export MERGELOOM_PLUGIN_PATH=$build MERGELOOM_SUPERVISE=$build/mergeloom-supervise
export JCA_WORKER_ALLOWED_COMMANDS=git,python3
export JCA_WORKER_AUDIT_PATH=$scratch/audit JCA_WORKER_SCRATCH_PATH=$scratch
mkdir -p "$scratch/audit"

heading "3. Which provider and model, and why: mergeloom resolve"
"$build/mergeloom" resolve --ticket "$ticket" || die "the ticket was not resolved"

heading "4. Is the provider ready? mergeloom check"
"$build/mergeloom" check openai-compatible || die "the provider is not ready"

heading "5. The job: mergeloom run"
"$build/mergeloom" run --repo "$repository" --ticket "$ticket" --job "$here/job.json"
status=$?

heading "6. What it left: a diff in the work tree, nothing committed"
git_here --no-pager diff
[ "$status" = 0 ] || die "mergeloom run ended with exit status $status"
git_here diff --quiet && die "the job changed nothing"
[ "$(git_here rev-list --count HEAD)" = 1 ] || die "something was committed"

heading "7. The tests again"
run_tests 4
(cd "$repository" && python3 -B -m unittest discover -s tests >/dev/null 2>&1) || die "the tests still fail"

heading "8. The audit record"
record=$(find "$scratch/audit" -type f | head -n 1)
[ -n "$record" ] || die "there is no audit record"
echo "$(basename "$record"): $(wc -l <"$record") lines of JSON, $(wc -c <"$record") bytes"
echo
echo "demo: passed"
