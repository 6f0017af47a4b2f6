# shellcheck shell=bash
# Compiling and testing: the one everyday build.

BUILD_DIR=$ROOT/build/everyday
CMAKE_PRESET=everyday
CTEST_WRAPPER=() # what ctest is run by, if anything
# ccache keeps nothing that uses precompiled headers unless it is told that this is wanted.
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}
BUILD_STEP_MS=5000 # what a step of ninja takes one core on average, for the estimate that is shown

build_all() {
    local log=$RUN_DIR/log/build.log began=$SECONDS status jobs steps
    install_packages "$ROOT/tools/dev/packages.txt"
    mkdir -p "$RUN_DIR/log"
    if [[ ! -f $BUILD_DIR/build.ninja ]]; then
        say build "configuring (preset $CMAKE_PRESET)"
        (cd "$ROOT" && cmake --preset "$CMAKE_PRESET") </dev/null >"$log" 2>&1 ||
            fail build "cmake could not configure" "$log"
    fi
    jobs=$(compile_jobs)
    steps=$(ninja -C "$BUILD_DIR" -n "$@" 2>/dev/null | grep -c '^\[' || true)
    say build "compiling with $jobs jobs: $steps steps, about $(((steps * BUILD_STEP_MS / jobs + 59999) / 60000)) min without a compiler cache"
    : >"$log"
    # A line for every 20 files on paper; on a terminal ninja's own counter. NINJA_STATUS is "[n/m] ".
    set +e
    if [[ -t 1 ]]; then
        ninja -C "$BUILD_DIR" -j "$jobs" "$@" </dev/null 2>&1 | tee "$log" | show_build_counter
    else
        ninja -C "$BUILD_DIR" -j "$jobs" "$@" </dev/null 2>&1 | tee "$log" | show_build_lines
    fi
    status=${PIPESTATUS[0]}
    set -e
    if ((status != 0)); then
        printf '%s' "$(grep -m 5 -E -A 5 '(error:|FAILED:)' "$log" | cut -c 1-400)" >&2
        printf '\n' >&2
        fail build "ninja ended with status $status" "$log"
    fi
    say build "done in $((SECONDS - began)) s"
}

# All cores, but no more jobs than there is memory for: one large file takes up to a gigabyte.
compile_jobs() {
    local cores gib
    cores=$(nproc)
    gib=$(awk '$1 == "MemAvailable:" { print int($2 / 1048576) }' /proc/meminfo)
    ((gib >= 1)) || gib=1
    printf '%d' $((cores < gib ? cores : gib))
}

