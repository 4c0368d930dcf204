#!/usr/bin/env bats
# The hooks for zypper: every branch, with stubs for zypper and rpm. Against the real ones: ../real/zypper/.
load ../hook
bats_require_minimum_version 1.5.0

# zypper is a script: in $ZYPPER the file ACT has the output of that command, and ACT.exit its exit code. ACT.once is
# the first answer. "fetch" is update, patch or dup with --download-only in the hook of the stage update. If the file
# MISSING exists, the repositories lack packages that are in the metadata of version 2.
prepare() {
    export ZYPPER=$BATS_TEST_TMPDIR/zypper DLM_HOOKS_CACHE=$BATS_TEST_TMPDIR/cache
    METADATA=$DLM_HOOKS_CACHE/zypper
    mkdir "$ZYPPER"
    # shellcheck disable=SC2016 # for the stub's shell
    stub zypper 'echo "timeout $ZYPP_LOCK_TIMEOUT" >>"$CALLS"
for word; do
    case ${option:-} in --raw-cache-dir) raw=$word ;; esac
    option=$word
done
for act; do case $act in refresh | update | patch | dup | install | needs-rebooting) break ;; esac; done
case $DLM_STAGE:$act:$* in
update:refresh:*) [ -z "${raw:-}" ] || { mkdir -p "$raw" && echo 2 >"$raw/version"; } ;;
update:*--download-only*) act=fetch ;;
esac
if [ "$act" = fetch ] && [ -e "$ZYPPER/MISSING" ] && grep -qs 2 "${raw:-/nowhere}/version"; then
    echo "acme-2.rpm not found on medium" >&2
    exit 8
fi
[ ! -e "$ZYPPER/$act.once" ] || {
    cat "$ZYPPER/$act.once" >&"${STREAM:-2}"
    rm "$ZYPPER/$act.once"
    exit "$(cat "$ZYPPER/$act.once.exit")"
}
[ ! -e "$ZYPPER/$act" ] || cat "$ZYPPER/$act"
[ ! -e "$ZYPPER/$act.exit" ] || exit "$(cat "$ZYPPER/$act.exit")"'
    # shellcheck disable=SC2016
    stub rpm 'case $* in
*--whatprovides*) cat "$ZYPPER/provides" 2>/dev/null || { echo "no package provides product-update()"; exit 1; } ;;
*) [ ! -e "$ZYPPER/rpm" ] || cat "$ZYPPER/rpm" ;;
esac'
    # shellcheck disable=SC2016
    stub findmnt 'echo "${ROOT_OPTIONS:-rw,relatime}"'
    stub sleep
}
# answers ACT EXIT [LINE...]: from now on it prints these lines and exits with EXIT; ACT may be ACT.once.
answers() {
    echo "$2" >"$ZYPPER/$1.exit"
    printf '%s\n' "${@:3}" >"$ZYPPER/$1"
}
# provides PROVIDE: the release package provides this.
provides() { echo "$1" >"$ZYPPER/provides"; }
# zypper_calls: prints how zypper was called, without its lock's timeout.
zypper_calls() { grep ^zypper "$CALLS"; }
asked() { : >"$CALLS" && hook needs_update/zypper; }
updated() { : >"$CALLS" && hook update/zypper; }
reboot() { : >"$CALLS" && hook needs_reboot/zypper-needs-rebooting; }
# could_not_find_out WHY HOOK: checks the hook with and without an exit code for "could not find out".
could_not_find_out() {
    "$2"
    exits 75
    says "could not find out"
    says "$1"
    (
        unset DLM_CANNOT_TELL_EXIT
        "$2"
        exits 0
        says "could not find out"
    )
}
YES="The following package is going to be upgraded:
  acme"
NO="Reading installed packages...
Nothing to do."
RUN="zypper --non-interactive --non-interactive-include-reboot-patches"

@test "needs_update: no, yes, with and without an exit code for could not find out" {
    local mode code
    for mode in update patch; do
        setting zypper mode=$mode
        answers $mode 0 "$NO"
        asked
        exits 0
        says "Nothing to do."
        for code in 0 102 103; do
            answers $mode $code "$YES"
            asked
            exits 1
            says acme
            (
                unset DLM_CANNOT_TELL_EXIT
                asked
                exits 1
            )
        done
    done
}

