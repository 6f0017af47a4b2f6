#!/bin/sh
# The server of the image flowstack-postgres: at the first start it makes the cluster in PGDATA, the services' role and
# their databases. For development: one node, no backup, no TLS.
#   POSTGRES_PASSWORD_FILE   password of the owner `postgres` and of `flowstack_service`
set -eu
bin=/usr/lib/postgresql/15/bin
PGDATA=${PGDATA:-/var/lib/postgresql/data}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    # Only a finished cluster gets the name, so an interrupted start begins anew.
    rm -rf "$PGDATA.new" "$PGDATA"
    mkdir -p "$PGDATA.new"
    "$bin/initdb" -D "$PGDATA.new" -U postgres --auth=scram-sha-256 --pwfile="$POSTGRES_PASSWORD_FILE" \
        --encoding=UTF8 --locale=C.UTF-8
    cat /usr/share/flowstack/flowstack.conf >>"$PGDATA.new/postgresql.conf"
    echo 'host all all all scram-sha-256' >>"$PGDATA.new/pg_hba.conf"
    password=$(cat "$POSTGRES_PASSWORD_FILE")
    {
        echo "create role flowstack_service login password '$password'"
        for service in gateway conversation payment followup campaign; do
            echo "create database flowstack_$service"
        done
    } | "$bin/postgres" --single -D "$PGDATA.new" postgres >/dev/null
    mv "$PGDATA.new" "$PGDATA"
fi
exec "$bin/postgres" -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=''
