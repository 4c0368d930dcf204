#!/usr/bin/env bats
# contrib/foreman: what the guard lets through, and installing, checking and removing it.
load guard

eventually() { # COMMAND...: within a minute
    local end=$((SECONDS + 60))
    until "$@"; do ((SECONDS < end)) || { echo "not within a minute: $*"; return 1; }; done
}

written() { # which transaction wrote each part
    sql "SELECT oid, xmin FROM pg_proc WHERE proname = 'dlmlock_one_holder'
         UNION ALL SELECT oid, xmin FROM pg_trigger WHERE tgname = 'dlmlock_one_holder'
         UNION ALL SELECT oid, xmin FROM pg_class WHERE relname = 'dlmlocks_one_of_a_name'"
}

@test "it is installed, checked and removed, by the owner and by a superuser; a second time changes nothing" {
    everything >"$BATS_TEST_TMPDIR/before"
    local user
    for user in foreman postgres; do
        run -3 guarded
        says "there is no function dlmlock_one_holder(), there is no trigger dlmlock_one_holder, there is no index"
        run -0 absent
        run -0 file install -U "$user"
        says "created the function public.dlmlock_one_holder()"
        says "created the trigger dlmlock_one_holder on public.dlmlocks"
        says "created the index public.dlmlocks_one_of_a_name"
        says "the guard is complete in the database foreman"
        is "$(sql "SELECT proowner::regrole FROM pg_proc WHERE proname = 'dlmlock_one_holder'")" foreman
        run -0 guarded
        run -3 absent
        says "the function dlmlock_one_holder(), the trigger dlmlock_one_holder, the index dlmlocks_one_of_a_name"

        written=$(written)
        is "$(wc -l <<<"$written")" 3
        run -0 file install -U "$user"
        says "nothing had to be changed"
        [[ $output != *created* && $output != *replaced* ]]
        is "$(written)" "$written"

        run -0 file remove -U "$user"
        says "dropped the trigger dlmlock_one_holder on public.dlmlocks"
        says "dropped the function public.dlmlock_one_holder()"
        says "dropped the index public.dlmlocks_one_of_a_name"
        everything | diff "$BATS_TEST_TMPDIR/before" -
        run -0 file remove -U "$user"
        says "nothing had to be changed"
    done
}

@test "the commands of docs/foreman-database.md" {
    local page=$BATS_TEST_DIRNAME/../../docs/foreman-database.md commands
    is "$(sed -n 's,^cd /usr/share/foreman-dlm-updater/\(.*\),\1,p' "$page")" foreman
    cd "$guard"
    mapfile -t commands < <(sed -n "s/^ *\(sudo -u postgres \)\?psql -X/psql -X/p" "$page" | sed "s,db.example.com,$PGHOST,")
    is "${#commands[@]}" 4 # install, check, remove; install in an external database
    for command in "${commands[@]:0:3}"; do eval "$command"; done
    absent
    unset PGDATABASE PGUSER
    eval "${commands[3]}"
    psql -X -v ON_ERROR_STOP=1 -U foreman -d foreman -f lock-guard-check.sql
}

@test "what the plugin and administrators do besides taking a lock goes on as before" {
    file install
    lock web
    hold 1
    is "$(holder)" 1
    hold 1 # the holder's refresh
    sql "UPDATE dlmlocks SET enabled = false" # disable, enable
    sql "UPDATE dlmlocks SET enabled = true, host_id = 1"
    hold NULL # release, by the holder or an administrator
    hold NULL
    hold 2
    sql "UPDATE dlmlocks SET host_id = NULL WHERE host_id = 2; DELETE FROM hosts WHERE id = 2" # a host is deleted
    is "$(holder)" free
    hold 1
    sql "UPDATE dlmlocks SET name = 'www'" # another name
    sql "UPDATE dlmlocks SET name = 'web'"
    lock db 1 # one host, several locks
    sql "DELETE FROM dlmlocks"
    lock web 3 # made anew, and held from the beginning
    is "$(holder)" 3
}

@test "an administrator who gives a held lock to another host is refused, and has to free it first" {
    file install
    lock web 1
    run ! psql -XAtq -c '\set VERBOSITY verbose' -c "UPDATE dlmlocks SET host_id = 2, enabled = false"
    says "lock web is held by host 1, which has to release it first"
    is "$(holder)" 1
    is "$(sql "SELECT enabled FROM dlmlocks")" t # the whole statement was refused
    hold NULL
    hold 2
    is "$(holder)" 2
    file remove
    hold 1
    is "$(holder)" 1
}