@test "needs_update: could not find out" {
    local code
    answers update 0 "$YES"
    for code in 1 4 6 7 106 127; do
        answers refresh $code "repository 'main' is invalid"
        could_not_find_out "zypper refresh failed ($code): repository 'main' is invalid" asked
        refute called "zypper update"
        refute called " update "
    done
    answers refresh 0
    for code in 1 4 5 7 8 104 106; do
        answers update $code "$YES" "no package acme-2"
        could_not_find_out "--download-only failed ($code)" asked
        says "no package acme-2"
    done
}

@test "needs_update: the commands, and the settings" {
    answers update 0 "$YES"
    answers patch 0 "$YES"
    asked
    zypper_calls | diff - <(cat <<END
$RUN --quiet refresh
$RUN --no-refresh update --auto-agree-with-licenses --download-only
END
)
    called "timeout 600"
    setting zypper mode=patch download=no lock_timeout=7 "options='--repo main /*'"
    asked
    exits 1
    called "--no-refresh patch --auto-agree-with-licenses --dry-run --repo main /*"
    called "timeout 7"
    setting zypper mode=maybe
    could_not_find_out "mode=maybe" asked
    setting zypper download=true
    could_not_find_out "download=true" asked
    setting zypper 'mode=('
    asked
    exits 75
}

@test "update: the commands, and the settings" {
    updated
    exits 0
    local new="--raw-cache-dir $METADATA/new/raw --solv-cache-dir $METADATA/new/solv"
    local plan="--raw-cache-dir $METADATA/plan/raw --solv-cache-dir $METADATA/plan/solv"
    zypper_calls | diff - <(cat <<END
$RUN $new --quiet refresh
$RUN $new --no-refresh update --auto-agree-with-licenses --download-only
$RUN $plan --no-refresh update --auto-agree-with-licenses
END
)
    called "timeout 600"
    [[ ! -e $METADATA ]]
    setting zypper mode=patch lock_timeout=7 "options='--repo main /*'"
    updated
    exits 0
    called "patch --auto-agree-with-licenses --repo main /*"
    called "timeout 7"
    setting zypper mode=maybe
    updated
    exits 1
    says "mode=maybe"
    refute called zypper
}

# installs: prints how often zypper was told to install.
installs() { zypper_calls | grep " update " | grep -vc download-only || true; }

@test "update: zypper's exit codes" {
    local code
    for code in 0 102; do
        answers update $code
        updated
        exits 0
        refute says zypper:
    done
    answers update 106
    updated
    exits 0
    says "a repository could not be used"
    answers update 107
    updated
    exits 1
    says "script failed"
    for code in 1 4 5 7 8 100 104 127; do
        answers update $code
        updated
        exits 1
        says "some packages were not installed ($code)"
        [[ $(installs) == 1 ]]
    done
}

@test "update: a zypper that updated itself runs once more, and not again" {
    answers update.once 103
    updated
    exits 0
    [[ $(installs) == 2 ]]
    answers update.once 103
    answers update 107
    updated
    exits 1
    says "script failed"
    answers update 103
    updated
    exits 1
    says "(103)"
    [[ $(installs) == 2 ]]
}

@test "update: repositories that can't be refreshed: uses the old metadata" {
    answers refresh 4 "repository 'main' is invalid"
    updated
    exits 0
    says "going on with what was fetched before"
    says "repository 'main' is invalid"
    called "$RUN --no-refresh update --auto-agree-with-licenses --download-only"
    called "$RUN --no-refresh update --auto-agree-with-licenses"
}

