# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Shared by ./dev and its parts: where things are, how a step is run and reported.

build=${MERGELOOM_BUILD:-$root/build}
logs=$build/log
jobs=$(nproc 2>/dev/null || echo 2)
# Most tests wait for servers and processes of theirs.
test_jobs=$((jobs * 2))

say() { printf '%s\n' "$*"; }
fail() {
  printf 'dev: %s\n' "$*" >&2
  return 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "\"$*\" needs root: run ./dev setup as root once, or install sudo"
  fi
}

# bounded COMMAND...: a test that hangs ends its step, with everything that the step started.
bounded() { timeout --kill-after=20 1200 "$@"; }

# logged NAME COMMAND...: runs it with its output in $logs/NAME.log; says how it went and how long it took, and shows
# the end of the log when it failed.
logged() {
  local name=$1 started=$SECONDS status=0
  shift
  mkdir -p "$logs"
  printf '%-28s' "$name ..."
  "$@" >"$logs/$name.log" 2>&1 || status=$?
  if [ "$status" = 0 ]; then
    say "ok ($((SECONDS - started)) s)"
    return 0
  fi
  say "FAILED ($((SECONDS - started)) s), the end of $logs/$name.log:"
  interesting_lines "$logs/$name.log" | sed 's/^/  | /'
  return "$status"
}

# The lines that name a failure, wherever they stand in the log, and its end.
interesting_lines() {
  grep -nE '^(FAIL|XPASS|ERROR)(:| )|^not ok|error:|Sanitizer|runtime error|lint:' "$1" | head -n 40
  say "..."
  tail -n 40 "$1"
}
