#!/usr/bin/env bash
# message_db.sh DATABASE_URL FOLDER: message-db from its npm package (FOLDER is its database/), in the
# order of its own install script.
set -eu
url=$1
folder=$2
export PGOPTIONS='-c search_path=message_store,public'
files=(roles/message-store schema/message-store types/message tables/messages)
for name in message-store-version hash-64 acquire-lock category is-category id cardinal-id stream-version \
    write-message get-stream-messages get-category-messages get-last-stream-message; do
    files+=("functions/$name")
done
files+=(indexes/messages-id indexes/messages-stream indexes/messages-category)
for file in "${files[@]}"; do
    psql -X -q -v ON_ERROR_STOP=1 -d "$url" -f "$folder/$file.sql"
done
