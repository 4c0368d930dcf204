#!/usr/bin/env bats
# The hooks for dnf: every branch, with a stub for the command. The stub refuses what the real ones refuse; dnf5's words
# are those of 5.4. yum 3 is not to be had: the stub answers according to its documentation and sources. ../real/dnf/
# tests dnf 4 against the real one, ../real/dnf/dnf5.bats dnf5.
load ../hook
bats_require_minimum_version 1.5.0

# dnf is a script: in $DNF the file ACT has the output of that command, and ACT.exit its exit code. ACT.once is the
# first answer.
prepare() {
    export DNF=$BATS_TEST_TMPDIR/dnf
    mkdir "$DNF"
    NAMES=(dnf dnf-security)
    # A PATH without the machine's own: the hooks must find no other dnf.
    mkdir "$BATS_TEST_TMPDIR/tools"
    local tool
    for tool in sh env dirname date grep cat mktemp rm timeout sed mv head cp tail; do
        ln -s "$(command -v $tool)" "$BATS_TEST_TMPDIR/tools/$tool"
    done
    stub sleep
    export LANGUAGE=de # the hooks must not pass it on
    # Neither this machine's image mode nor its cache.
    export DLM_OSTREE_BOOTED=$BATS_TEST_TMPDIR/ostree-booted DLM_CMDLINE=$BATS_TEST_TMPDIR/cmdline
    export DLM_DNF_CONF=$BATS_TEST_TMPDIR/dnf.conf CACHE=$BATS_TEST_TMPDIR/cache
    mkdir -p "$CACHE"
    printf '%s\n' "[main]" "cachedir = $CACHE/" >"$DLM_DNF_CONF"
}
# shellcheck disable=SC2016 # for the stub's shell
ANSWERS='[ -z "${LANGUAGE:-}" ] || { echo "Vorgang abgebrochen."; exit 1; } # Python reads it before LC_ALL
act=
for word; do case $word in check-update | upgrade | clean | check | remove) act=$word ;; esac
    case ${0##*/}:$act:$word in
    dnf5::--downloadonly)
        echo "Unknown argument \"--downloadonly\" for command \"dnf5\". Add \"--help\" for more information." >&2
        exit 2 ;;
    dnf5:*:--setopt=exit_on_lock=*) echo "Cannot set option: exit_on_lock" >&2; exit 2 ;; # before 5.3
    yum:*:--refresh | yum:*:--duplicates) echo "Command line error: no such option: $word" >&2; exit 1 ;;
    esac
done
case $act:" $* " in upgrade:*" --assumeno "*) act=plan ;;
upgrade:*" --downloadonly "*) act=download ;; upgrade:*" --setopt=tsflags=test "*) act=download ;; esac
[ ! -e "$DNF/$act.once" ] || { mv "$DNF/$act.once" "$DNF/$act.was"; cat "$DNF/$act.was" >&2; exit 1; }
[ ! -e "$DNF/$act" ] || cat "$DNF/$act"
[ ! -e "$DNF/$act.exit" ] || exit "$(cat "$DNF/$act.exit")"'
is() { stub "$1" "$ANSWERS"; }
# answers ACT EXIT [LINE...]: from now on it prints these lines and exits with EXIT.
answers() {
    echo "$2" >"$DNF/$1.exit"
    printf '%s\n' "${@:3}" >"$DNF/$1"
}
# asked NAME, updated NAME, reboot: run the hook with no commands except the stubs and some tools.
run_hook() {
    : >"$CALLS"
    local PATH=$BATS_TEST_TMPDIR/tools
    hook "$1"
}
asked() { run_hook needs_update/"$1"; }
updated() { run_hook update/"$1"; }
reboot() { run_hook needs_reboot/dnf-needs-restarting; }
offers() {
    answers check-update 100 "acme.noarch 2-1 main"
    answers plan 1 "Upgrade  1 Package" "Operation aborted."
}
# could_not_find_out WHY HOOK...: checks the hook with and without an exit code for "could not find out".
could_not_find_out() {
    "${@:2}"
    exits 75
    says "could not find out"
    says "$1"
    (
        unset DLM_CANNOT_TELL_EXIT
        "${@:2}"
        exits 0
        says "could not find out"
    )
}