@test "what the plugin puts into its answer 500" {
    file install
    lock web 1
    run -1 psql -XAtq -c "UPDATE dlmlocks SET host_id = 2"
    is "$output" 'ERROR:  lock web is held by host 1, which has to release it first
CONTEXT:  PL/pgSQL function public.dlmlock_one_holder() line 4 at RAISE'
    run -1 psql -XAtq -v VERBOSITY=sqlstate -c "UPDATE dlmlocks SET host_id = 2"
    is "$output" "ERROR:  40001"
    run -1 psql -XAtq -c "INSERT INTO dlmlocks (name, type) VALUES ('web', 'ForemanDlm::Dlmlock::Update')"
    is "$output" 'ERROR:  duplicate key value violates unique constraint "dlmlocks_one_of_a_name"
DETAIL:  Key (type, name)=(ForemanDlm::Dlmlock::Update, web) already exists.'
}

@test "the second of two that write the same row waits for the first, and is refused if that one commits" {
    local end want
    for end in COMMIT ROLLBACK; do
        [[ $end == COMMIT ]] && want=1 || want=2
        dropdb --force foreman
        createdb --owner=foreman --template=plugin foreman
        file install
        lock web
        mkfifo "$BATS_TEST_TMPDIR/$end"
        psql -XAtq -f "$BATS_TEST_TMPDIR/$end" 3>&- &
        exec 4>"$BATS_TEST_TMPDIR/$end"
        echo "BEGIN; UPDATE dlmlocks SET host_id = 1;" >&4
        eventually waits_in_transaction 1
        psql -XAtq -c "UPDATE dlmlocks SET host_id = 2" 4>&- 3>&- &
        eventually waits_for_lock 1
        echo "$end;" >&4
        exec 4>&-
        wait
        is "$(holder)" "$want"
    done
}
waits_in_transaction() { [[ $(sql "SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'") == "$1" ]]; }
waits_for_lock() { [[ $(sql "SELECT count(*) FROM pg_locks WHERE NOT granted") == "$1" ]]; }

@test "not closed: a DELETE that was checked while its sender held the lock frees the next host's" {
    file install
    lock web 1
    # DELETE of host 1: the plugin reads that the lock is host 1's, and writes later, by its id.
    id=$(sql "SELECT id FROM dlmlocks WHERE name = 'web' AND (host_id IS NULL OR host_id = 1) AND enabled")
    hold NULL # the same DELETE once more, or an administrator
    hold 2
    sql "UPDATE dlmlocks SET host_id = NULL WHERE id = $id"
    is "$(holder)" free # and host 2 believes that it has the lock
}

@test "duplicate rows: refused with a list of them, and nothing is changed" {
    lock web
    lock web 2 false
    lock db 1
    everything >"$BATS_TEST_TMPDIR/before"
    run -3 file install
    says "there are several locks of one name, which nobody can take
DETAIL:  id 1: web, free, enabled, created 2026-11-01 04:00:00, updated 2026-11-02 05:00:00
id 2: web, held by host 2, disabled, created 2026-11-01 04:00:00, updated 2026-11-02 05:00:00
HINT:  Keep one of each name"
    [[ $output != *"db"*"HINT"* && $output != *created\ the* ]]
    everything | diff "$BATS_TEST_TMPDIR/before" -
    sql "DELETE FROM dlmlocks WHERE id = 1"
    file install
    guarded

    file remove
    lock $'a\e[2Jb'
    lock $'a\e[2Jb'
    run -3 file install
    says "id 4: a?[2Jb, free"
}

@test "refused, and said why: the wrong database, another table, another's objects, a role that may not" {
    run -3 file install -d postgres
    says "the database postgres has no table dlmlocks"
    run -3 file remove -d postgres
    says "the database postgres has no table dlmlocks, and nothing of the guard"
    run -3 file check -d postgres
    says "the database postgres has no table dlmlocks"
    run -2 file install -d nowhere
    run -3 file install -U stranger
    says "stranger may not change the table public.dlmlocks"
    says "Run this as its owner, foreman, or as a superuser"

    sql "CREATE SCHEMA other; CREATE TABLE other.dlmlocks ()"
    run -3 file install
    says "has several tables dlmlocks: {public.dlmlocks,other.dlmlocks}"
    sql "DROP TABLE other.dlmlocks"

    sql "CREATE FUNCTION dlmlock_one_holder() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
    run -3 file install
    says "there is another function dlmlock_one_holder() in the schema public"
    sql "CREATE TRIGGER dlmlock_one_holder BEFORE INSERT ON dlmlocks EXECUTE FUNCTION dlmlock_one_holder()"
    run -0 file remove
    says "nothing had to be changed"
    run -0 absent
    sql "ALTER FUNCTION dlmlock_one_holder() RENAME TO theirs"
    run -3 file install
    says "there is another trigger dlmlock_one_holder on the table public.dlmlocks"
    says "It calls public.theirs()"
    sql "DROP FUNCTION theirs() CASCADE"

    sql "CREATE INDEX dlmlocks_one_of_a_name ON dlmlocks (name)"
    run -3 file install
    says "there is something else called dlmlocks_one_of_a_name in the schema public"
    run -0 absent
    sql "DROP INDEX dlmlocks_one_of_a_name"

    sql "ALTER TABLE dlmlocks RENAME host_id TO holder_id; ALTER TABLE dlmlocks DROP updated_at"
    run -3 file install
    says "the table public.dlmlocks in the database foreman lacks columns: host_id, updated_at"
    is "$(sql "SELECT count(*) FROM pg_proc WHERE proname = 'dlmlock_one_holder'")" 0
}

