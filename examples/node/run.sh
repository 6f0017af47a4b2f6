#!/usr/bin/env bash
# Runs shop.mjs against the running stack; it reads proto/ itself.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=examples/stack.sh
. ../stack.sh
[[ -d node_modules ]] || npm install --no-audit --no-fund --no-package-lock --silent
exec node shop.mjs