@test "needs_update: no, yes, could not find out, with and without an exit code for that" {
    local name dnf act
    for dnf in dnf5 dnf yum; do
        is $dnf
        for name in "${NAMES[@]}"; do
            answers check-update 0
            asked "$name"
            exits 0
            refute says "could not"
            offers
            asked "$name"
            exits 1
            says "acme.noarch"
            (
                unset DLM_CANNOT_TELL_EXIT
                asked "$name"
                exits 1
            )
            for act in check-update plan download; do
                answers $act 1 "Error: no $act"
                could_not_find_out "no $act" asked "$name"
                rm "$DNF/download"* 2>/dev/null || true
                offers
            done
        done
        rm "$BATS_TEST_TMPDIR/bin/$dnf"
    done
}

@test "needs_update: each dnf fetches fresh metadata, skips no broken repository, asks nothing, waits for another dnf" {
    offers
    local all="--setopt=*.skip_if_unavailable=False"
    is dnf5
    asked dnf
    exits 1
    called "dnf5 $all -q -y --refresh check-update"
    called "dnf5 $all --assumeno upgrade"
    called "dnf5 $all -q -y upgrade --setopt=tsflags=test" # --downloadonly checks no signatures
    refute called downloadonly
    refute called exit_on_lock
    is yum
    rm "$BATS_TEST_TMPDIR/bin/dnf5"
    asked dnf
    exits 1
    [[ $(head -n 1 "$CALLS") == "yum $all --setopt=exit_on_lock=False -q clean expire-cache" ]]
    called "yum $all --setopt=exit_on_lock=False -q -y check-update"
    refute called refresh
    is dnf
    asked dnf
    exits 1
    called "dnf $all --setopt=exit_on_lock=False -q -y --refresh check-update"
    refute called "yum"
    refute called "clean"
    asked dnf-security
    exits 1
    called "--refresh check-update --security"
    called "--assumeno upgrade --security"
    called "upgrade --downloadonly --security"
    is dnf5
    asked dnf
    called "dnf5 "
    refute called "dnf --"
}

@test "needs_update: the output of --assumeno in each dnf" {
    offers
    local words
    is dnf
    for words in "Operation aborted." "Operation aborted by the user." "Exiting on user command"; do
        answers plan 1 "Upgrade  1 Package" "$words"
        asked dnf
        exits 1
    done
}

@test "needs_update: packages that are listed but would be skipped are no update" {
    offers
    is dnf
    answers plan 0 "Skip  1 Package" "Nothing to do."
    local name
    for name in "${NAMES[@]}"; do
        asked "$name"
        exits 0
        says "none of these would be installed"
        says "Skip  1 Package"
        refute called "--downloadonly"
    done
}

@test "needs_update: yum's cached metadata can't be expired" {
    offers
    is yum
    answers clean 1 "no space"
    could_not_find_out "no space" asked dnf
}

@test "needs_update: settings" {
    offers
    is dnf
    is mydnf
    local name what
    for name in "${NAMES[@]}"; do
        setting "$name" "options='--disablerepo=extras /*'" download=no
        asked "$name"
        exits 1
        [[ $name == dnf ]] && what=upgrade || what="upgrade --security"
        called "--assumeno $what --disablerepo=extras /*"
        refute called downloadonly
        setting "$name" dnf=mydnf
        asked "$name"
        exits 1
        called "mydnf "
        setting "$name" timeout=1
        stub dnf 'exec /bin/sleep 5'
        could_not_find_out "(124)" asked "$name"
        is dnf
    done
}

@test "needs_update: no dnf at all, or a mistake in the settings" {
    local name
    for name in "${NAMES[@]}"; do
        could_not_find_out "failed (127)" asked "$name"
    done
    offers
    is dnf
    for name in "${NAMES[@]}"; do
        setting "$name" 'options=('
        asked "$name"
        exits 75
        setting "$name" 'timeout=ten'
        could_not_find_out "(125)" asked "$name"
        setting "$name" download=true
        could_not_find_out "download=true in $BATS_TEST_TMPDIR/etc/hooks.conf.d/$name.conf: use yes or no" asked "$name"
    done
}

@test "update: fetches, then installs; never asks, waits for another dnf" {
    is dnf
    updated dnf
    exits 0
    local all="dnf -y --setopt=*.skip_if_unavailable=False --setopt=exit_on_lock=False"
    diff - "$CALLS" <<END
dnf -q check --duplicates
$all -q --refresh upgrade --downloadonly
$all upgrade -C
END
    updated dnf-security
    exits 0
    called "upgrade --downloadonly --security"
    called "$all upgrade --security -C"
    setting dnf "options='--quiet /*'"
    updated dnf
    called "$all upgrade -C --quiet /*"
}

