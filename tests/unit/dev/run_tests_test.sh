#!/usr/bin/env bash
# The order of ./flowstack test, with stand-ins for ninja, ctest and the servers.
set -Eeuo pipefail

SOURCES=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)
ROOT=$(mktemp -d)
WORK=$ROOT/run
RUN_DIR=$WORK
SAID=$ROOT/said
trap 'rm -rf "$ROOT"' EXIT
mkdir -p "$RUN_DIR/log" "$RUN_DIR/pids"
for build in everyday asan-ubsan; do
    mkdir -p "$ROOT/build/$build"
    touch "$ROOT/build/$build/build.ninja" "$ROOT/build/$build/CTestTestfile.cmake"
done
for part in common process build nightly; do
    # shellcheck disable=SC1090
    source "$SOURCES/tools/dev/$part.sh"
done
STACK_PROGRAMS=(flowctl)
unset FLOWSTACK_E2E_JOBS

install_packages() { :; }
usage_error() { printf '%s\n' "$1" >&2; exit 2; }
note() { printf '%s\n' "$*" >>"$SAID"; }
# The build behind the suites ends after they have: only then does `all compiled` stand in the notes.
ninja() {
    local word
    for word in "$@"; do
        [[ $word != -n ]] || return 0
    done
    if [[ $RUN_DIR == *build-behind && $* != *_test* && $* != *_proto* ]]; then
        [[ ! -e $ROOT/broken ]] || return 1
        sleep 0.5
        note "all compiled, nice $(nice)"
    elif [[ $* == *tests_e2e* ]]; then
        note "stack compiled"
    elif [[ $RUN_DIR == "$WORK" ]]; then
        note "everything compiled at once"
    fi
}
ctest() {
    local word before='' file=''
    for word in "$@"; do
        [[ $before != --output-junit ]] || file=$word
        before=$word
    done
    note "ctest $(basename "$file" .xml)"
    mkdir -p "$(dirname "$file")"
    printf '<testcase name="%s" status="run" time="1.0">\n' "$(basename "$file")" >"$file"
}
start_test_servers() { note 'servers started'; }
stop_test_servers() { note 'servers stopped'; }

# expect <what> <notes, one a line> <arguments of ./flowstack test…>
expect() {
    local what=$1 wanted=$2
    shift 2
    : >"$SAID"
    (run_tests "$@") >"$ROOT/screen" 2>&1 || note "ended with $?"
    if [[ $(<"$SAID") == "$wanted" ]]; then
        printf 'ok      %s\n' "$what"
    else
        printf 'FAILED  %s\n  wanted:\n%s\n  was:\n%s\n  screen:\n%s\n' "$what" "$wanted" "$(<"$SAID")" "$(<"$ROOT/screen")" >&2
        exit 1
    fi
}

expect 'a whole run compiles the rest behind the end-to-end suites' \
    "stack compiled
ctest ctest-e2e
all compiled, nice 19
ctest ctest-unit
ctest ctest-common
servers started
ctest ctest-integration
servers stopped"

expect 'without a build all suites run on what is there' \
    "ctest ctest-e2e
ctest ctest-unit
ctest ctest-common
servers started
ctest ctest-integration
servers stopped" --no-build

expect 'chosen suites are compiled before they run' \
    "everything compiled at once
servers started
ctest ctest-chosen
servers stopped" -R something

expect 'unit suites need no servers' \
    "ctest ctest-chosen
servers stopped" --no-build --label unit

touch "$ROOT/broken"
expect 'a build that fails behind the suites fails the run' \
    "stack compiled
ctest ctest-e2e
servers stopped
ended with 1"
grep -q 'the build behind the end-to-end suites failed' "$ROOT/screen" ||
    { printf 'FAILED  the failure is named\n' >&2; exit 1; }