@test "update: packages of the new metadata are missing: installs what needs_update has fetched, in this run only" {
    answers update 0 "$YES"
    asked
    exits 1
    [[ $(cat "$METADATA/plan/run") == run-1 ]]
    : >"$ZYPPER/MISSING"
    local plan="--raw-cache-dir $METADATA/plan/raw --solv-cache-dir $METADATA/plan/solv"
    answers update 8
    updated
    exits 1 # the installation fails
    says "not found on medium"
    says "going on with what was fetched before"
    called "$RUN $plan --no-refresh update --auto-agree-with-licenses --download-only"
    [[ -e $METADATA/plan && ! -e $METADATA/plan/raw/version ]]
    answers update 0
    updated # the stage runs again
    exits 0
    called "$RUN $plan --no-refresh update"
    [[ ! -e $METADATA ]]

    answers update 0 "$YES"
    asked
    export DLM_RUN_ID=run-2 # another run has its own
    updated
    exits 0
    refute called "$plan"
    called "$RUN --no-refresh update"
}

@test "update: what was fetched lacks packages, too: nothing is installed" {
    answers fetch 8 "acme-2.rpm not found on medium"
    updated
    exits 1
    says "nothing was installed, because not everything could be fetched (8)"
    [[ $(installs) == 0 ]]
    answers fetch 106 # of the old metadata, one repository can't be used
    updated
    exits 0
    says "going on with what was fetched before"
    [[ $(installs) == 1 ]]
}

@test "update: the new metadata, whose packages are there, survives a failure and a power cut" {
    answers update 8
    updated
    exits 1
    [[ $(cat "$METADATA/plan/raw/version") == 2 ]]
    mv "$METADATA/plan" "$METADATA/new" # a power cut in the middle of the switch
    answers refresh 4 "repository 'main' is invalid"
    answers update 0
    updated
    exits 0
    says "going on with what was fetched before"
    called "$RUN --raw-cache-dir $METADATA/plan/raw --solv-cache-dir $METADATA/plan/solv --no-refresh update"
}

@test "update: another zypper runs for too long: a failure that says so, without a second wait" {
    answers refresh 7 "System management is locked by the application with pid 1 (zypper)."
    updated
    exits 1
    says "(7)"
    refute called download-only
}

@test "needs_update keeps no metadata without a yes or a download, and says if it can't" {
    answers update 0 "$NO"
    asked
    exits 0
    [[ ! -e $METADATA ]]
    answers update 0 "$YES"
    setting zypper download=no
    asked
    exits 1
    [[ ! -e $METADATA ]]
    setting zypper
    : >"$BATS_TEST_TMPDIR/cache"
    asked
    exits 1
    says "the metadata could not be copied"
    updated # nor here
    exits 0
    says "going on with what was fetched before"
}

@test "a copy of the metadata that a full disk cuts off is removed" {
    mkdir -p "$BATS_TEST_TMPDIR/own/raw"
    # shellcheck disable=SC2016 # for the stub's shell
    stub cp 'mkdir -p "$3"; echo half >"$3/half"; exit 1'
    # shellcheck disable=SC2016
    stub sed 'echo "$BATS_TEST_TMPDIR/own/raw"' # where libzypp's configuration says that it is
    answers update 0 "2 packages to upgrade."
    asked
    exits 1
    says "the metadata could not be copied"
    called "cp -a"
    [[ ! -e $METADATA/new ]]
    updated
    [[ ! -e $METADATA/new ]]
}

@test "mode=auto: dup where the product asks for it; mode=update there is done, with a warning" {
    local mode id
    setting zypper "os_release=$BATS_TEST_TMPDIR/os-release"
    answers update 0 "$NO"
    answers dup 0 "$NO"
    for id in opensuse-leap '"sles"' opensuse-tumbleweed-like; do
        printf 'NAME=x\nID=%s\nID_LIKE="opensuse-tumbleweed suse"\n' "$id" >"$BATS_TEST_TMPDIR/os-release"
        asked
        exits 0
        called " update "
        refute says mode=dup
        updated
        called " update "
    done
    provides "product-update() patch"
    asked
    called " update "
    provides "product-update() dup"
    asked
    exits 0
    called " dup --auto-agree-with-licenses --download-only"
    updated
    exits 0
    called "--no-refresh dup --auto-agree-with-licenses"
    rm "$ZYPPER/provides"
    for id in '"opensuse-tumbleweed"' opensuse-slowroll '"opensuse-microos"'; do
        echo "ID=$id" >"$BATS_TEST_TMPDIR/os-release"
        setting zypper "os_release=$BATS_TEST_TMPDIR/os-release"
        asked
        called " dup "
        setting zypper "os_release=$BATS_TEST_TMPDIR/os-release" mode=update
        asked
        exits 0
        says "has to be updated with mode=dup"
        called " update "
    done
    setting zypper mode=dup
    asked
    called " dup "
}

