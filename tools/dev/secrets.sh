# shellcheck shell=bash
# Development secrets: made once for each run directory, readable by its owner only.

load_secrets() {
    local file=$RUN_DIR/secrets
    mkdir -p "$RUN_DIR"
    if [[ ! -s $file ]]; then
        (
            umask 077
            printf '%s=%s\n' \
                MASTER_KEY "$(random_hex 32)" MASTER_KEY_OTHER "$(random_hex 32)" ADMIN_KEY "$(random_hex 32)" \
                INTERNAL_KEY "$(random_hex 32)" POSTGRES_PASSWORD "$(random_hex 16)" \
                META_APP_SECRET "$(random_hex 16)" META_VERIFY_TOKEN "$(random_hex 16)" >"$file.new"
        )
        mv "$file.new" "$file"
    fi
    # shellcheck disable=SC1090
    source "$file"
    # A run directory that is older than this key.
    [[ -n ${MASTER_KEY_OTHER-} ]] || MASTER_KEY_OTHER=$(random_hex 32)
}
