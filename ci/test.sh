# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole of the tests, cheap steps first.

passed=0
failed=0
skipped=0
skip_reasons=

# step NAME COMMAND...: one step that counts as one test.
step() {
  if logged "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    return 1
  fi
}

# Adds the results that automake left in FOLDER: the single tests of a CUnit program or TAP script, else one each.
count_results() {
  local counted
  counted=$(python3 "$root/ci/count-results.py" "$1") || return 1
  local p f s
  read -r p f s <<<"$(head -n 1 <<<"$counted")"
  passed=$((passed + p))
  failed=$((failed + f))
  skipped=$((skipped + s))
  skip_reasons+=$(tail -n +2 <<<"$counted")$'\n'
  say "    $p passed, $f failed, $s skipped"
}

# checked NAME FOLDER [TARGET [MAKE-ARGUMENTS...]]: make check, or TARGET, in FOLDER, its tests counted one by one.
checked() {
  local name=$1 folder=$2 target=${3:-check} status=0 before=$failed
  shift 2
  [ $# = 0 ] || shift
  find "$folder/tests" "$folder/fuzz" -name '*.trs' -delete 2>/dev/null
  logged "$name" bounded make -C "$folder" -k -j"$test_jobs" "$target" "$@" || status=1
  count_results "$folder" || status=1
  # A failure that no test owns, of the build for instance.
  [ $status = 1 ] && [ "$failed" = "$before" ] && failed=$((failed + 1))
  return $status
}

# The last lines of every command that runs tests.
finish() {
  local name=$1
  if [ "$skipped" -gt 0 ]; then
    say "skipped:"
    sort -u <<<"$skip_reasons" | sed '/^$/d; s/^/  /'
    # What a developer's machine lacks is told; a machine that decides has to have everything.
    [ "${CI:-}" = true ] && failed=$((failed + skipped))
  fi
  say "$passed passed, $failed failed, $skipped skipped"
  if [ "$failed" = 0 ] && [ "$passed" -gt 0 ]; then
    say "$name: passed"
  else
    say "$name: FAILED"
    return 1
  fi
}

report_one() {
  local name=$1
  shift
  if "$@"; then say "$name: passed"; else
    say "$name: FAILED"
    return 1
  fi
}

check_main() {
  checked check "$build"
  checked proofs "$build" check-proofs
  finish check
}

run_asan() {
  step build-asan build_asan &&
    MERGELOOM_PLAIN_BUILD="$build" ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1 checked check-asan "$build/asan"
}

# The unit tests of the floors whose tests start threads.
threaded_tests() {
  local area
  for area in $(cd "$root" && grep -lE 'pthread_create|thrd_create' -r tests/unit --include='*.c' | xargs -n 1 dirname | sort -u); do
    (cd "$root" && ls "$area"/test_*.c) | sed 's|\.c$||'
  done
}

build_and_run_tsan() {
  local status=0
  configured "$build/tsan" --enable-sanitizers=thread 'CFLAGS=-g -O1' || return 1
  # shellcheck disable=SC2046
  make -C "$build/tsan" -j"$jobs" $(threaded_tests) || return 1
  make -C "$build/tsan" -j"$jobs" || return 1
  # Address space randomisation of newer kernels is more than this compiler's runtime can do with.
  # shellcheck disable=SC2046
  bounded setarch -R make -C "$build/tsan" -k -j"$test_jobs" check TESTS="$(threaded_tests | tr '\n' ' ')" || status=1
  return $status
}

run_tsan() {
  [ -n "$(threaded_tests)" ] || { say "no test uses threads"; return 0; }
  local status=0
  find "$build/tsan/tests" -name '*.trs' -delete 2>/dev/null
  step tsan build_and_run_tsan || status=1
  count_results "$build/tsan"
  return $status
}

# The unit tests that can run under valgrind: those of the sandbox and of jobs need system calls that it has not
# (openat2, seccomp's), and test_secret reads protected memory on purpose.
memcheck_tests() {
  (cd "$root" && ls tests/unit/{base,credential,daemon,net,plugin,provider,resolver,secret,settings,wire}/test_*.c) |
    sed 's|\.c$||' | grep -v '/test_secret$'
}

# What sanitizers do not see: uses of memory that nobody wrote.
build_and_run_valgrind() {
  # shellcheck disable=SC2046
  make -C "$build" -j"$jobs" $(memcheck_tests) || return 1
  # shellcheck disable=SC2046
  bounded make -C "$build" -k -j"$test_jobs" check TESTS="$(memcheck_tests | tr '\n' ' ')" \
    LOG_COMPILER="$build/libtool --mode=execute valgrind -q --error-exitcode=99"
}

run_valgrind() {
  local status=0
  find "$build/tests" -name '*.trs' -delete 2>/dev/null
  step valgrind build_and_run_valgrind || status=1
  count_results "$build"
  return $status
}

fuzz_one() {
  local seconds=$1 target=$2 name
  name=${target#fuzz/fuzz_}
  mkdir -p "$build/fuzz/corpus/$name" "$build/fuzz/findings"
  local seeds=()
  [ -d "$root/fuzz/seeds/$name" ] && seeds=("$root/fuzz/seeds/$name")
  "$build/fuzz/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$build/fuzz/findings/$name-" "$build/fuzz/corpus/$name" "${seeds[@]}"
}

fuzz_targets() { (cd "$root" && ls fuzz/fuzz_*.c 2>/dev/null) | sed 's|\.c$||'; }

build_fuzzers() {
  configured "$build/fuzz" --enable-fuzzers --enable-sanitizers=address,undefined,fuzzer-no-link CC=clang 'CFLAGS=-g -O1' || return 1
  # shellcheck disable=SC2046
  make -C "$build/fuzz" -j"$jobs" $(fuzz_targets)
}

# One target, its line printed whole; leaves a file when it went well.
fuzz_aside() {
  local seconds=$1 target=$2 output status=0
  output=$(logged "fuzz-${target#fuzz/fuzz_}" fuzz_one "$seconds" "$target") || status=1
  say "$output"
  [ $status = 0 ] && : >"$build/fuzz/passed/${target#fuzz/fuzz_}"
}

# As many targets at a time as there are processors; each is a step of its own.
run_fuzz() {
  local seconds=$1 target
  [ -n "$(fuzz_targets)" ] || return 0
  step build-fuzz build_fuzzers || return 1
  rm -rf "$build/fuzz/passed"
  mkdir -p "$build/fuzz/passed"
  for target in $(fuzz_targets); do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    fuzz_aside "$seconds" "$target" &
  done
  wait
  for target in $(fuzz_targets); do
    if [ -e "$build/fuzz/passed/${target#fuzz/fuzz_}" ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
  done
}

run_distcheck() { MERGELOOM_TEST_BRIEF=1 step distcheck bounded make -C "$build" -j"$test_jobs" distcheck; }

test_asan() {
  run_asan
  finish asan
}
test_tsan() {
  run_tsan
  finish tsan
}
test_valgrind() {
  run_valgrind
  finish valgrind
}
test_fuzz() {
  run_fuzz "$1"
  finish fuzz
}
test_distcheck() {
  run_distcheck
  finish distcheck
}

run_lint() {
  local part status=0
  for part in format shell structure analysis; do
    step "lint-$part" "lint_$part" || status=1
  done
  return $status
}

# Installs the build where it was configured to go, and uses it from there.
install_and_use() {
  rm -rf "${build:?}/installed"
  make -C "$build" -j"$jobs" install && make -C "$build" installcheck
}

run_installcheck() {
  logged installcheck install_and_use
  local status=$?
  local p f
  p=$(grep -c '^ok ' "$logs/installcheck.log")
  f=$(grep -c '^not ok ' "$logs/installcheck.log")
  [ "$status" != 0 ] && [ "$f" = 0 ] && f=1
  passed=$((passed + p))
  failed=$((failed + f))
  say "    $p passed, $f failed, 0 skipped"
}

test_all() {
  local started=$SECONDS
  run_setup || {
    failed=1
    finish test
    return 1
  }
  run_lint
  if step build build_gcc; then
    checked check "$build"
    checked proofs "$build" check-proofs
    run_installcheck
  fi
  step build-clang build_clang
  step build-builtin build_builtin
  run_asan
  run_tsan
  run_fuzz "${MERGELOOM_FUZZ_SECONDS:-3}"
  run_distcheck
  say "took $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
  finish test
}