@test "/ is read-only: could not find out, and the update touches nothing" {
    export ROOT_OPTIONS=ro,relatime,subvolid=266
    could_not_find_out "/ is read-only, so zypper can install nothing: remount it" asked
    refute called zypper
    stub transactional-update
    could_not_find_out "enable needs_update/transactional-update" asked
    updated
    exits 1
    says "nothing was installed: / is read-only, and transactional-update updates this host"
    refute called zypper
    export ROOT_OPTIONS=rw,errors=remount-ro,noro
    answers update 0 "$NO"
    asked
    exits 0
}

@test "update: waits for rpm's lock, no longer than lock_timeout" {
    for STREAM in 2 1; do # zypper 1.14.42, 1.14.89
        export STREAM
        answers update.once 8 "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)"
        updated
        exits 0
        called "sleep 5"
        says "transaction lock"
    done
    setting zypper lock_timeout=0
    answers update.once 8 "error: can't create transaction lock on /var/lib/rpm/.rpm.lock (Resource temporarily unavailable)"
    updated
    exits 1
    refute called sleep
}

@test "update: a program that keeps zypper's output open is not waited for" {
    local began=$SECONDS
    answers update 0 "Installing: acme"
    # shellcheck disable=SC2016 # for the stub's shell
    sed -i 's,^\[ ! -e "$ZYPPER/$act" \].*,&; case $*:$act in *--download-only*) ;; *:update) /bin/sleep 30 2>/dev/null \& ;; esac,' \
        "$BATS_TEST_TMPDIR/bin/zypper"
    # A file, because bats waits until a pipe is closed.
    DLM_STAGE=update PATH=$BATS_TEST_TMPDIR/bin:$PATH "$DLM_HOOKS_DIR/update.d/zypper" >"$BATS_TEST_TMPDIR/out" 3>&-
    grep -x "Installing: acme" "$BATS_TEST_TMPDIR/out"
    [[ $((SECONDS - began)) -lt 25 ]]
}

@test "update: packages in two versions are installed again, except kernels and keys" {
    printf '%s\n' "acme.noarch acme " "lib.noarch lib " \
        "kernel.noarch multiversion(kernel) k " "kernel.noarch k multiversion(kernel) " \
        "gpg-pubkey.(none) a " "gpg-pubkey.(none) b " >"$ZYPPER/rpm"
    updated
    exits 0
    refute called install
    echo "lib.noarch lib " >>"$ZYPPER/rpm"
    updated
    exits 1
    says "interrupted, installing again: lib.noarch"
    says "still installed in two versions"
    called "--no-refresh install --force --auto-agree-with-licenses lib.noarch"
    [[ $(installs) == 0 ]]
    # This time zypper removes the older one.
    # shellcheck disable=SC2016
    sed -i '2i case $* in *--download-only*) ;; *--force*) echo >"$ZYPPER/rpm" ;; esac' "$BATS_TEST_TMPDIR/bin/zypper"
    updated
    exits 0
    [[ $(installs) == 1 ]]
}

@test "needs_reboot: yes, no, could not find out" {
    local code
    answers needs-rebooting 0 "Reboot is probably not necessary."
    reboot
    exits 0
    says "not necessary"
    called "timeout 600"
    answers needs-rebooting 102 "Reboot is required"
    reboot
    exits 1
    says "is required"
    unset DLM_CANNOT_TELL_EXIT
    reboot
    exits 1
    export DLM_CANNOT_TELL_EXIT=75
    for code in 1 7 100 127; do
        answers needs-rebooting $code "Unknown command"
        could_not_find_out "failed ($code): Unknown command" reboot
    done
    setting zypper-needs-rebooting lock_timeout=7
    reboot
    called "timeout 7"
    setting zypper-needs-rebooting 'lock_timeout=('
    reboot
    exits 75
}
