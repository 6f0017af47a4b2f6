# shellcheck shell=bash
# Debian packages: installs what is missing, asks nothing, costs one dpkg-query when all is there.

# missing_packages <list file…>: one name a line.
missing_packages() {
    local wanted installed
    wanted=$(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@" | sort -u)
    # shellcheck disable=SC2086  # one word a package
    installed=$(dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' $wanted 2>/dev/null |
        sed -n 's/^ii *//p' | sort -u)
    comm -23 <(printf '%s\n' "$wanted") <(printf '%s\n' "$installed")
}

# Installs what `check` needs. Node.js from elsewhere brings its own npm and cannot live beside Debian's.
install_check_packages() {
    local list=$RUN_DIR/packages-check.txt
    if command -v node >/dev/null && command -v npm >/dev/null; then
        grep -vxE 'nodejs|npm' "$ROOT/tools/dev/packages-check.txt" >"$list"
    else
        cp "$ROOT/tools/dev/packages-check.txt" "$list"
    fi
    install_packages "$ROOT/tools/dev/packages.txt" "$list"
}

# install_npm_tool <program> <folder> <package@version>: from npm, into a folder of its own.
install_npm_tool() {
    local log=$RUN_DIR/log/$1.log
    [[ ! -x $2/node_modules/.bin/$1 ]] || return 0
    say check "installing $1 ${3##*@}"
    mkdir -p "$2" "$RUN_DIR/log"
    npm install --prefix "$2" --no-save --no-audit --no-fund "$3" </dev/null >"$log" 2>&1 ||
        fail check "npm could not install $1" "$log"
}

# install_packages <list file…>
install_packages() {
    local missing log="$RUN_DIR/log/install.log" as_root=()
    missing=$(missing_packages "$@")
    [[ -n $missing ]] || return 0
    mkdir -p "$RUN_DIR/log"
    : >"$log"

    command -v apt-get >/dev/null ||
        fail install "this machine has no apt-get; install these by hand: ${missing//$'\n'/ }"
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            fail install "packages are missing and neither root nor sudo is at hand: ${missing//$'\n'/ }"
        sudo -n true 2>/dev/null || [[ -t 0 ]] ||
            fail install "sudo wants a password and there is no terminal; missing: ${missing//$'\n'/ }"
        as_root=(sudo)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=a)

    say install "$(wc -l <<<"$missing") packages are missing: ${missing//$'\n'/ }"
    local apt=(apt-get -y -q -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
    say install "apt-get update"
    "${as_root[@]}" "${apt[@]}" update </dev/null >>"$log" 2>&1 ||
        fail install "apt-get update did not succeed" "$log"
    # shellcheck disable=SC2086
    "${as_root[@]}" "${apt[@]}" install --no-install-recommends $missing </dev/null 2>&1 |
        tee -a "$log" | show_apt_progress
    [[ ${PIPESTATUS[0]} -eq 0 ]] || fail install "apt-get install did not succeed" "$log"
    missing=$(missing_packages "$@")
    [[ -z $missing ]] || fail install "still missing afterwards: ${missing//$'\n'/ }" "$log"
    say install "done"
}

# apt prints a lot: this shows one line for each 25 packages unpacked or set up.
show_apt_progress() {
    local line unpacked=0 set_up=0 total='?'
    while IFS= read -r line; do
        case $line in
            *' newly installed,'*)
                [[ $line =~ ([0-9]+)\ newly ]] && total=${BASH_REMATCH[1]}
                say install "$total packages with what they depend on" ;;
            'Need to get '*) say install "${line%.}" ;;
            'Unpacking '*) ((++unpacked % 25)) || say install "unpacked $unpacked of $total" ;;
            'Setting up '*) ((++set_up % 25)) || say install "set up $set_up of $total" ;;
        esac
    done
}
