#!/usr/bin/env bash
# Makes the stubs from proto/ and runs the program against the running stack.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=examples/stack.sh
. ../stack.sh
tools=$CACHE/go
[[ -x $tools/protoc-gen-go ]] || GOBIN=$tools go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12
[[ -x $tools/protoc-gen-go-grpc ]] || GOBIN=$tools go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
# The protos belong to no Go module, so this says which package each file is in.
options=() files=()
for service in common gateway payment; do
    for file in ../../proto/flowstack/"$service"/v1/*.proto; do
        file=${file#../../proto/}
        files+=("$file")
        options+=(--go_opt="M$file=example/gen/$service" --go-grpc_opt="M$file=example/gen/$service")
    done
done
for file in google/api/annotations.proto google/api/http.proto; do
    options+=(--go_opt="M$file=google.golang.org/genproto/googleapis/api/annotations"
              --go-grpc_opt="M$file=google.golang.org/genproto/googleapis/api/annotations")
done
PATH=$tools:$PATH protoc -I ../../proto --go_out=. --go_opt=module=example --go-grpc_out=. --go-grpc_opt=module=example \
    "${options[@]}" "${files[@]}"
exec go run .