@test "a part that is missing, disabled, invalid or of another version: the check says so, and install repairs it" {
    file install
    sql "ALTER TABLE dlmlocks DISABLE TRIGGER dlmlock_one_holder"
    run -3 guarded
    says "the trigger dlmlock_one_holder is disabled"
    run -0 file install
    says "replaced the trigger dlmlock_one_holder"
    guarded

    sql "ALTER FUNCTION dlmlock_one_holder() RESET search_path"
    run -3 guarded
    says "the function dlmlock_one_holder() is of another version"
    run -0 file install
    says "replaced the function"
    guarded

    # The two statements by hand, as somebody may have typed them.
    sql "DROP FUNCTION dlmlock_one_holder() CASCADE; DROP INDEX dlmlocks_one_of_a_name"
    sql "CREATE FUNCTION dlmlock_one_holder() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
        RAISE EXCEPTION ''lock % is held by host %, which has to release it first'', OLD.name, OLD.host_id; END'"
    sql "CREATE TRIGGER dlmlock_one_holder BEFORE UPDATE OF host_id ON dlmlocks FOR EACH ROW
        WHEN (OLD.host_id <> NEW.host_id) EXECUTE FUNCTION dlmlock_one_holder()"
    run -3 guarded
    says "the function dlmlock_one_holder() is of another version"
    says "the trigger dlmlock_one_holder is of another version"
    says "there is no index dlmlocks_one_of_a_name"
    run -0 file install
    says "replaced the function"
    says "replaced the trigger"
    says "created the index"
    guarded

    # CREATE INDEX CONCURRENTLY leaves an invalid index behind if it finds duplicates.
    sql "DROP INDEX dlmlocks_one_of_a_name"
    lock web
    lock web
    run ! sql "CREATE UNIQUE INDEX CONCURRENTLY dlmlocks_one_of_a_name ON dlmlocks (type, name)"
    sql "DELETE FROM dlmlocks WHERE id = (SELECT max(id) FROM dlmlocks)"
    run -3 guarded
    says "the index dlmlocks_one_of_a_name is invalid"
    run -0 file install
    says "replaced the index public.dlmlocks_one_of_a_name"
    guarded

    sql "DROP TRIGGER dlmlock_one_holder ON dlmlocks; DROP INDEX dlmlocks_one_of_a_name"
    run -3 absent
    says "has: the function dlmlock_one_holder()"
    run -0 file remove
    absent
}

@test "a table in another schema, under a search_path that doesn't name it" {
    sql "CREATE SCHEMA \"Foreman's\"; ALTER TABLE dlmlocks SET SCHEMA \"Foreman's\""
    run -0 file install
    says "created the index \"Foreman's\".dlmlocks_one_of_a_name"
    guarded
    sql "INSERT INTO \"Foreman's\".dlmlocks (name, type, host_id) VALUES ('web', 'U', 1)"
    run ! sql "UPDATE \"Foreman's\".dlmlocks SET host_id = 2"
    says "lock web is held by host 1"
    run -0 file install
    says "nothing had to be changed"
    file remove
    absent
}

@test "Foreman in the middle of a write: it gives up after 3 s, and neither waits nor holds Foreman up" {
    lock web
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    psql -XAtq -f "$BATS_TEST_TMPDIR/fifo" 3>&- &
    exec 4>"$BATS_TEST_TMPDIR/fifo"
    echo "BEGIN; UPDATE dlmlocks SET host_id = 1;" >&4
    eventually waits_in_transaction 1
    run -3 file install 4>&-
    says "canceling statement due to lock timeout"
    absent
    echo "COMMIT;" >&4
    exec 4>&-
    wait
    file install
    guarded
    is "$(holder)" 1
}

@test "psql that stops halfway, or whose network breaks: the database lets go of the table" {
    lock web
    local script
    for script in install remove; do # the first leaves nothing, the second all of it
        mkfifo "$BATS_TEST_TMPDIR/$script"
        psql -X -f "$BATS_TEST_TMPDIR/$script" >/dev/null 2>&1 3>&- &
        exec 4>"$BATS_TEST_TMPDIR/$script"
        sed '/^COMMIT/d' "$guard/lock-guard-$script.sql" >&4
        eventually waits_in_transaction 1
        PGOPTIONS="-c lock_timeout=20s" hold 1 4>&-
        exec 4>&-
        wait
        if [[ $script == install ]]; then absent; file install; fi
    done
    guarded
}

