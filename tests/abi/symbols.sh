#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The library exports what its map lists and nothing else; each plugin exports its entry and nothing else.
set -eu
command -v nm >/dev/null 2>&1 || { echo "nm is missing"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
LC_ALL=C
export LC_ALL

exported() {
  # A version node is a symbol of its own kind (A); it is no function.
  nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

library="$top_builddir/.libs/libmergeloom.so"
[ -e "$library" ] || { echo "$library is missing"; exit 1; }
sed -n '/global:/,/local:/p' "$top_srcdir/libmergeloom/libmergeloom.map" | sed -n 's/^ *\([a-z_0-9]*\);$/\1/p' |
  sort -u >"$work/promised"
exported "$library" >"$work/exported"
if ! diff -u "$work/promised" "$work/exported"; then
  echo "libmergeloom.map (-) and $library (+) differ"
  exit 1
fi
[ "$(wc -l <"$work/promised")" -ge 30 ] || { echo "the map could not be read"; exit 1; }

# Each function of the map is declared in a public header, and each declared function is in the map.
cat "$top_srcdir"/libmergeloom/include/mergeloom/*.h | tr '\n' ' ' | grep -o 'MLOOM_API[^;(]*(' |
  grep -o 'mloom_[a-z_0-9]*(' | tr -d '(' | sort -u >"$work/declared"
if ! diff -u "$work/promised" "$work/declared"; then
  echo "libmergeloom.map (-) and the public headers (+) differ"
  exit 1
fi

count=0
for plugin in "$top_builddir"/.libs/mergeloom-*.so; do
  [ -e "$plugin" ] || continue # in a build with built-in plugins there is none
  symbols=$(exported "$plugin")
  if [ "$symbols" != mergeloom_plugin_init_v1 ]; then
    echo "$plugin exports: $symbols"
    exit 1
  fi
  count=$((count + 1))
done
echo "$(wc -l <"$work/promised") symbols, $count plugins"
