#!/usr/bin/env bash
# Makes the stubs from proto/ and runs shop.py against the running stack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=examples/stack.sh
. ../stack.sh
venv=$CACHE/python
[[ -x $venv/bin/python ]] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
mkdir -p "$venv/stubs"
mapfile -t protos < <(cd ../../proto && find flowstack google -name '*.proto')
"$venv/bin/python" -m grpc_tools.protoc -I ../../proto --python_out="$venv/stubs" --grpc_python_out="$venv/stubs" \
    "${protos[@]}"
PYTHONPATH=$venv/stubs exec "$venv/bin/python" shop.py
