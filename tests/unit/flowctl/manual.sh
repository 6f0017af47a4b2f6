#!/usr/bin/env bash
# The manual page is good roff: `mandoc -T lint` finds nothing but that it has no date, which the same
# program could not have twice.
#   manual.sh <flowctl>
set -euo pipefail
command -v mandoc >/dev/null || { printf 'mandoc is missing (package mandoc)\n' >&2; exit 1; }
page=$(mktemp)
trap 'rm -f "$page"' EXIT
"$1" manual >"$page"
findings=$(mandoc -T lint "$page" | grep -v 'missing date, using' || true)
if [[ -n $findings ]]; then
    printf '%s\n' "$findings"
    exit 1
fi
# It prints, and its last part is there.
mandoc -T ascii "$page" | grep -q 'who changes what is changed from here'
