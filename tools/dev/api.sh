# shellcheck shell=bash
# docs/api/openapi.json: whether it is a good document, and whether the running door keeps it.

REDOCLY_VERSION=1.34.5 # a version that Debian 12's Node.js 18 runs
REDOCLY_HOME=$ROOT/.cache/redocly-$REDOCLY_VERSION
API_REQUIREMENTS=$ROOT/tools/dev/api-requirements.txt
API_TOOLS=$ROOT/.cache/api-tools-$(sha256sum "$API_REQUIREMENTS" | cut -c 1-12)
OPENAPI=$ROOT/docs/api/openapi.json

NEWMAN_VERSION=6.2.2
NEWMAN_HOME=$ROOT/.cache/newman-$NEWMAN_VERSION
OASDIFF_VERSION=v1.38.0
OASDIFF=$ROOT/.cache/oasdiff-$OASDIFF_VERSION/oasdiff
OPENAPI_BASELINE=$ROOT/docs/api/openapi_baseline.json

install_redocly() { install_npm_tool redocly "$REDOCLY_HOME" "@redocly/cli@$REDOCLY_VERSION"; }

# The validator and schemathesis. What is there was installed to its end: the folder is moved there last.
install_api_tools() {
    local log=$RUN_DIR/log/api-tools.log
    [[ ! -x $API_TOOLS/bin/schemathesis ]] || return 0
    install_packages "$ROOT/tools/dev/packages.txt" "$ROOT/tools/dev/packages-api.txt"
    say api "installing what $(basename "$API_REQUIREMENTS") lists"
    mkdir -p "$RUN_DIR/log"
    rm -rf "$API_TOOLS"
    { python3 -m venv "$API_TOOLS.new" && "$API_TOOLS.new/bin/pip" install --quiet -r "$API_REQUIREMENTS"; } \
        </dev/null >"$log" 2>&1 || fail api "pip could not install" "$log"
    # Scripts of a venv name the folder that they were installed in.
    sed -i "s#$API_TOOLS.new#$API_TOOLS#g" "$API_TOOLS.new"/bin/*
    mv "$API_TOOLS.new" "$API_TOOLS"
}

install_newman() {
    command -v npm >/dev/null || install_packages "$ROOT/tools/dev/packages.txt" "$ROOT/tools/dev/packages-api.txt"
    install_npm_tool newman "$NEWMAN_HOME" "newman@$NEWMAN_VERSION"
}

# Through Go's module proxy. Go takes the version of itself that oasdiff wants, which 1.21 and later can.
install_oasdiff() {
    local log=$RUN_DIR/log/oasdiff.log
    [[ ! -x $OASDIFF ]] || return 0
    command -v go >/dev/null ||
        fail openapi "Go is missing, 1.21 or later (https://go.dev/dl): oasdiff compares the document with its baseline"
    say check "installing oasdiff $OASDIFF_VERSION"
    mkdir -p "$RUN_DIR/log"
    GOBIN=$(dirname "$OASDIFF") go install "github.com/oasdiff/oasdiff@$OASDIFF_VERSION" </dev/null >"$log" 2>&1 ||
        fail openapi "go could not install oasdiff" "$log"
}

# What would break a program that was written for the last accepted document. States and reasons may become
# more (the document says so), hence oasdiff-levels.txt.
compare_openapi() {
    local log=$RUN_DIR/log/openapi-diff.log status=0
    install_oasdiff
    "$OASDIFF" breaking --fail-on ERR --format singleline --severity-levels "$ROOT/tests/contract/oasdiff-levels.txt" \
        "$OPENAPI_BASELINE" "$OPENAPI" </dev/null >"$log" 2>&1 || status=1
    ((status == 0)) || {
        grep -v '^warning ' "$log" | head -n 100
        printf 'docs/api/openapi.json breaks callers. If that is meant: a line in CHANGELOG.md, and ./flowstack check --update-baseline\n'
    }
    return "$status"
}

# The document of today is what the next ones are compared with. Prose is left out: it breaks nobody.
write_openapi_baseline() {
    python3 "$ROOT/tests/contract/baseline.py" "$OPENAPI" >"$OPENAPI_BASELINE.new" ||
        fail baseline "$OPENAPI could not be read"
    mv "$OPENAPI_BASELINE.new" "$OPENAPI_BASELINE"
}

# Valid OpenAPI 3.1, and redocly's rules (docs/api/redocly.yaml), examples included.
check_openapi() {
    local bad=0 log=$RUN_DIR/log/openapi.log
    install_redocly
    install_api_tools
    "$API_TOOLS/bin/openapi-spec-validator" --schema 3.1 "$OPENAPI" </dev/null >"$log" 2>&1 || bad=1
    REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true "$REDOCLY_HOME/node_modules/.bin/redocly" lint \
        --config "$ROOT/docs/api/redocly.yaml" --max-problems 50 "$OPENAPI" </dev/null >>"$log" 2>&1 || bad=1
    # A warning is a finding too.
    ! grep -q '^You have [0-9]* warning' "$log" || bad=1
    ((bad == 0)) || cat "$log"
    compare_openapi || bad=1
    return "$bad"
}

# api-test [--no-build] [--examples N] [--seed N] [schemathesis arguments]
#
# A stack of its own with the demo shop and one purchase; newman plays docs/api/postman.json; then schemathesis asks every operation of the document
# that the gateway serves, with values that fit it and values that do not, and holds the answers
# against it. The last line is its summary.
run_api_test() {
    local build=yes examples=20 seed='' status=0 arguments=()
    while (($# > 0)); do
        case $1 in
            --no-build) build=no ;;
            --examples)
                [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || usage_error "--examples wants a number"
                examples=$2
                shift
                ;;
            --seed)
                [[ ${2:-} =~ ^[0-9]+$ ]] || usage_error "--seed wants a number"
                seed=$2
                shift
                ;;
            *) arguments+=("$1") ;;
        esac
        shift
    done
    [[ -n $seed ]] || seed=$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')
    [[ $build == no ]] || build_all "${STACK_PROGRAMS[@]}" flowstack-demo
    require_programs flowstack-demo
    install_api_tools
    install_newman
    # It suspends tenants, closes conversations and changes flows: a stack of its own, and a new one.
    RUN_DIR=$RUN_DIR/api
    mkdir -p "$RUN_DIR/log"
    stack_down --wipe >/dev/null
    trap end_demo EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    stack_up --no-build
    instance_environment gateway-0
    say api "one purchase, so that there is something to ask for"
    env "${INSTANCE_ENV[@]}" "$BIN_DIR/flowstack-demo" </dev/null >"$RUN_DIR/log/api-demo.log" 2>&1 ||
        fail api "the purchase failed" "$RUN_DIR/log/api-demo.log"
    load_api_access
    play_postman || status=1
    say api "schemathesis, seed $seed, $examples examples for each operation"
    # It leaves notes of its own where it runs.
    mkdir -p "$RUN_DIR/schemathesis"
    (
        cd "$RUN_DIR/schemathesis"
        set -a
        # shellcheck disable=SC1091
        . "$RUN_DIR/env"
        set +a
        PYTHONPATH=$ROOT/tests/contract PYTHONDONTWRITEBYTECODE=1 "$API_TOOLS/bin/schemathesis" \
            --config-file "$ROOT/tests/contract/schemathesis.toml" run "$FLOWSTACK_API/openapi.json" \
            --seed "$seed" --max-examples "$examples" --no-color \
            --generation-database none "${arguments[@]}"
    ) </dev/null 2>&1 | tee "$RUN_DIR/log/api-test.log" || status=1
    exit "$status"
}

# Every request of the collection, in its order. The key is in a file: a command line is seen by everybody.
play_postman() {
    local log=$RUN_DIR/log/postman.log report=$RUN_DIR/postman.json environment=$RUN_DIR/postman-environment.json
    say api "the Postman collection, by newman"
    (
        umask 077
        printf '{"name": "stack", "values": [{"key": "base_url", "value": "%s"}, {"key": "api_key", "value": "%s"}, {"key": "tenant", "value": "demo"}]}\n' \
            "$FLOWSTACK_API" "$FLOWSTACK_API_KEY" >"$environment"
    )
    # newman's own status is part of its report.
    "$NEWMAN_HOME/node_modules/.bin/newman" run "$ROOT/docs/api/postman.json" --environment "$environment" \
        --timeout-request 20000 --reporters cli,json --reporter-json-export "$report" --color off </dev/null >"$log" 2>&1 || true
    [[ -s $report ]] || { cat "$log"; return 1; }
    python3 "$ROOT/tests/contract/postman.py" "$report"
}

# Where the gateway is, and the operators' key, for programs that are no part of FlowStack.
load_api_access() {
    FLOWSTACK_API=http://127.0.0.1:$GATEWAY_HTTP_PORT
    FLOWSTACK_API_KEY=$(sed -n 's/^ADMIN_KEY=//p' "$RUN_DIR/env")
    export FLOWSTACK_API FLOWSTACK_API_KEY
}
