#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the measurements of a build folder and prints one table. Exit status 1 only when one of them broke.
set -uo pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-.}" && pwd) || exit 1
export top_builddir=$build top_srcdir=$source_folder
export MERGELOOM_PLUGIN_PATH=$build MERGELOOM_SUPERVISE=$build/mergeloom-supervise
broken=0

# Reads the lines of a bench program and sets them in columns, with a verdict where there is a target.
table() {
  awk -F'\t' '
    NF < 4 { print "  " $0; next }
    $4 == "" { printf "  %-62s %10s %-10s\n", $1, $2, $3; next }
    { printf "  %-62s %10s %-10s at most %-6s %s\n", $1, $2, $3, $4, ($2 + 0 <= $4 + 0 ? "ok" : "MISSED") }'
}

measure() {
  local name=$1
  shift
  echo "$name"
  if ! "$@" | table; then
    echo "  broken: $*"
    broken=1
  fi
}

measure "one trivial job (read, edit, submit)" python3 -B "$source_folder/bench/bench_job.py"
measure "one job through the real programs" python3 -B "$source_folder/bench/bench_programs.py"
measure "mergeloomd" python3 -B "$source_folder/bench/bench_daemon.py"
for program in "$build"/bench/bench_*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  case $(basename "$program") in
    bench_load) measure "loading plugins" "$program" "$build/bench/.libs/mergeloom-bench.so" ;;
    bench_sigv4)
      measure bench_sigv4 "$program"
      measure "the same by others" python3 -B "$source_folder/bench/bench_sigv4_peers.py"
      ;;
    *) measure "$(basename "$program")" "$program" ;;
  esac
done
if [ $broken = 1 ]; then
  echo "bench: FAILED"
  exit 1
fi
echo "bench: done"
