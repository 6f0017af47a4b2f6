# shellcheck shell=bash
# The check of isolation: a stack, and flowstack-isolation asking it.

# isolation [--no-build] [--dev-broker] [--mtls] [--replicas N]
run_isolation() {
    local build=yes up_args=(--no-seed) status=0
    while (($# > 0)); do
        case $1 in
            --no-build) build=no ;;
            --dev-broker | --mtls) up_args+=("$1") ;;
            --replicas)
                up_args+=(--replicas "${2:-}")
                (($# < 2)) || shift
                ;;
            *) usage_error "isolation does not know '$1'" ;;
        esac
        shift
    done
    [[ $build == no ]] || build_all
    require_programs flowstack-isolation

    if process_gone gateway-0; then
        trap end_demo EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
    else
        say isolation "uses the stack that runs already in $RUN_DIR, and leaves it running"
    fi
    stack_up --no-build "${up_args[@]}"
    instance_environment gateway-0
    env "${INSTANCE_ENV[@]}" "$BIN_DIR/flowstack-isolation" </dev/null || status=$?
    exit "$status"
}
