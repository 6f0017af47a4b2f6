# shellcheck shell=bash
# For tests that are shell scripts: each thing that must hold is a line, and `failed` says at the end
# whether one did not.

# shellcheck disable=SC2034 # whoever sources this ends with it
failed=0

# expect <what> <command…>: the command must succeed.
expect() {
    local what=$1
    shift
    if "$@"; then
        printf 'ok      %s\n' "$what"
    else
        printf 'FAILED  %s\n' "$what"
        failed=1
    fi
}

refuse() { ! "$@"; }
