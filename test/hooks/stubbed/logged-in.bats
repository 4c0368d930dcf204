#!/usr/bin/env bats
# gate/logged-in, with a loginctl that prints files. Its answers come from Debian 12's systemd 252. With the real one:
# ../real/services/logged-in.bats.
load ../hook
bats_require_minimum_version 1.5.0

prepare() {
    export SESSIONS=$BATS_TEST_TMPDIR/sessions # one file for each session
    mkdir "$SESSIONS"
    # shellcheck disable=SC2016 # not for this shell
    stub loginctl 'case $1 in
        list-sessions) for id in $(ls "$SESSIONS"); do echo " $id 1000 somebody"; done ;;
        show-session) cat "$SESSIONS/$2" ;;
        esac'
    # shellcheck disable=SC2016
    stub grep 'exit "${PAM:-0}"'
    # shellcheck disable=SC2016
    stub sed 'echo "${OWN:-}"' # the session of this hook, in /proc/self/cgroup
}
# session ID [NAME=VALUE]...: a session of alice's by SSH, with these changes.
session() {
    local id=$1
    declare -A has=([Name]=alice [Timestamp]='Sat 2026-11-28 02:31:07 UTC' [TTY]=pts/0 [Remote]=yes
        [RemoteHost]=10.0.0.1 [Type]=tty [Class]=user [State]=active [IdleHint]=no [IdleSinceHint]=0)
    shift
    for change; do has[${change%%=*}]=${change#*=}; done
    for change in "${!has[@]}"; do echo "$change=${has[$change]}"; done >"$SESSIONS/$id"
}
logged_in() { hook gate/logged-in; }
nobody() { logged_in; exits 0; says "nobody is logged in"; }

@test "nobody" {
    nobody
}

@test "who is logged in, where, and since when" {
    session 3
    logged_in
    not_now "logged-in: alice on pts/0 from 10.0.0.1 since Sat 2026-11-28 02:31"
    session c1 Name='AD\bob' TTY=tty1 Remote=no RemoteHost=
    logged_in
    not_now 'logged-in: alice on pts/0 from 10.0.0.1 since Sat 2026-11-28 02:31, AD\bob on tty1 since Sat 2026-11-28 02:31'
}

@test "which sessions count" {
    local change
    session 3 Remote=no
    for change in Class=user-early Class=user-incomplete State=online State=opening TTY=tty2; do
        session 3 Remote=no "$change"
        logged_in
        exits 1
    done
    for change in Remote=yes Type=x11 Type=wayland Type=mir Type=web; do # without a terminal
        session 3 Remote=no TTY= "$change"
        logged_in
        exits 1
    done
    for change in Class=manager Class=manager-early Class=background Class=greeter Class=lock-screen State=closing; do
        session 3 "$change"
        nobody
    done
    for change in Type=unspecified Type=tty Type=; do
        session 3 Remote=no TTY= "$change"
        nobody
    done
}

@test "the session in which this run was started by hand does not count; others of the same person do" {
    session 3
    OWN=3 nobody
    session 4 TTY=pts/1
    OWN=3 logged_in
    not_now "logged-in: alice on pts/1 from 10.0.0.1 since Sat 2026-11-28 02:31"
    OWN=34 logged_in
    says pts/0
}

@test "users that don't count" {
    session 3
    setting logged-in "IGNORE='backup al?ce'"
    nobody
    setting logged-in "IGNORE='alic backup'"
    logged_in
    exits 1
}

@test "who has typed nothing for long does not count" {
    local now
    now=$(date +%s)
    session 3 IdleSinceHint=$((now - 3600))000000
    logged_in
    exits 1 # everybody counts
    setting logged-in MIN_IDLE=3500
    nobody
    setting logged-in MIN_IDLE=3700
    logged_in
    exits 1
    setting logged-in MIN_IDLE=60
    session 3 Type=x11 IdleSinceHint=$((now - 3600))000000 # not idle, since then
    logged_in
    exits 1
    session 3 Type=x11 IdleHint=yes IdleSinceHint=$((now - 3600))000000
    nobody
    for unknown in 0 '' no 18446744073709551615; do
        session 3 IdleSinceHint=$unknown
        logged_in
        exits 1
    done
    setting logged-in MIN_IDLE=1h
    logged_in
    not_now "logged-in: MIN_IDLE=1h in $BATS_TEST_TMPDIR/etc/hooks.conf.d/logged-in.conf: use a whole number"
}

@test "logind hears of no logins" {
    PAM=1 logged_in
    not_now "logged-in: logind does not hear of logins, because pam_systemd is not set up: install libpam-systemd"
}

@test "could not find out" {
    session 3 Class=
    logged_in
    not_now "logged-in: loginctl tells no class of session 3"
    session 3
    # shellcheck disable=SC2016 # not for this shell
    stub loginctl '[ "$1" = list-sessions ] && echo "3 1000 alice"'
    logged_in
    not_now "logged-in: loginctl does not show session 3"
    # shellcheck disable=SC2016
    stub loginctl '[ "$(awk "END { print NR }" "$CALLS")" = 2 ] && echo "3 1000 alice"' # after grep; and never again
    : >"$CALLS"
    logged_in
    not_now "logged-in: loginctl does not show session 3"
    stub loginctl 'exit 1'
    logged_in
    not_now "logged-in: \`loginctl list-sessions\` failed, or did not answer within 30 s"
    setting logged-in 'IGNORE=('
    logged_in
    [[ $status != 0 ]]
}

@test "a session that ends meanwhile" {
    session 4
    # shellcheck disable=SC2016 # not for this shell
    stub loginctl 'case $1 in
        list-sessions) [ -e "$SESSIONS/../asked" ] || echo "3 1000 bob"; : >"$SESSIONS/../asked"; echo "4 1000 alice" ;;
        show-session) cat "$SESSIONS/$2" ;;
        esac'
    logged_in
    not_now "logged-in: alice on pts/0 from 10.0.0.1 since Sat 2026-11-28 02:31"
}