show_build_counter() {
    local line
    while IFS= read -r line; do
        [[ $line != \[* ]] || printf '\r\e[K%s' "${line:0:$((${COLUMNS:-100} - 1))}"
    done
    printf '\r\e[K'
}

show_build_lines() {
    local line last=0 now
    while IFS= read -r line; do
        if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
            now=${BASH_REMATCH[1]}
            if ((now >= last + 20)) || [[ $now == "${BASH_REMATCH[2]}" ]]; then
                say build "${BASH_REMATCH[1]} of ${BASH_REMATCH[2]}"
                last=$now
            fi
        fi
    done
}

# test [--label L] [--no-build] [ctest arguments]
#
# Integration tests need PostgreSQL and Kafka: both run fresh in .run/test for the time of the tests.
# All of it includes common/'s unit tests once more with AddressSanitizer and UBSan (nightly.sh).
# The last line is `N passed, N failed`, counted in test cases, not in executables.
run_tests() {
    local label='' build=yes ctest_args=() results status=0 counted=() sanitized=no began
    while (($# > 0)); do
        case $1 in
            --label) [[ -n ${2:-} ]] || usage_error "test --label wants a label"
                     label=$2; shift 2 ;;
            --no-build) build=no; shift ;;
            *) ctest_args+=("$1"); shift ;;
        esac
    done
    [[ $build == no ]] || build_all
    [[ -f $BUILD_DIR/CTestTestfile.cmake ]] || fail test "nothing is built: ./flowstack build"
    if [[ -z $label && ${#ctest_args[@]} -eq 0 ]]; then
        [[ $build == no ]] || build_sanitized_common
        if [[ -f $ROOT/build/asan-ubsan/CTestTestfile.cmake ]]; then
            sanitized=yes
        else
            say test "common is not built with sanitizers, so it is tested without them only"
        fi
    fi

    RUN_DIR=$RUN_DIR/test
    results=$RUN_DIR/results
    counted=("$results")
    began=$SECONDS
    lock_run_dir
    rm -rf "$results"
    mkdir -p "$results/gtest"
    trap 'stop_test_servers' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    if [[ $label != unit && $label != docs ]]; then
        start_test_servers
    fi
    # gtest gives every executable its own file of cases in this folder.
    # End-to-end tests start stacks of their own with this script; they must not build meanwhile.
    export GTEST_OUTPUT="xml:$results/gtest/" FLOWSTACK_ROOT=$ROOT FLOWSTACK_NO_BUILD=1
    # A service that dies in a test must be seen, not started again.
    export FLOWSTACK_SUPERVISE=no

    if [[ -n $label || ${#ctest_args[@]} -gt 0 ]]; then
        run_ctest chosen 1 ${label:+-L "^$label\$"} "${ctest_args[@]}" || status=1
    else
        # Unit tests share nothing and run side by side; the others measure time and own servers.
        run_ctest unit "$(nproc)" -L '^unit$' || status=1
        if [[ $sanitized == yes ]]; then
            run_sanitized_common "$results/sanitized" || status=1
            counted+=("$results/sanitized")
        fi
        run_ctest rest 1 -LE '^unit$' || status=1
    fi
    stop_test_servers
    trap - EXIT
    if [[ -z $label && ${#ctest_args[@]} -eq 0 ]]; then
        check_test_minutes $((SECONDS - began)) || status=1
    fi
    show_suite_times "${counted[@]}"
    count_results "${counted[@]}" || status=1
    return "$status"
}

# run_ctest <name> <jobs> <arguments…>
run_ctest() {
    local name=$1 jobs=$2
    shift 2
    say test "ctest ($name)"
    (cd "$BUILD_DIR" && "${CTEST_WRAPPER[@]}" ctest --output-on-failure --no-tests=ignore -j "$jobs" \
        --output-junit "$RUN_DIR/results/ctest-$name.xml" "$@") </dev/null 9>&-
}

start_test_servers() {
    load_secrets
    ensure_ports 1
    wipe_postgres
    wipe_kafka
    : >"$RUN_DIR/log/postgres.log"
    : >"$RUN_DIR/log/kafka.log"
    start_postgres
    create_service_role
    choose_broker
    start_kafka
    TEST_DATABASE_URL=$(postgres_url postgres)
    TEST_KAFKA_BROKERS=$(kafka_brokers)
    TEST_KAFKA_KIND=$(kafka_kind)
    # For connections as flowstack_service, whose password is the same.
    PGPASSWORD=$POSTGRES_PASSWORD
    export TEST_DATABASE_URL TEST_KAFKA_BROKERS TEST_KAFKA_KIND PGPASSWORD
}

stop_test_servers() {
    trap '' INT TERM HUP
    stop_process kafka "$KAFKA_STOP_SECONDS" || true
    stop_process postgres "$POSTGRES_STOP_SECONDS" INT || true
    trap - INT TERM HUP
}

# check_test_minutes <seconds>: all suites together belong below 20 minutes on two cores. Beyond it a run
# says so; it fails only where FLOWSTACK_TEST_MINUTES_MAX names a limit, because a slower machine is no
# fault of the code.
check_test_minutes() {
    local most=${FLOWSTACK_TEST_MINUTES_MAX:-20}
    (($1 > most * 60)) || return 0
    complain test "the suites took $(($1 / 60)) minutes, more than $most"
    [[ -z ${FLOWSTACK_TEST_MINUTES_MAX:-} ]]
}

# show_suite_times <folder…>: where the time of a run went, longest first; docs/testing.md keeps such a
# table.
show_suite_times() {
    local results
    for results in "$@"; do
        sed -n 's/.*<testcase name="\([^"]*\)".* time="\([0-9.]*\)".*/\2 \1/p' "$results"/ctest-*.xml
    done | sort -rn | awk '
        { total += $1; count++; if (count <= 15) printf "%-10s  suite  %-28s %6.0f s\n", "test", $2, $1 }
        END { if (count > 0) printf "%-10s  suites %-28d %6.0f s in all\n", "test", count, total }'
}

# Sums gtest's cases. An executable that failed without naming a failed case (a crash, a timeout) and
# one that is no gtest count as one. `count_results <folder…>`
count_results() {
    local results passed=0 failed=0 file name state head bad tests failures skipped
    for results in "$@"; do
        while IFS='|' read -r name state; do
            [[ -n $name ]] || continue
            file=$results/gtest/$name.xml
            bad=0
            if [[ -s $file ]]; then
                head=$(grep -m 1 '<testsuites' "$file" || true)
                tests=$(attribute tests "$head")
                failures=$(( $(attribute failures "$head") + $(attribute errors "$head") ))
                skipped=$(( $(attribute disabled "$head") + $(grep -c 'result="skipped"' "$file" || true) ))
                bad=$failures
                ((passed += tests - failures - skipped, failed += failures)) || true
            elif [[ $state == run ]]; then
                ((++passed))
            fi
            if [[ $state != run && $state != notrun && $state != disabled && $bad -eq 0 ]]; then
                ((++failed))
            elif [[ $state == notrun ]]; then
                ((++failed)) # its executable is missing
            fi
        done < <(sed -n 's/.*<testcase name="\([^"]*\)".* status="\([^"]*\)".*/\1|\2/p' "$results"/ctest-*.xml)
    done
    ((passed + failed > 0)) || complain test "no test was found"
    printf '%d passed, %d failed\n' "$passed" "$failed"
    ((failed == 0 && passed > 0))
}

# attribute <name> <xml element>: its number, 0 if it is not there.
attribute() {
    if [[ $2 =~ [[:space:]]$1=\"([0-9]+)\" ]]; then
        printf '%s' "${BASH_REMATCH[1]}"
    else
        printf 0
    fi
}
