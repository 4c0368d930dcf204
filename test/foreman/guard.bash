# For the tests of contrib/foreman, which run.sh gives a PostgreSQL.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

guard=$BATS_TEST_DIRNAME/../../contrib/foreman

setup() { # a database of its own for each test
    dropdb --force --if-exists foreman 2>/dev/null
    createdb --owner=foreman --template=plugin foreman
}

is() { [[ $1 == "$2" ]] || { printf 'got %q, want %q\n' "$1" "$2"; return 1; }; }
# shellcheck disable=SC2154 # output is bats'
says() { [[ $output == *"$1"* ]] || { printf 'not said: %s\noutput: %s\n' "$1" "$output"; return 1; }; }
sql() { psql -XAtq -v ON_ERROR_STOP=1 -c "$1" "${@:2}"; }
file() { psql -X -v ON_ERROR_STOP=1 -f "$guard/lock-guard-$1.sql" "${@:2}"; }
guarded() { file check; }
absent() { file check -v absent=yes; }
everything() { pg_dump | sed '/^\\\(un\)\?restrict /d'; } # all of the database, without pg_dump's random word

lock() { # NAME [HOST [ENABLED]]: a row as the plugin writes it
    sql "INSERT INTO dlmlocks (name, type, host_id, enabled, created_at, updated_at)
         VALUES ('$1', 'ForemanDlm::Dlmlock::Update', ${2:-NULL}, ${3:-true}, '2026-11-01 04:00', '2026-11-02 05:00')"
}
holder() { sql "SELECT coalesce(host_id::text, 'free') FROM dlmlocks WHERE name = 'web'"; }
hold() { sql "UPDATE dlmlocks SET host_id = $1, updated_at = now() WHERE name = 'web'"; } # HOST, or NULL
