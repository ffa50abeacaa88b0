# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Style and structure. Each function prints what it finds and fails when it found something.

tracked() { git -C "$root" ls-files -- "$@"; }

lint_format() {
  tracked '*.c' '*.h' | xargs -r clang-format --dry-run -Werror
}

lint_shell() {
  local scripts
  # Test scripts get top_srcdir and the like from make.
  scripts=$(tracked | xargs grep -lE '^#!.*\b(ba)?sh$' 2>/dev/null)
  # shellcheck disable=SC2086
  shellcheck -x -S warning -e SC2154 $scripts
}

lint_structure() { python3 "$root/ci/check-structure.py" "$root"; }

lint_analysis() {
  tracked 'libmergeloom/*.c' 'plugins/*.c' 'tool/*.c' 'daemon/*.c' 'sim/*.c' 'examples/*.c' >"$logs/cppcheck-files"
  [ -s "$logs/cppcheck-files" ] || return 0
  cppcheck --quiet --enable=warning,portability --inline-suppr --error-exitcode=1 --std=c11 --library=posix \
    --suppressions-list="$root/ci/cppcheck-suppressions" -j "$jobs" \
    -I "$root/libmergeloom/include" -I "$root/libmergeloom" -I "$root/plugins" -I "$root/daemon" -D__GNUC__ \
    --file-list="$logs/cppcheck-files"
}

lint_all() {
  local status=0
  logged lint-format lint_format || status=1
  logged lint-shell lint_shell || status=1
  logged lint-structure lint_structure || status=1
  logged lint-analysis lint_analysis || status=1
  return $status
}
