# shellcheck shell=bash
# shellcheck disable=SC2034  # BUILD_DIR, CMAKE_PRESET and CTEST_WRAPPER are build.sh's
# What takes longer than a push should wait: sanitizers over everything, fuzzing, chaos, the guard of
# what a greeting costs, and Kubernetes.

NIGHTLY_PARTS=(asan tsan fuzz chaos drill api examples bench k8s)

# common/'s unit tests, which `test` also runs under AddressSanitizer and UBSan.
COMMON_TESTS=(config_test core_test crypto_test http_test lifecycle_test observability_test
              resilience_test rpc_test)

# Suites that call their handlers through gRPC.
THROUGH_GRPC='CampaignService.*:DoorsOf.*:PaymentDoors.*:PlacingBy.*:TaskService.*'

# nightly [--only part,part] [--fuzz-seconds N] [--chaos-minutes N] [--seed N]
run_nightly() {
    local parts=("${NIGHTLY_PARTS[@]}") part began status verdict=0 words
    FUZZ_SECONDS=60
    CHAOS_MINUTES=60
    CHAOS_SEED=''
    while (($# > 0)); do
        case $1 in
            --only) IFS=, read -ra parts <<<"${2:-}"; shift
                [[ ${#parts[@]} -gt 0 ]] || usage_error "--only wants parts: ${NIGHTLY_PARTS[*]}" ;;
            --fuzz-seconds) FUZZ_SECONDS=${2:-}; shift
                [[ $FUZZ_SECONDS =~ ^[1-9][0-9]*$ ]] || usage_error "--fuzz-seconds wants a number" ;;
            --chaos-minutes) CHAOS_MINUTES=${2:-}; shift
                [[ $CHAOS_MINUTES =~ ^[1-9][0-9]*$ ]] || usage_error "--chaos-minutes wants a number" ;;
            --seed) CHAOS_SEED=${2:-}; shift
                [[ $CHAOS_SEED =~ ^[0-9]+$ ]] || usage_error "--seed wants a number" ;;
            *) usage_error "nightly does not know '$1'" ;;
        esac
        (($# == 0)) || shift
    done
    for part in "${parts[@]}"; do
        [[ " ${NIGHTLY_PARTS[*]} " == *" $part "* ]] ||
            usage_error "nightly has no part '$part'; there are: ${NIGHTLY_PARTS[*]}"
    done

    NIGHTLY_DIR=$RUN_DIR/nightly
    mkdir -p "$NIGHTLY_DIR"
    local summary=$NIGHTLY_DIR/summary.txt
    : >"$summary"
    for part in "${parts[@]}"; do
        say nightly "$part"
        began=$SECONDS
        status=0
        # Runs in a shell of its own, so that one part's failure leaves the others to run.
        ( set -Eeuo pipefail; "nightly_$part" ) || status=$?
        words=$(cat "$NIGHTLY_DIR/$part.words" 2>/dev/null) || words='it did not come to an end'
        rm -f "$NIGHTLY_DIR/$part.words"
        if ((status == 0)); then
            printf '%-6s %-7s %4d min  %s\n' "$part" clean $(((SECONDS - began + 59) / 60)) "$words"
        else
            verdict=1
            printf '%-6s %-7s %4d min  %s\n' "$part" FAILED $(((SECONDS - began + 59) / 60)) "$words"
        fi >>"$summary"
    done
    printf '\n'
    cat "$summary"
    printf 'reports, logs and findings are in %s\n' "$NIGHTLY_DIR"
    return "$verdict"
}

# What a part says in its line of the summary.
nightly_words() {
    printf '%s\n' "$2" >"$NIGHTLY_DIR/$1.words"
}

nightly_asan() { sanitized_suites asan asan-ubsan; }
nightly_tsan() { sanitized_suites tsan tsan; }

# sanitized_suites <part> <preset>: unit and integration tests with instruments. A report anywhere
# fails it, also when the test itself passed.
sanitized_suites() {
    local part=$1 preset=$2 status=0 reports counted without=()
    build_all flowstack_proto flowstack_proto_grpc # everyday's: see proto/CMakeLists.txt
    BUILD_DIR=$ROOT/build/$preset
    CMAKE_PRESET=$preset
    build_all tests_unit tests_integration
    RUN_DIR=$NIGHTLY_DIR/$part
    local results=$RUN_DIR/results
    lock_run_dir
    rm -rf "$results" "$RUN_DIR/reports"
    mkdir -p "$results/gtest" "$RUN_DIR/reports"
    trap 'stop_test_servers' EXIT
    start_test_servers
    export GTEST_OUTPUT="xml:$results/gtest/" FLOWSTACK_ROOT=$ROOT FLOWSTACK_NO_BUILD=1
    sanitizer_options "$RUN_DIR/reports"
    # ThreadSanitizer of GCC 12 knows only the address space that kernels had then.
    [[ $preset != tsan ]] || CTEST_WRAPPER=(setarch "$(uname -m)" -R)
    # Calls that only gRPC orders look like a race to ThreadSanitizer, because gRPC is not instrumented.
    if [[ $preset == tsan ]]; then
        without=(-E '^(rpc_test|service_pgtest)$')
        export GTEST_FILTER="-$THROUGH_GRPC"
    fi
    run_ctest sanitized 1 -L '^(unit|integration)$' "${without[@]}" || status=1
    stop_test_servers
    trap - EXIT
    unlock_run_dir
    reports=$(find "$RUN_DIR/reports" -type f | wc -l)
    counted=$(count_results "$results") || status=1
    ((reports == 0)) || status=1
    nightly_words "$part" "$counted, $reports reports"
    return "$status"
}

# sanitizer_options <folder>: where reports go, one file a process.
sanitizer_options() {
    local suppressions=$ROOT/tests/sanitizers
    export ASAN_OPTIONS="log_path=$1/asan:detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0"
    export LSAN_OPTIONS="suppressions=$suppressions/lsan.supp:print_suppressions=0"
    export UBSAN_OPTIONS="log_path=$1/ubsan:print_stacktrace=1"
    export TSAN_OPTIONS="log_path=$1/tsan:suppressions=$suppressions/tsan.supp:second_deadlock_stack=1:ignore_noninstrumented_modules=0"
}

# common/'s unit tests with ASan and UBSan, as a part of `test`: only these programs are compiled.
build_sanitized_common() {
    build_all flowstack_proto flowstack_proto_grpc
    local BUILD_DIR=$ROOT/build/asan-ubsan CMAKE_PRESET=asan-ubsan
    build_all "${COMMON_TESTS[@]}"
}

# run_sanitized_common <folder of results>
run_sanitized_common() (
    BUILD_DIR=$ROOT/build/asan-ubsan
    mkdir -p "$1/gtest"
    export GTEST_OUTPUT="xml:$1/gtest/"
    export UBSAN_OPTIONS=print_stacktrace=1
    export LSAN_OPTIONS="suppressions=$ROOT/tests/sanitizers/lsan.supp:print_suppressions=0"
    say test "ctest (common, sanitized)"
    cd "$BUILD_DIR" && ctest --output-on-failure --no-tests=error -j "$(nproc)" \
        --output-junit "$1/ctest-common.xml" \
        -R "^($(IFS='|'; printf '%s' "${COMMON_TESTS[*]}"))\$" </dev/null 9>&-
)

# Every fuzz target for FUZZ_SECONDS, two at a time or as many as there are cores.
nightly_fuzz() {
    local log=$NIGHTLY_DIR/fuzz.log targets target found=0 status=0 bin
    install_packages "$ROOT/tools/dev/packages.txt" "$ROOT/tools/dev/packages-nightly.txt"
    build_all flowstack_proto
    BUILD_DIR=$ROOT/build/fuzz
    CMAKE_PRESET=fuzz
    build_all fuzz
    bin=$BUILD_DIR/bin/fuzz
    mkdir -p "$NIGHTLY_DIR/findings"
    rm -f "$NIGHTLY_DIR"/findings/*
    mapfile -t targets < <(FUZZ=list "$bin")
    [[ ${#targets[@]} -gt 0 ]] || fail fuzz "the program knows no target" "$log"
    say fuzz "${#targets[@]} targets, $FUZZ_SECONDS s each"
    printf '%s\n' "${targets[@]}" |
        xargs -P "$(nproc)" -I{} "$ROOT/tools/dev/fuzz_one.sh" "$bin" {} "$FUZZ_SECONDS" "$NIGHTLY_DIR" \
            >"$log" 2>&1 || status=1
    for target in "${targets[@]}"; do
        if compgen -G "$NIGHTLY_DIR/findings/$target-*" >/dev/null; then
            say fuzz "$target: ${RED}a finding${PLAIN}: $(find "$NIGHTLY_DIR/findings" -name "$target-*" -size -1M | head -1)"
            ((++found))
        fi
    done
    ((status == 0)) || grep -aE 'ERROR|SUMMARY|Broken|\.cc:[0-9]+:' "$log" | head -20
    nightly_words fuzz "${#targets[@]} targets for $FUZZ_SECONDS s each, $found with findings"
    ((status == 0 && found == 0))
}

nightly_chaos() {
    local seed=${CHAOS_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')} status=0
    nightly_words chaos "seed $seed, $CHAOS_MINUTES minutes"
    "$ROOT/flowstack" chaos --minutes "$CHAOS_MINUTES" --seed "$seed" \
        --run-dir "$NIGHTLY_DIR/chaos" </dev/null 2>&1 | tee "$NIGHTLY_DIR/chaos.log" || status=1
    return "$status"
}

# A lost PostgreSQL, restored while customers shop (docs/backup.md).
nightly_drill() {
    local log=$NIGHTLY_DIR/drill.log status=0
    "$ROOT/flowstack" drill --run-dir "$NIGHTLY_DIR/drill" </dev/null 2>&1 | tee "$log" || status=1
    nightly_words drill "$(sed -n 's/^.* restore  *at .*: \([0-9]* of the [0-9]* paid orders\).*/\1 at the point in time/p' "$log" | tail -n 1)"
    return "$status"
}

# Every path of docs/api/openapi.json, with values that fit it and values that do not.
nightly_api() {
    local log=$NIGHTLY_DIR/api.log status=0 words
    "$ROOT/flowstack" api-test --examples 100 --run-dir "$NIGHTLY_DIR/api" </dev/null 2>&1 | tee "$log" || status=1
    words=$(grep -aE '^ +[0-9]+ generated, ' "$log" | tail -1 | sed 's/^ *//') || words=''
    nightly_words api "${words:-schemathesis came to no end}"
    return "$status"
}

nightly_examples() {
    local log=$NIGHTLY_DIR/examples.log status=0
    "$ROOT/flowstack" examples-test --run-dir "$NIGHTLY_DIR/examples" </dev/null 2>&1 | tee "$log" || status=1
    nightly_words examples "$(grep -aE '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -1)"
    return "$status"
}

# Our CPU per greeting beside the peer's (docs/performance.md). It fails when a guard does not hold and also
# when nothing could be compared.
nightly_bench() {
    local log=$NIGHTLY_DIR/bench.log status=0 words
    "$ROOT/flowstack" bench e2e --quick --check --file "$NIGHTLY_DIR/bench.json" \
        --run-dir "$NIGHTLY_DIR/bench" </dev/null 2>&1 | tee "$log" || status=1
    words=$(grep -aE '^guards (hold|BROKEN): ' "$log" | tail -1) || words='no guard was judged'
    nightly_words bench "$words"
    return "$status"
}

# What can be said of deploy/k8s without a cluster; with one, the development overlay under disturbance.
nightly_k8s() {
    local log=$NIGHTLY_DIR/k8s.log status=0 words='no cluster: KUBECONFIG is not set'
    run_k8s_check </dev/null 2>&1 | tee "$log" || status=1
    if [[ -n ${KUBECONFIG:-}${FLOWSTACK_K8S_LAB:-} ]]; then
        "$ROOT/flowstack" k8s-test --images --run-dir "$NIGHTLY_DIR/k8s" </dev/null 2>&1 | tee -a "$log" || status=1
        words=$(grep -aE 'k8s .*(all is right|findings), ' "$log" | tail -1) || words='the test did not come to its end'
    fi
    nightly_words k8s "$words"
    return "$status"
}
