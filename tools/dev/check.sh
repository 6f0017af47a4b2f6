# shellcheck shell=bash
# What review should not have to look at: format, tidy, wire formats, shell, docs.

BUF_VERSION=1.75.0
BUF_HOME=$ROOT/.cache/buf-$BUF_VERSION

# check [--all] [--update-baseline]
#   default          clang-tidy looks at the files changed since main (all when that cannot be told)
#   --all            at every file
#   --update-baseline  after an intended change of the wire formats: writes proto/baseline.binpb and
#                      docs/api/openapi_baseline.json
run_check() {
    local scope=changed verdict=0 part
    case ${1:-} in
        --all) scope=all ;;
        --update-baseline)
            install_check_packages
            install_buf
            (cd "$ROOT/proto" && "$BUF_HOME/node_modules/.bin/buf" build --exclude-source-info -o baseline.binpb) ||
                fail baseline "buf could not build proto/"
            write_openapi_baseline
            say baseline "proto/baseline.binpb and docs/api/openapi_baseline.json are written"
            return
            ;;
        '') ;;
        *) usage_error "check does not know '$1'" ;;
    esac
    install_check_packages
    install_buf
    # Generated headers for clang-tidy, and the programs that documents are compared with.
    build_all
    for part in format shell buf openapi alerts compose tidy docs; do
        if "check_$part" "$scope"; then
            say check "$part: clean"
        else
            say check "$part: ${RED}not clean${PLAIN}"
            verdict=1
        fi
    done
    return "$verdict"
}

install_buf() { install_npm_tool buf "$BUF_HOME" "@bufbuild/buf@$BUF_VERSION"; }

