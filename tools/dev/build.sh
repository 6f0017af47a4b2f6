# shellcheck shell=bash
# RUN_DIR is changed in a subshell on purpose: what is compiled behind the tests logs elsewhere.
# shellcheck disable=SC2030,SC2031
# Compiling and testing.

# shellcheck disable=SC2034  # BIN_DIR is what the other parts start
# use_build <preset>: which build is made, and whose programs run.
use_build() {
    CMAKE_PRESET=$1
    BUILD_DIR=$ROOT/build/$1
    BIN_DIR=${FLOWSTACK_BIN_DIR:-$BUILD_DIR/bin}
}
use_build "${FLOWSTACK_BUILD:-everyday}"
CTEST_WRAPPER=() # what ctest is run by, if anything
# ccache keeps nothing that uses precompiled headers unless it is told that this is wanted.
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}
BUILD_STEP_MS=3000 # what a step of ninja takes one core on average, for the estimate that is shown

build_all() {
    local log=$RUN_DIR/log/build.log began=$SECONDS status jobs steps
    install_packages "$ROOT/tools/dev/packages.txt"
    mkdir -p "$RUN_DIR/log"
    begin_fetching_kafka
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

# How many end-to-end suites run at once, each on a stack of its own. Those that measure time run alone.
E2E_JOBS=${FLOWSTACK_E2E_JOBS:-1}
BUILD_BEHIND='' # the process that compiles the rest while end-to-end suites run, if one does

# test [--label L] [--no-build] [ctest arguments]
#
# Integration tests need PostgreSQL and Kafka: both run fresh in .run/test for the time of the tests.
# All of it includes common/'s unit tests once more with AddressSanitizer and UBSan (nightly.sh). The
# end-to-end suites wait for timers most of the time, so they run first and the other half of the
# programs is compiled behind them, at the lowest priority.
# The last line is `N passed, N failed`, counted in test cases, not in executables.
run_tests() {
    local label='' build=yes whole=no ctest_args=() results status=0 counted=() began
    while (($# > 0)); do
        case $1 in
            --label) [[ -n ${2:-} ]] || usage_error "test --label wants a label"
                     label=$2; shift 2 ;;
            --no-build) build=no; shift ;;
            *) ctest_args+=("$1"); shift ;;
        esac
    done
    [[ -n $label || ${#ctest_args[@]} -gt 0 ]] || whole=yes
    if [[ $build == yes && $whole == yes ]]; then
        # The end-to-end suites and what they start.
        build_all "${STACK_PROGRAMS[@]}" flowstack-demo flowstack-chaos flowstack-chaos-check tests_e2e tests_faults
        trap 'stop_build_behind' EXIT
        begin_build_behind
    elif [[ $build == yes ]]; then
        build_all
    fi
    [[ -f $BUILD_DIR/CTestTestfile.cmake ]] || fail test "nothing is built: ./flowstack build"

    RUN_DIR=$RUN_DIR/test
    results=$RUN_DIR/results
    counted=("$results")
    began=$SECONDS
    lock_run_dir
    rm -rf "$results"
    mkdir -p "$results/gtest"
    trap 'stop_build_behind; stop_test_servers' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    # gtest gives every executable its own file of cases in this folder.
    # End-to-end tests start stacks of their own with this script; they must not build meanwhile.
    export GTEST_OUTPUT="xml:$results/gtest/" FLOWSTACK_ROOT=$ROOT FLOWSTACK_NO_BUILD=1
    # A service that dies in a test must be seen, not started again.
    export FLOWSTACK_SUPERVISE=no

    if [[ $whole == no ]]; then
        [[ $label == unit || $label == docs ]] || start_test_servers
        run_ctest chosen 1 ${label:+-L "^$label\$"} "${ctest_args[@]}" || status=1
    else
        run_ctest e2e "$E2E_JOBS" -L '^(e2e|faults)$' || status=1
        local waited=$SECONDS
        await_build_behind
        began=$((began + SECONDS - waited)) # compiling is no time of the suites
        run_ctest unit "$(nproc)" -L '^unit$' || status=1
        if [[ -f $ROOT/build/asan-ubsan/CTestTestfile.cmake ]]; then
            run_sanitized_common "$results/sanitized" || status=1
            counted+=("$results/sanitized")
        else
            say test "common is not built with sanitizers, so it is tested without them only"
        fi
        start_test_servers
        # Each of these programs has databases and topics of its own, so they run side by side.
        run_ctest integration "$(nproc)" -LE '^(unit|e2e|faults)$' || status=1
    fi
    stop_test_servers
    trap - EXIT
    if [[ $whole == yes ]]; then
        check_test_minutes $((SECONDS - began)) || status=1
    fi
    show_suite_times "${counted[@]}"
    count_results "${counted[@]}" || status=1
    return "$status"
}

# Compiles what the end-to-end suites do not need, and common/ with sanitizers, without disturbing them.
begin_build_behind() {
    local log=$RUN_DIR/log/build-behind.log
    say build "compiling the rest behind the end-to-end suites (log: $log)"
    (
        renice -n 19 "$BASHPID" >/dev/null
        RUN_DIR=$RUN_DIR/build-behind
        build_all
        build_sanitized_common
    ) </dev/null >"$log" 2>&1 9>&- &
    BUILD_BEHIND=$!
}

# Waits until all of it is compiled; from here on nothing else runs, so it gets the whole machine.
await_build_behind() {
    local log=${RUN_DIR%/test}/log/build-behind.log pid=$BUILD_BEHIND
    [[ -n $pid ]] || return 0
    say build "waiting for the build behind the end-to-end suites"
    wait "$pid" || fail build "the build behind the end-to-end suites failed" "$log"
    BUILD_BEHIND=''
    say build "all is compiled"
}

stop_build_behind() {
    [[ -n $BUILD_BEHIND ]] || return 0
    signal_all TERM "$BUILD_BEHIND"
    BUILD_BEHIND=''
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
    serve_tls
    choose_broker
    KAFKA_SECURE=yes
    start_kafka
    TEST_DATABASE_URL=$(postgres_url postgres)
    TEST_KAFKA_BROKERS=$(kafka_brokers)
    TEST_KAFKA_KIND=$(kafka_kind)
    # For connections as flowstack_service, whose password is the same.
    PGPASSWORD=$POSTGRES_PASSWORD
    # This cluster is thrown away: tests leave their hundreds of databases in it, and nobody vacuums them.
    TEST_DATABASE_DISPOSABLE=yes
    # shellcheck disable=SC2015
    run_sql postgres "alter system set autovacuum_naptime = '1h'" &&
        run_sql postgres 'select pg_reload_conf()' >/dev/null ||
        fail postgres "cannot set autovacuum_naptime" "$RUN_DIR/log/postgres.log"
    # The same two servers by TLS: ca.pem signed their certificate, other-ca.pem did not. libpq would
    # take TLS wherever it is offered, which costs every test that opens connections.
    PGSSLMODE=disable
    TEST_CERTIFICATES=$RUN_DIR/certificates
    TEST_KAFKA_TLS_BROKERS=127.0.0.1:$KAFKA_TLS_PORT
    TEST_KAFKA_SASL_BROKERS=127.0.0.1:$KAFKA_SASL_PORT
    TEST_KAFKA_SASL_PASSWORD=$POSTGRES_PASSWORD
    export TEST_DATABASE_URL TEST_DATABASE_DISPOSABLE TEST_KAFKA_BROKERS TEST_KAFKA_KIND PGPASSWORD
    export TEST_CERTIFICATES TEST_KAFKA_TLS_BROKERS TEST_KAFKA_SASL_BROKERS TEST_KAFKA_SASL_PASSWORD PGSSLMODE
}

stop_test_servers() {
    trap '' INT TERM HUP
    stop_process kafka "$KAFKA_STOP_SECONDS" || true
    # QUIT: no last checkpoint of hundreds of databases that are deleted right after.
    stop_process postgres "$POSTGRES_STOP_SECONDS" QUIT || true
    process_alive postgres || wipe_postgres
    trap - INT TERM HUP
}

# check_test_minutes <seconds>: all suites together belong below 20 minutes on two cores. Beyond it a run
# says so; it fails only where FLOWSTACK_TEST_MINUTES_MAX names a limit, because a slower machine is no
# fault of the code.
check_test_minutes() {
    local most=${FLOWSTACK_TEST_MINUTES_MAX:-20}
    (($1 > most * 60)) || return 0
    if [[ -n ${FLOWSTACK_TEST_MINUTES_MAX:-} ]]; then
        complain test "the suites took $(($1 / 60)) minutes, more than $most"
        return 1
    fi
    say test "the suites took $(($1 / 60)) minutes, more than $most: this run passes all the same"
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
