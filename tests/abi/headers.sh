#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Each public header compiles alone, as C and as C++; what plugins include is strict C99 and drags nothing in.
set -eu
: "${CC:=cc}"
include="$top_srcdir/libmergeloom/include"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
strict="-pedantic-errors -Wall -Wextra -Wundef -Werror -fsyntax-only"

if command -v "${CXX:-c++}" >/dev/null 2>&1; then
  cxx=${CXX:-c++}
else
  cxx=
  echo "no C++ compiler: the C++ half is left out"
fi

count=0
for header in "$include"/mergeloom/*.h; do
  name=$(basename "$header")
  # Twice: the guard must hold.
  printf '#include <mergeloom/%s>\n#include <mergeloom/%s>\nint nothing;\n' "$name" "$name" >"$work/alone.c"
  $CC -std=c99 $strict -I"$include" "$work/alone.c"
  $CC -std=c11 $strict -I"$include" "$work/alone.c"
  if [ -n "$cxx" ]; then
    cp "$work/alone.c" "$work/alone.cc"
    $cxx -std=c++11 $strict -I"$include" "$work/alone.cc"
  fi
  count=$((count + 1))
done
[ "$count" -ge 8 ] || { echo "only $count headers found in $include"; exit 1; }

# plugin.h depends on types.h, stdint.h and stddef.h alone.
ours=$(grep -h '^#include <' "$include/mergeloom/plugin.h" "$include/mergeloom/types.h" | sort -u | tr '\n' ' ')
expected="#include <mergeloom/types.h> #include <stddef.h> #include <stdint.h> "
[ "$ours" = "$expected" ] || { echo "the plugin headers include: $ours"; exit 1; }

# A plugin in plain C99 needs no other flag, and nothing of stdbool, stdio or errno came along.
cat >"$work/minimal.c" <<'END'
#include <mergeloom/plugin.h>
#if defined(bool) || defined(true) || defined(EOF) || defined(errno) || defined(NAN)
#error "a header of the system that has no business here"
#endif
typedef int FILE;
typedef int time_t;
typedef int pthread_t;
static const mloom_plugin plugin = {sizeof(mloom_plugin), 0, MLOOM_ABI_MAJOR, MLOOM_ABI_MINOR, "minimal", "1", "",
                                    0, 0, 0, 0, 0, 0, 0};
const mloom_plugin *mergeloom_plugin_init_v1(const mloom_host *host, char *error_text, size_t error_size) {
  (void)error_text;
  (void)error_size;
  return MLOOM_HAS(host, mloom_host, get_interface) ? &plugin : 0;
}
END
$CC -std=c99 $strict -I"$include" "$work/minimal.c"
if [ -n "$cxx" ]; then
  sed -e 's/^typedef int .*//' -e 's/defined(bool) || defined(true) || //' "$work/minimal.c" >"$work/minimal.cc"
  $cxx -std=c++11 $strict -I"$include" "$work/minimal.cc"
fi
echo "$count headers"
