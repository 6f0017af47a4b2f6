# shellcheck shell=bash
# Are the read models what the logs say? Each service's program makes its documents again, from
# position 1, in a copy of its database; both must be equal. Nothing stops meanwhile: a copy is one
# snapshot, documents and cursors alike.

compare_read_models() {
    local service differ=0
    load_stack compare-read-models
    mkdir -p "$RUN_DIR/read-models"
    for service in "${FLOWSTACK_SERVICES[@]}"; do
        compare_documents "$service" || differ=1
    done
    return "$differ"
}

# compare_documents <service>
compare_documents() {
    local service=$1 copy=flowstack_${1}_rebuilt folder=$RUN_DIR/read-models log
    log=$RUN_DIR/log/rebuild-$1.log
    copy_database "flowstack_$service" "$copy" 2>>"$log" ||
        fail "$service" "its database could not be copied" "$log"
    documents_of "$copy" >"$folder/$service.kept"
    instance_environment "$service-0"
    env -C "$ROOT" "${INSTANCE_ENV[@]}" "DATABASE_URL=$(service_url "${service}_rebuilt")" \
        "$BIN_DIR/flowstack-$service" --rebuild </dev/null >>"$log" 2>&1 ||
        fail "$service" "--rebuild ended with $?" "$log"
    documents_of "$copy" >"$folder/$service.rebuilt"
    run_sql postgres "drop database $copy with (force)"
    if ! cmp -s "$folder/$service.kept" "$folder/$service.rebuilt"; then
        complain "$service" "its documents are not what a rebuild makes (kept, rebuilt: $folder):"
        diff "$folder/$service.kept" "$folder/$service.rebuilt" | head -n 20 >&2
        return 1
    fi
    say "$service" "$(wc -l <"$folder/$service.kept") documents equal a rebuild"
}

# copy_database <from> <to>: as it is at one moment.
copy_database() {
    run_sql postgres "drop database if exists $2 with (force)"
    run_sql postgres "create database $2"
    "$POSTGRES_BIN/pg_dump" -Fc -Z0 "$(postgres_url "$1")" |
        "$POSTGRES_BIN/pg_restore" -d "$(postgres_url "$2")"
}

documents_of() {
    run_sql "$1" "select tenant, kind, id, parent, state, sort_at, encode(sha256(body), 'hex')
        from read_model order by tenant, kind, id"
}