@test "update: dnf5 and yum" {
    is dnf5
    updated dnf
    exits 0
    diff - "$CALLS" <<'END'
dnf5 -q check --duplicates
dnf5 -y --setopt=*.skip_if_unavailable=False -q --refresh upgrade --setopt=tsflags=test
dnf5 -y --setopt=*.skip_if_unavailable=False upgrade -C
END
    rm "$BATS_TEST_TMPDIR/bin/dnf5"
    is yum
    updated dnf-security
    exits 0
    local all="yum -y --setopt=*.skip_if_unavailable=False --setopt=exit_on_lock=False"
    diff - "$CALLS" <<END
yum -q check duplicates
$all -q clean expire-cache
$all -q upgrade --downloadonly --security
$all upgrade --security
END
}

@test "update: packages that can no longer be fetched come from the cache" {
    is dnf
    answers download 1 "Error: no mirror"
    updated dnf-security
    exits 0
    says "going on with what was fetched before"
    called "upgrade --security -C --setopt=cachedir=$CACHE.dlm-run-1"
    [[ ! -e $CACHE.dlm-run-1 ]] # not needed any more
}

@test "update: what was fetched before is kept until it is installed, also over a crash; other runs' is removed" {
    is dnf
    mkdir -p "$CACHE.dlm-run-0" "$CACHE.dlm-run-1.new"
    touch "$CACHE.dlm-run-1.new/half" "$CACHE/old"
    answers download 1 "Error: no mirror"
    answers upgrade 1 "Error: Transaction failed"
    updated dnf
    exits 1
    [[ -e $CACHE.dlm-run-1/old && ! -e $CACHE.dlm-run-1/half && ! -e $CACHE.dlm-run-0 ]]
    rm "$CACHE/old"
    touch "$CACHE/new"
    answers upgrade 0
    stub cp 'exit 1'
    updated dnf
    exits 0
    called "-C --setopt=cachedir=$CACHE.dlm-run-1"
    refute called "cp "
}

@test "update: a cache on a file system of its own is copied; a copy that is cut off is removed" {
    is dnf
    mkdir "$CACHE/repo"
    touch "$CACHE/repo/old"
    answers download 1 "Error: no mirror"
    answers upgrade 1 "Error: Transaction failed"
    # shellcheck disable=SC2016 # for the stub's shell
    stub cp 'case $1 in -al) /bin/mkdir -p "$3/repo"; exit 1 ;; esac
        '"$(command -v cp)"' "$@" && [ -z "${FULL:-}" ]'
    updated dnf
    [[ -e $CACHE.dlm-run-1/repo/old ]]
    rm -r "$CACHE.dlm-run-1"
    FULL=1 updated dnf
    refute called "cachedir"
    [[ ! -e $CACHE.dlm-run-1 && ! -e $CACHE.dlm-run-1.new ]]
}

@test "update: nothing can be kept: the cache that dnf has" {
    is dnf
    answers download 1 "Error: no mirror"
    stub cp 'exit 1'
    updated dnf
    exits 0
    says "going on with what was fetched before"
    refute called "cachedir"
    rm -r "$CACHE"
    updated dnf
    exits 0
}

@test "passwords in URLs are not printed" {
    local url="Cannot download http://joe:s3cr@t@host/x http://joe:s3cret@host/y"
    is dnf5
    answers check-update 1 "$url"
    could_not_find_out "http://***@host/x http://***@host/y" asked dnf
    answers download 1 "$url"
    echo "$url" >"$DNF/upgrade.once"
    updated dnf
    exits 1
    says "http://***@host/y"
    refute says s3cr
    answers check 1 "acme-1 is a duplicate"
    echo "$url" >"$DNF/remove.once"
    updated dnf
    exits 1
    says "http://***@host/y"
    refute says s3cr
}

@test "image mode: could not find out, with the hook that fits; update changes nothing" {
    offers
    is dnf
    : >"$DLM_OSTREE_BOOTED"
    local name
    for name in "${NAMES[@]}"; do
        could_not_find_out "with the tool that it came with" asked "$name"
        stub rpm-ostree
        could_not_find_out "with needs_update/rpm-ostree and update/rpm-ostree" asked "$name"
        stub bootc
        could_not_find_out "with needs_update/bootc and update/bootc, or with needs_update/rpm-ostree" asked "$name"
        rm "$BATS_TEST_TMPDIR"/bin/{bootc,rpm-ostree}
        updated "$name"
        exits 1
        says "boots an image"
        refute called dnf
    done
    rm "$DLM_OSTREE_BOOTED"
    echo "quiet composefs=?abc rw" >"$DLM_CMDLINE"
    could_not_find_out "boots an image" asked dnf
    echo "quiet rw" >"$DLM_CMDLINE"
    asked dnf
    exits 1
    answers plan 1 "This bootc system is configured to be read-only. Pass --transient to perform" "Operation aborted."
    could_not_find_out "can't install on this host" asked dnf
}

