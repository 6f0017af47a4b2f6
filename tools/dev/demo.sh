# shellcheck shell=bash
# The demo: a whole stack, one purchase or booking played through it by flowstack-demo, and its verdict.

# demo [--once] [--seed N] [--channel meta|twilio] [--pack ecommerce|booking] [--pay mpesa|card] [--no-build] [--dev-broker] [--mtls] [--replicas N]
play_demo() {
    local once=no build=yes demo_args=() up_args=() status=0
    while (($# > 0)); do
        case $1 in
            --once) once=yes ;;
            --no-build) build=no ;;
            --seed)
                [[ ${2:-} =~ ^[0-9]+$ ]] || usage_error "--seed wants a number"
                demo_args+=(--seed "$2")
                shift
                ;;
            --channel)
                [[ ${2:-} =~ ^(meta|twilio)$ ]] || usage_error "--channel wants meta or twilio"
                demo_args+=(--channel "$2")
                shift
                ;;
            --pay)
                [[ ${2:-} =~ ^(mpesa|card)$ ]] || usage_error "--pay wants mpesa or card"
                demo_args+=(--pay "$2")
                shift
                ;;
            --pack)
                [[ ${2:-} =~ ^(ecommerce|booking)$ ]] || usage_error "--pack wants ecommerce or booking"
                demo_args+=(--pack "$2")
                shift
                ;;
            --dev-broker | --mtls) up_args+=("$1") ;;
            --replicas)
                up_args+=(--replicas "${2:-}")
                (($# < 2)) || shift
                ;;
            *) usage_error "demo does not know '$1'" ;;
        esac
        shift
    done
    [[ $build == no ]] || build_all "${STACK_PROGRAMS[@]}" flowstack-demo
    require_programs flowstack-demo

    if process_gone gateway-0; then
        trap end_demo EXIT
        trap 'exit 130' INT
        trap 'exit 143' TERM HUP
    else
        say demo "uses the stack that runs already in $RUN_DIR, and leaves it running"
    fi
    stack_up --no-build "${up_args[@]}"
    say demo "bus: $(broker_words)"
    instance_environment gateway-0
    env "${INSTANCE_ENV[@]}" "$BIN_DIR/flowstack-demo" "${demo_args[@]}" </dev/null || status=$?
    if ((status != 0)); then
        complain demo "flowstack-demo ended with status $status; logs of the services: $RUN_DIR/log"
        exit "$status"
    fi
    if [[ $once == no && -t 1 ]]; then
        print_addresses
        printf '\nCtrl-C stops everything.\n'
        trap 'exit 0' INT # the purchase was right; ending the show is no failure
        # Waits for a child process, so that the trap runs at once.
        while true; do
            sleep 3600 &
            wait $! || true
        done
    fi
}

end_demo() {
    local status=$?
    # A second Ctrl-C does not leave half a stack behind.
    trap '' INT TERM HUP
    trap - EXIT
    printf '\n'
    stack_down || true
    exit "$status"
}

print_addresses() {
    local service
    printf '\n'
    printf '  %-16s %s\n' 'phone page' "http://127.0.0.1:$SANDBOX_PORT/" \
        'REST API' "http://127.0.0.1:$GATEWAY_HTTP_PORT/v1/" \
        'payment door' "http://127.0.0.1:$PAYMENT_HTTP_PORT/"
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        printf '  %-16s %s\n' "metrics" "http://127.0.0.1:$(service_port ADMIN "$service" 0)/metrics ($service)"
    done
    printf '  %-16s %s\n' 'settings, keys' "$RUN_DIR/env" logs "$RUN_DIR/log" \
        'command line' './flowstack ctl help'
}
