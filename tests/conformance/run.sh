#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# mergeloom-plugin-check on our plugins, the example and the mocks: sound ones pass, each broken one fails at its rule.
set -eu
: "${CC:=cc}"
answers="$top_srcdir/tests/conformance/answers"
mocks="$top_builddir/tests/mock-plugins/.libs"
check="$top_builddir/mergeloom-plugin-check"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
failures=0

# passes NAME FILE [ARGUMENT...]
passes() {
  name=$1
  shift
  if ! "$check" "$@" >"$work/out" 2>&1; then
    echo "$name does not pass:"
    grep -v '^pass' "$work/out" || true
    failures=$((failures + 1))
  elif grep -q '^warn' "$work/out"; then
    echo "$name: $(grep '^warn' "$work/out")"
    failures=$((failures + 1))
  else
    echo "$name: $(tail -n 1 "$work/out")"
  fi
}

# fails WORDS FILE [ARGUMENT...]: some rule fails with these words.
fails() {
  words=$1
  shift
  status=0
  "$check" "$@" >"$work/out" 2>&1 || status=$?
  if [ "$status" -ne 1 ] || ! grep '^FAIL' "$work/out" | grep -qF -e "$words"; then
    echo "status $status instead of a failure \"$words\" for $*:"
    grep -v '^pass' "$work/out" || true
    failures=$((failures + 1))
  fi
}

for plugin in "$top_builddir"/.libs/mergeloom-*.so; do
  [ -e "$plugin" ] || continue
  name=$(basename "$plugin" .so)
  answer=$answers/${name#mergeloom-}.txt
  [ -e "$answer" ] || answer=$answers/chat.txt
  # What a plugin cannot be opened without.
  case $name in
    mergeloom-aws-bedrock) set -- --set region=us-east-1 ;;
    mergeloom-vertex-ai) set -- --set project_id=example-project --set location=global ;;
    *) set -- ;;
  esac
  passes "$(basename "$plugin")" --answer "$answer" "$@" "$plugin"
done

for example in minimal helper; do
  $CC -std=gnu11 -fPIC -shared -fvisibility=hidden -Wl,-z,defs -I"$top_srcdir/libmergeloom/include" \
    -o "$work/mergeloom-$example.so" "$top_srcdir/examples/$example-provider/provider.c"
  passes $example --answer "$answers/minimal.txt" --set program=/bin/true "$work/mergeloom-$example.so"
done

passes good --answer "$answers/mock.txt" "$mocks/mergeloom-mock-good.so"
passes older --answer "$answers/mock.txt" "$mocks/mergeloom-mock-older.so"
passes newer --answer "$answers/mock.txt" --set mode=slow "$mocks/mergeloom-mock-newer.so"

fails 'does not define and export' "$mocks/mergeloom-mock-no-entry.so"
fails 'does not define and export' "$mocks/mergeloom-mock-borrowed-entry.so"
fails 'undefined symbol: mock_symbol' "$mocks/mergeloom-mock-undefined.so"
fails 'built for ABI 2' "$mocks/mergeloom-mock-wrong-major.so"
fails 'lacks the mandatory member feed' "$mocks/mergeloom-mock-missing-member.so"
fails 'declined: needs a newer moon' "$mocks/mergeloom-mock-declines.so"
fails 'declared twice' "$mocks/mergeloom-mock-duplicate-field.so"
fails 'failures: the plugin' "$mocks/mergeloom-mock-crashes.so"
fails 'finish refuses the recorded answer' --answer "$answers/mock.txt" "$mocks/mergeloom-mock-needs-whole-lines.so"
fails 'broken answer counts as a complete turn' "$mocks/mergeloom-mock-takes-anything.so"
fails 'were not given back' "$mocks/mergeloom-mock-leaks.so"
fails 'the URL holds a secret' "$mocks/mergeloom-mock-shows-secret.so"
fails "entry in a smaller host: the plugin" "$mocks/mergeloom-mock-busy-entry.so" # the smaller host has no clock

status=0
"$check" >/dev/null 2>&1 || status=$?
[ "$status" -eq 2 ] || { echo "no argument: status $status"; failures=$((failures + 1)); }
status=0
"$check" /nowhere/mergeloom-x.so >/dev/null 2>&1 || status=$?
[ "$status" -eq 2 ] || { echo "no such file: status $status"; failures=$((failures + 1)); }
[ "$failures" -eq 0 ]
