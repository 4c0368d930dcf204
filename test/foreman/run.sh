#!/bin/bash
# Tests contrib/foreman with a real PostgreSQL: a cluster in a temporary directory, with a Unix socket and no TCP.
# Needs Debian's package postgresql, which any user can start; as root it runs as the user postgres.
# usage: run.sh [FILE.bats]...       (default: all)
# ROUNDS=60: that many rounds of each race, for the table in docs/foreman-database.md.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
bin=$(find /usr/lib/postgresql -path '*/bin/initdb' -printf '%h\n' 2>/dev/null | sort -V | tail -n 1)
if [[ -z $bin ]]; then
    echo "NOT TESTED: contrib/foreman: PostgreSQL is not installed (Debian has it in the package postgresql)" >&2
    [[ -z ${CI:-} || $CI == false ]]; exit
fi
PGHOST=$(mktemp -d) PGUSER=postgres PGDATABASE=foreman PG_BIN=$bin
export PGHOST PGUSER PGDATABASE PG_BIN
unset PGSERVICE PGPORT
export PGOPTIONS='-c statement_timeout=2min' # so that a test can fail that would wait for ever
as_postgres=()
if [[ $(id -u) == 0 ]]; then
    as_postgres=(runuser -u postgres --)
    chown postgres: "$PGHOST"
fi
pg_ctl() { (cd / && "${as_postgres[@]}" "$bin/pg_ctl" --silent --pgdata="$PGHOST/data" "$@"); }
finish() {
    trap '' INT TERM
    pg_ctl stop --mode=immediate || true
    rm -rf --one-file-system "$PGHOST"
}
(cd / && "${as_postgres[@]}" "$bin/initdb" --pgdata="$PGHOST/data" --username=postgres --auth=trust --locale=C.UTF-8 \
    --no-sync >"$PGHOST/initdb.log") || { cat "$PGHOST/initdb.log"; exit 1; } >&2
trap finish EXIT
trap 'exit 130' INT TERM
pg_ctl start --log="$PGHOST/log" --options="-k $PGHOST -c listen_addresses= -c fsync=off" ||
    { cat "$PGHOST/log"; exit 1; } >&2
psql -Xq -d postgres -c 'CREATE ROLE foreman LOGIN' -c 'CREATE ROLE stranger LOGIN' \
    -c 'CREATE DATABASE plugin OWNER foreman'
psql -Xq -v ON_ERROR_STOP=1 -U foreman -d plugin -f plugin.sql
# Not exec: the cluster ends with this shell.
bats --timing --print-output-on-failure "${@:-.}"
