#!/usr/bin/env bats
# How many hosts are told that they have the lock, without and with the guard. Each client is a session that does what
# foreman_dlm 4.0.0 does for PUT /api/dlmlocks/web/lock: it finds the lock by its name, or creates it; looks whether it
# may take it; then writes the row by its id, in a transaction of its own (Rails' Relation#update).
load guard

# What a client may be told under the guard. "not created" is the plugin's own 500, which the guard does not change.
told='^[1-4] (200 with the lock|412|500 (not created|40001 lock web is held by host [1-4], which has to release it first'
told+='|23505 duplicate key value violates unique constraint "dlmlocks_one_of_a_name"))$'

setup_file() { echo "# rounds in which several hosts were answered with 200:" >&3; }

# put ME FOUND READ: prints a client's request. FOUND and READ are what it does once it has looked for the name, and
# once it has read that it may take the lock.
put() {
    cat <<END
SELECT count(*) > 0 AS found, coalesce(max(id), 0) AS lock
    FROM (SELECT id FROM dlmlocks WHERE name = 'web' LIMIT 1) l \\gset
\\set answer no
\\if :found
    SELECT $2;
\\else
    BEGIN;
    SELECT count(*) > 0 AS taken FROM (SELECT FROM dlmlocks WHERE name = 'web' LIMIT 1) l \\gset
    SELECT $2;
    \\if :taken
        \\set answer '500 not created'
    \\else
        INSERT INTO dlmlocks (name, type, created_at, updated_at)
            VALUES ('web', 'ForemanDlm::Dlmlock::Update', now(), now()) RETURNING id AS lock \\gset
        \\if :ERROR
            \\set answer '500 ' :SQLSTATE ' ' :LAST_ERROR_MESSAGE
        \\endif
    \\endif
    COMMIT;
\\endif
SELECT count(*) > 0 AS may
    FROM (SELECT FROM dlmlocks WHERE id = :lock AND (host_id = $1 OR host_id IS NULL) AND enabled) l \\gset
SELECT $3;
SELECT :'answer' <> 'no' AS answered \\gset
\\if :answered
\\elif :may
    BEGIN;
    SELECT count(*) > 0 AS twice FROM (SELECT FROM dlmlocks WHERE name = 'web' AND id <> :lock LIMIT 1) l \\gset
    \\if :twice
        \\set answer '200 without the lock'
    \\else
        UPDATE dlmlocks SET host_id = $1, updated_at = now() WHERE id = :lock;
        \\if :ERROR
            \\set answer '500 ' :SQLSTATE ' ' :LAST_ERROR_MESSAGE
        \\else
            \\set answer '200 with the lock'
        \\endif
    \\endif
    COMMIT;
\\else
    \\set answer 412
\\endif
\\echo answer $1 :answer
END
}

# client ME CLIENTS ROUNDS START PACE: prints a client's script.
client() {
    local me=$1 clients=$2 rounds=$3 start=$4 pace=$5 round k found=1 read=1
    printf '%s\n' '\set QUIET on' '\o /dev/null'
    for ((round = 1; round <= rounds; round++)); do
        ((k = 5 * round))
        if ((me == 1)); then
            echo "DELETE FROM dlmlocks;"
            [[ $start == none ]] ||
                echo "INSERT INTO dlmlocks (name, type) VALUES ('web', 'ForemanDlm::Dlmlock::Update');"
        fi
        [[ $pace == running ]] || found="meet($((k - 3)), $clients)" read="meet($((k - 2)), $clients)"
        echo "SELECT meet($((k - 4)), $clients);"
        put "$me" "$found" "$read"
        [[ $pace == at-once ]] || echo "SELECT nextval('meetings'), nextval('meetings');"
        echo "SELECT meet($((k - 1)), $clients);"
        ((me != 1)) || printf '%s\n' \
            "SELECT count(*) AS rows, coalesce(max(host_id)::text, 'nobody') AS holder FROM dlmlocks \\gset" \
            "\\echo round :rows :holder"
        echo "SELECT meet($k, $clients);"
    done
}

# race CLIENTS ROUNDS START PACE: prints three numbers: the rounds with several 200s; those that end with several rows;
# those that end with one row, one 200, and its client as the holder. START: `free` (a free lock) or `none` (no such
# lock). PACE: `at-once` (all read before any of them writes) or `running` (as fast as each can, from the same start).
race() {
    local me clients=() dir=$BATS_TEST_TMPDIR
    sql "ALTER SEQUENCE meetings RESTART"
    for ((me = 1; me <= $1; me++)); do
        client "$me" "$@" >"$dir/$me.sql"
        psql -XAtq -U foreman -f "$dir/$me.sql" >"$dir/$me.out" 2>"$dir/$me.err" &
        clients+=("$!")
    done
    wait "${clients[@]}"
    # One line for each round: its end, and the answers.
    rm -f "$dir"/*.answers
    for ((me = 1; me <= $1; me++)); do sed -n 's/^answer //p' "$dir/$me.out" >"$dir/$me.answers"; done
    paste -d '|' <(sed -n 's/^round //p' "$dir/1.out") "$dir"/*.answers >"$dir/rounds"
    is "$(wc -l <"$dir/rounds")" "$2"
    awk -F '|' '{
        split($1, end, " "); yes = 0; winner = "nobody"
        for (i = 2; i <= NF; i++)
            if ($i ~ /^[0-9] 200/) { yes++; if ($i ~ /with the lock/) winner = substr($i, 1, 1) }
        if (yes > 1) several++
        if (end[1] > 1) twice++
        if (yes == 1 && end[1] == 1 && end[2] == winner) right++
    } END { print several + 0, twice + 0, right + 0 }' "$dir/rounds"
}
# figures CLIENTS START ROUNDS NOTE: races at both paces, prints how that went, and sets at_once and running.
figures() {
    local start="a free lock"
    [[ $2 == free ]] || start="no such lock"
    at_once=$(race "$1" "$3" "$2" at-once)
    running=$(race "$1" "$3" "$2" running)
    printf '# %s hosts, %s: %s of %s at once, %s of %s as fast as they can%s\n' "$1" "$start" \
        "${at_once%% *}" "$3" "${running%% *}" "$3" "$4" >&3
}

@test "without the guard: several hosts are told that they have the lock" {
    local clients rounds=${ROUNDS:-20}
    for clients in 2 4; do
        figures "$clients" free "$rounds" ""
        is "$at_once" "$rounds 0 0"
        figures "$clients" none "$rounds" ""
        is "$at_once" "$rounds $rounds 0"
        read -r several _ <<<"$running"
        ((clients == 2 || several > 0)) # the race needs no meetings
    done
}

@test "with the guard: one host has the lock in each round, is told so, and no other; there is one row" {
    local clients start rounds=${ROUNDS:-20}
    file install
    for clients in 2 4; do
        for start in free none; do
            figures "$clients" "$start" "$rounds" ", guarded"
            is "$at_once" "0 0 $rounds"
            is "$running" "0 0 $rounds"
            run ! grep -vE "$told" "$BATS_TEST_TMPDIR"/?.answers
        done
    done
}