@test "two people install it at the same time" {
    mkfifo "$BATS_TEST_TMPDIR/fifo"
    psql -XAtq -f "$BATS_TEST_TMPDIR/fifo" 3>&- &
    exec 4>"$BATS_TEST_TMPDIR/fifo"
    echo "BEGIN; LOCK TABLE dlmlocks IN ROW EXCLUSIVE MODE;" >&4
    eventually waits_in_transaction 1
    local clients=() client patient=$BATS_TEST_TMPDIR/install.sql
    sed "s/lock_timeout = '3s'/lock_timeout = '1min'/" "$guard/lock-guard-install.sql" >"$patient" # on a busy machine
    for client in 1 2; do
        psql -X -f "$patient" >"$BATS_TEST_TMPDIR/$client" 2>&1 3>&- 4>&- &
        clients+=("$!")
    done
    eventually waits_for_lock 2
    echo "COMMIT;" >&4
    exec 4>&-
    for client in "${clients[@]}"; do wait "$client"; done
    guarded
    is "$(cat "$BATS_TEST_TMPDIR"/[12] | grep -c 'nothing had to be changed')" 1
}

@test "a dump brings it along: with psql, and as foreman-maintain restores" {
    file install
    lock web 1
    everything >"$BATS_TEST_TMPDIR/dump.sql"
    dropdb foreman
    createdb --owner=foreman foreman
    psql -XAtq -v ON_ERROR_STOP=1 -U foreman -f "$BATS_TEST_TMPDIR/dump.sql"
    guarded
    is "$(holder)" 1
    everything | diff "$BATS_TEST_TMPDIR/dump.sql" -

    # A local database (restore_dump in foreman-maintain's base_database.rb), and an external one.
    pg_dump --format=c -f "$BATS_TEST_TMPDIR/dump"
    dropdb foreman
    pg_restore -C -d postgres "$BATS_TEST_TMPDIR/dump"
    guarded
    sql "DROP TABLE dlmlocks CASCADE; DROP TABLE hosts CASCADE"
    run pg_restore --no-privileges --clean --disable-triggers -n public -U foreman -d foreman "$BATS_TEST_TMPDIR/dump"
    [[ $status == 0 || $status == 1 ]] # 1: it drops tables that are not there any more
    guarded
    is "$(holder)" 1
    run ! hold 2
}

@test "a migration may add to the table; one that changes host_id itself is refused until the guard is removed" {
    file install
    sql "ALTER TABLE dlmlocks ADD note text; ALTER TABLE dlmlocks ALTER name TYPE text; DROP INDEX index_dlmlocks_on_type"
    guarded
    run ! sql "ALTER TABLE dlmlocks ALTER host_id TYPE bigint"
    says "cannot alter type of a column used in a trigger definition"
    run ! sql "ALTER TABLE dlmlocks DROP host_id"
    says "trigger dlmlock_one_holder on table dlmlocks depends on column host_id"
    file remove
    sql "ALTER TABLE dlmlocks ALTER host_id TYPE bigint"
    file install
    guarded
    lock web 1
    run ! hold 2
    sql "DROP TABLE dlmlocks" # the plugin is uninstalled
    run -3 absent
    says "the function dlmlock_one_holder()"
    file remove
    absent
}

@test "a standby has it, and can be checked; to install it there is refused" {
    file install
    local data=$PGHOST/standby as_postgres=()
    [[ $(id -u) != 0 ]] || as_postgres=(runuser -u postgres --)
    cd /
    "${as_postgres[@]}" "$PG_BIN/pg_basebackup" -h "$PGHOST" -U postgres -c fast -R -D "$data" --no-sync
    "${as_postgres[@]}" "$PG_BIN/pg_ctl" -s -w -D "$data" -l "$PGHOST/standby.log" \
        -o "-k $PGHOST -p 5433 -c listen_addresses= -c fsync=off" start 3>&-
    PGPORT=5433 run -0 guarded
    PGPORT=5433 run -3 file install
    standby=$output
    PGPORT=5433 run -3 file remove
    "${as_postgres[@]}" "$PG_BIN/pg_ctl" -s -m immediate -D "$data" stop
    says "this server is a standby"
    output=$standby says "Run this on its primary"
}

@test "a function of a user's own does not take the place of PostgreSQL's" {
    sql "CREATE FUNCTION public.format(text, regclass) RETURNS text LANGUAGE sql AS 'SELECT ''broken'''"
    export PGOPTIONS="$PGOPTIONS -c search_path=public,pg_catalog"
    run -0 file install
    run -0 guarded
    run -0 file remove
    run -0 absent
}
