# shellcheck shell=bash
# The programs of examples/, run against a stack: what pages tell callers to write must work.

# examples-test [--no-build] [--mtls] [name…]
run_examples_test() {
    local build=yes names=() up_args=(--no-seed) name log failed=0
    while (($# > 0)); do
        case $1 in
            --no-build) build=no ;;
            --mtls) up_args+=(--mtls) ;;
            -*) usage_error "examples-test does not know '$1'" ;;
            *) names+=("$1") ;;
        esac
        shift
    done
    [[ ${#names[@]} -gt 0 ]] || names=(python node go)
    [[ $build == no ]] || build_all "${STACK_PROGRAMS[@]}"
    install_packages "$ROOT/tools/dev/packages.txt" "$ROOT/tools/dev/packages-api.txt"
    if process_gone gateway-0; then
        trap end_demo EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
    else
        say examples "uses the stack that runs already in $RUN_DIR, and leaves it running"
    fi
    stack_up --no-build "${up_args[@]}"
    for name in "${names[@]}"; do
        [[ -x $ROOT/examples/$name/run.sh ]] || usage_error "there is no example '$name'"
        log=$RUN_DIR/log/example-$name.log
        say examples "$name"
        if FLOWSTACK_RUN_DIR=$RUN_DIR "$ROOT/examples/$name/run.sh" </dev/null >"$log" 2>&1; then
            sed 's/^/            | /' "$log"
        else
            complain examples "$name ended with an error" "$log"
            ((++failed))
        fi
    done
    printf '%d passed, %d failed\n' $((${#names[@]} - failed)) "$failed"
    exit $((failed > 0))
}