# Our C++ files: what git knows or would take, without what is not written by us.
cpp_files() {
    (cd "$ROOT" && git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' | sort -u)
}

check_format() {
    local files
    # What is compiled beforehand is named before the libraries that are added to it.
    mapfile -t files < <(cd "$ROOT" && cpp_files | grep -v '^cmake/precompiled/' | while IFS= read -r f; do [[ ! -f $f ]] || echo "$f"; done)
    [[ ${#files[@]} -gt 0 ]] || return 0
    (cd "$ROOT" && clang-format-16 --dry-run --Werror "${files[@]}")
}

check_shell() {
    (cd "$ROOT" && shellcheck -x flowstack .ci/run tools/dev/*.sh examples/*.sh examples/*/*.sh deploy/*/*.sh tests/deploy/*.sh tests/bench/peers/*.sh tests/bench/peers/*/*.sh)
}

check_buf() {
    local buf=$BUF_HOME/node_modules/.bin/buf bad=0
    (cd "$ROOT/proto" && "$buf" lint) || bad=1
    if [[ -f $ROOT/proto/baseline.binpb ]]; then
        (cd "$ROOT/proto" && "$buf" breaking --against baseline.binpb) || bad=1
    else
        printf 'proto/baseline.binpb is missing: ./flowstack check --update-baseline\n' >&2
        bad=1
    fi
    return "$bad"
}

# Sources to look at. Headers are seen through the sources that include them.
tidy_files() {
    local base=''
    cd "$ROOT" || return
    if [[ $1 == changed ]]; then
        base=$(git merge-base HEAD origin/main 2>/dev/null || git merge-base HEAD main 2>/dev/null) || true
    fi
    if [[ -n $base && $base != "$(git rev-parse HEAD)" ]] || [[ -n $base && -n $(git status --porcelain -- '*.cc') ]]; then
        { git diff --name-only --diff-filter=d "$base" -- '*.cc'
          git ls-files --others --exclude-standard -- '*.cc'; } | sort -u
    elif [[ $1 == changed && -n $base ]]; then
        # On main itself: the last commit.
        git diff --name-only --diff-filter=d HEAD~1 HEAD -- '*.cc' 2>/dev/null || true
    else
        cpp_files | grep '\.cc$' || true
    fi
}

# The everyday build compiles several files as one, so clang-tidy reads how each is compiled from a
# configuration in which it is compiled alone. This also finds a file that lacks an include.
check_tidy() {
    local file files=() alone=$ROOT/build/tidy database
    database=$alone/compile_commands.json
    (cd "$ROOT" && cmake --preset "$CMAKE_PRESET" -B "$alone" -DFLOWSTACK_UNITS=OFF \
        -DFLOWSTACK_PRECOMPILED=OFF -DFLOWSTACK_PROTO_FROM="$BUILD_DIR") </dev/null >"$RUN_DIR/log/tidy-cmake.log" 2>&1 ||
        fail check "cmake could not configure" "$RUN_DIR/log/tidy-cmake.log"
    while IFS= read -r file; do
        # Only what is compiled has a command to be read with.
        if grep -qF "\"$ROOT/$file\"" "$database"; then
            files+=("$file")
        fi
    done < <(tidy_files "$1")
    [[ ${#files[@]} -gt 0 ]] || return 0
    say check "clang-tidy on ${#files[@]} files"
    # Through sh, so that a crash of clang-tidy on one file does not keep xargs from the others.
    # shellcheck disable=SC2016
    (cd "$ROOT" && printf '%s\n' "${files[@]}" |
        xargs -P "$(nproc)" -n 1 sh -c 'clang-tidy-16 -p "$0" --quiet --extra-arg=-Wno-unknown-warning-option "$1" || exit 1' \
            "$alone" 2> >(grep -vE 'warnings? (generated|treated)|^Suppressed|^Use -header-filter' >&2))
}

# One program alone, out of Debian's package: installed whole it would start a server.
# fetch_program <package> <program in .cache>
fetch_program() {
    local package=$1 program=$2 home=$ROOT/.cache/${2##*/} log=$RUN_DIR/log/${2##*/}.log
    [[ ! -x $program ]] || return 0
    say check "fetching ${program##*/}"
    mkdir -p "$home" "$RUN_DIR/log"
    (cd "$home" && apt-get -q download "$package" && dpkg -x "$package"_*.deb .) \
        </dev/null >"$log" 2>&1 || fail check "the package $package could not be fetched" "$log"
}

PROMTOOL=$ROOT/.cache/promtool/usr/bin/promtool
CADDY=$ROOT/.cache/caddy/usr/bin/caddy

# What makes each alert fire, and what does not.
check_alerts() {
    local log=$RUN_DIR/log/alerts.log
    fetch_program prometheus "$PROMTOOL"
    if ! "$PROMTOOL" check rules "$ROOT/deploy/observability/alerts.yaml" </dev/null >"$log" 2>&1 ||
        ! "$PROMTOOL" test rules "$ROOT/tests/observability/alerts_test.yaml" </dev/null >>"$log" 2>&1; then
        cat "$log"
        return 1
    fi
}

# deploy/compose against the published schema, its own rules and the programs' settings, and its Caddyfile. No container is
# started: that takes an engine and the images.
check_compose() {
    local bad=0 log=$RUN_DIR/log/compose.log
    fetch_program caddy "$CADDY"
    python3 "$ROOT/tests/deploy/compose.py" "$ROOT" "$BIN_DIR" </dev/null >"$log" 2>&1 || bad=1
    env -u XDG_DATA_HOME HOME="$RUN_DIR" FLOWSTACK_HOST=shop.example.com "$CADDY" validate --adapter caddyfile \
        --config "$ROOT/deploy/compose/Caddyfile" </dev/null >>"$log" 2>&1 || bad=1
    ((bad == 0)) || cat "$log"
    return "$bad"
}

# Documents that must equal the code: the tests with the label `docs`.
check_docs() {
    (cd "$BUILD_DIR" && ctest -L '^docs$' --output-on-failure --no-tests=ignore) </dev/null >"$RUN_DIR/log/docs.log" 2>&1 ||
        { cat "$RUN_DIR/log/docs.log"; return 1; }
}
