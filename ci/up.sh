# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# ./dev up: mergeloomd from the build tree with the built plugins, until Ctrl-C. What it stores is kept in build/state.

run_up() {
  MERGELOOM_PLUGIN_PATH=$build MERGELOOM_SUPERVISE=$build/mergeloom-supervise MERGELOOM_WORKER=$build/mergeloom-worker
  XDG_STATE_HOME=$build/state
  export MERGELOOM_PLUGIN_PATH MERGELOOM_SUPERVISE MERGELOOM_WORKER XDG_STATE_HOME
  [ -x "$build/mergeloomd" ] || fail "mergeloomd was not built: libmicrohttpd or SQLite is not there" || return 1
  say "Ctrl-C ends it; what it stores is in $build/state"
  exec "$build/mergeloomd"
}
