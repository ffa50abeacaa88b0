#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs the measurements of a build folder and prints one table. Exit status 1 when one of them broke or missed its target.
set -uo pipefail
source_folder=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "${1:-.}" && pwd) || exit 1
export top_builddir=$build top_srcdir=$source_folder
export MERGELOOM_PLUGIN_PATH=$build MERGELOOM_SUPERVISE=$build/mergeloom-supervise
verdicts=$(mktemp) && found=$(mktemp) || exit 1
trap 'rm -f "$verdicts" "$found"' EXIT

# Reads the lines of a bench program and sets them in columns, with a verdict where there is a target. Verdicts and what
# could not be measured are kept for the end; a line that is set in belongs to the one before that is not.
table() {
  awk -F'\t' -v found="$found" -v part="$1" '
    NF < 4 { print "  " $0; print "unmeasured\t" part ": " $0 >>found; next }
    { about = $1; if (sub(/^ +/, "", about)) about = head ", " about; else head = about }
    $4 == "" { printf "  %-78s %10s %-10s\n", $1, $2, $3; next }
    {
      verdict = $2 + 0 <= $4 + 0 ? "ok" : "MISSED"
      printf "  %-78s %10s %-10s at most %-6s %s\n", $1, $2, $3, $4, verdict
      print verdict "\t" part ": " about ": " $2 " " $3 ", at most " $4 >>found
    }'
}

# measure_once NAME COMMAND...: what it found stands in found.
measure_once() {
  local name=$1
  shift
  : >"$found"
  if ! "$@" | table "$name"; then
    echo "  broken: $*"
    printf 'broken\t%s: %s\n' "$name" "$*" >>"$found"
  fi
}

# What misses a target is measured once more: other work of the machine, or of its host, only adds.
measure() {
  echo "$1"
  measure_once "$@"
  if grep -q '^MISSED	' "$found"; then
    echo "  a target was missed, once more:"
    measure_once "$@"
  fi
  cat "$found" >>"$verdicts"
}

# tell VERDICT HEADING
tell() {
  grep -q "^$1	" "$verdicts" || return 1
  echo "$2"
  sed -n "s/^$1	/  /p" "$verdicts"
}

measure "one trivial job (read, edit, submit)" python3 -B "$source_folder/bench/bench_job.py"
measure "mergeloomd" python3 -B "$source_folder/bench/bench_daemon.py"
for program in "$build"/bench/bench_*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  case $(basename "$program") in
    bench_load) measure "loading plugins" "$program" "$build" ;;
    bench_sigv4)
      measure bench_sigv4 "$program"
      measure "the same by others" python3 -B "$source_folder/bench/bench_sigv4_peers.py"
      ;;
    *) measure "$(basename "$program")" "$program" ;;
  esac
done
tell unmeasured "not measured:"
status=0
tell broken "broken:" && status=1
tell MISSED "targets missed:" && status=1
if [ $status = 1 ]; then
  echo "bench: FAILED"
  exit 1
fi
echo "bench: done, all $(grep -c '^ok' "$verdicts") targets held"
