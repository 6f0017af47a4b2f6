#!/usr/bin/env bash
# docs/configuration.md and .env.example, made of what the programs say about themselves.
#   configuration.sh <folder of the programs>           compares, 1 if they differ
#   configuration.sh <folder of the programs> --write   writes them
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BIN=$1
SERVICES=(gateway conversation payment followup campaign)
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT

for program in "${SERVICES[@]}" sandbox; do
    "$BIN/flowstack-$program" --describe-config >"$WORK/$program" ||
        { echo "configuration: $BIN/flowstack-$program does not describe itself" >&2; exit 1; }
done

# Rows that all five services have in the same words, in the first one's order.
head -n 2 "$WORK/gateway" >"$WORK/head"
for service in "${SERVICES[@]}"; do tail -n +3 "$WORK/$service"; done | sort | uniq -c |
    awk -v all="${#SERVICES[@]}" '$1 == all { sub(/^ *[0-9]+ /, ""); print }' >"$WORK/shared"
{ grep -Fxf "$WORK/shared" "$WORK/gateway" || true; } >"$WORK/shared.rows"
own_rows() { tail -n +3 "$WORK/$1" | { grep -Fxvf "$WORK/shared" || true; }; }

{
    cat <<'TEXT'
# Settings

Every program reads its settings once, when it starts: from the environment, or from flags, which win
(`--http-port=8080` is `HTTP_PORT=8080`). `NAME_FILE=/path` takes the first line of a file for `NAME`, for secrets that are mounted as
files; setting both is a mistake. All mistakes are reported at once, with exit code 2. `--help` prints the program's own table,
`--print-config` what would be used, with secrets masked, `--version` the release.

This page is made from the programs (`tools/dev/configuration.sh build/everyday/bin --write`), and a test holds it
equal to them.

## Every service
TEXT
    echo
    cat "$WORK/head" "$WORK/shared.rows"
    for program in "${SERVICES[@]}" sandbox; do
        printf '\n## %s\n\n' "$program"
        cat "$WORK/head"
        own_rows "$program"
    done
} >"$WORK/configuration.md"

# | `NAME` | `default` | unit | allowed | help |  ->  # help [unit] (allowed)  and  NAME=default
as_env() {
    awk -F ' \\| ' '{
        name = $1; gsub(/^\| `|`$/, "", name)
        value = $2; gsub(/`/, "", value)
        help = $5; sub(/ \|$/, "", help)
        required = value ~ /\*\*required\*\*/
        printf "\n# %s%s%s\n%s%s=%s\n", help, $3 == "" ? "" : " [" $3 "]",
            $4 == "" ? "" : " (" $4 ")", required ? "" : "#", name, required ? "" : value
    }'
}
{
    cat <<'TEXT'
# Settings of the five services, as docs/configuration.md explains them. Made from the programs and held
# equal by a test. What has no '#' in front must be set; what has one shows the default.
TEXT
    as_env <"$WORK/shared.rows"
    for service in "${SERVICES[@]}"; do
        printf '\n\n# ---- %s ----\n' "$service"
        own_rows "$service" | as_env
    done
} >"$WORK/.env.example"

if [[ ${2:-} == --write ]]; then
    cp "$WORK/configuration.md" "$ROOT/docs/configuration.md"
    cp "$WORK/.env.example" "$ROOT/.env.example"
    exit 0
fi
verdict=0
for pair in configuration.md:docs/configuration.md .env.example:.env.example; do
    diff -u "$ROOT/${pair#*:}" "$WORK/${pair%%:*}" || verdict=1
done
[[ $verdict == 0 ]] || echo "configuration: run $0 $BIN --write" >&2
exit "$verdict"