@test "update: a failure is one" {
    is dnf
    answers upgrade 1 "Error: Transaction failed"
    local name
    for name in "${NAMES[@]}"; do
        updated "$name"
        exits 1
        says "$name: some packages were not installed"
        refute called sleep
    done
    rm "$BATS_TEST_TMPDIR/bin/dnf"
    updated dnf
    exits 1
    says "nothing was installed"
}

@test "update: waits for rpm's lock, in dnf 4's and dnf5's words, no longer than lock_timeout" {
    is dnf
    local words
    for words in "RPM: error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)" \
        "Transaction failed: Failed to obtain rpm transaction lock. Another transaction is in progress."; do
        echo "$words" >"$DNF/upgrade.once"
        updated dnf
        exits 0
        called "sleep 5"
        says "$words"
        [[ $(grep -c "False upgrade -C" "$CALLS") == 2 ]]
    done
    answers upgrade 1
    echo "$words" >"$DNF/upgrade.once"
    setting dnf lock_timeout=0
    updated dnf
    exits 1
    refute called sleep
}

@test "update: packages in two versions are fixed first" {
    is dnf
    answers check 1 "acme-1-1.noarch is a duplicate with acme-2-1.noarch"
    updated dnf
    exits 0
    says "interrupted, finishing it: acme-1-1.noarch is a duplicate"
    [[ $(sed -n 2p "$CALLS") == *" -q remove --duplicates" ]]
}

@test "update: packages in two versions that can't be fixed, as with dnf5 and yum, or no answer to that" {
    is dnf5
    answers check 1 "acme-1-1.noarch is a duplicate with acme-2-1.noarch"
    answers remove 2 'Unknown argument "--duplicates" for command "remove"'
    updated dnf
    exits 1
    says "could not be finished"
    says "acme-1-1.noarch"
    refute called upgrade
    answers check 1 "rpmdb: damaged"
    updated dnf
    exits 1
    says "nothing was installed: rpmdb: damaged"
    refute called remove
}

YES="Core libraries or services have been updated since boot-up:
  * glibc

Reboot is required to fully utilize these updates."
NO="No core libraries or services have been updated since boot-up.
Reboot should not be necessary."

@test "needs_reboot: yes, no, could not find out, with each dnf" {
    local how
    for how in "dnf5 --setopt=*.skip_if_unavailable=True needs-restarting" "dnf needs-restarting -r" "needs-restarting -r"; do
        rm -f "$BATS_TEST_TMPDIR"/bin/*
        [[ $how != needs* ]] || stub yum 'exit 1'
        stub "${how%% *}" "[ -z \"\${LANGUAGE:-}\" ] && echo '$NO'"
        reboot
        exits 0
        says "should not be necessary"
        called "$how"
        stub "${how%% *}" "echo '$YES'; exit 1"
        reboot
        exits 1
        says glibc
        (
            unset DLM_CANNOT_TELL_EXIT
            reboot
            exits 1
        )
        stub "${how%% *}" "echo 'No such command: needs-restarting. Please use /usr/bin/dnf --help' >&2; exit 1"
        could_not_find_out "install the package" reboot
        stub "${how%% *}" 'echo "Unknown argument \"needs-restarting\" for command \"dnf5\"." >&2; exit 2'
        could_not_find_out "Unknown argument" reboot
        stub "${how%% *}" "echo '$YES'; exit 3"
        could_not_find_out "failed (3)" reboot
    done
}

@test "needs_reboot: no command, a late answer, another command, a mistake in the settings" {
    could_not_find_out "needs-restarting -r failed (127)" reboot
    stub dnf 'exec /bin/sleep 5'
    setting dnf-needs-restarting timeout=1
    could_not_find_out "failed (124)" reboot
    setting dnf-needs-restarting "command='yum needs'"
    stub yum "echo '$YES'; exit 1"
    reboot
    exits 1
    called "yum needs"
    setting dnf-needs-restarting 'command=('
    reboot
    exits 75
}
