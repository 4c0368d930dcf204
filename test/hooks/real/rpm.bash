# For the tests in dnf/ and zypper/: makes packages and repositories, and holds locks as rpm and dnf do.
# shellcheck shell=bash
export HOME=/root # Debian's rpm keeps the host's database there

# package DIR NAME VERSION [TAG...]: makes a package with a configuration file /etc/NAME.conf ($CONF) and the scriptlets
# $PRE and $POST.
package() {
    local top conf=${CONF:-$2.conf}; top=$(mktemp -d)
    mkdir -p "$1"
    {
        printf '%s\n' "Name: $2" "Version: $3" "Release: 1" "Summary: test" "License: MIT" "BuildArch: noarch" "${@:4}"
        printf '%s\n' "%description" "test" "%install" \
            "mkdir -p %{buildroot}/etc; echo version=$3 >%{buildroot}/etc/$conf" \
            "%files" "%config(noreplace) /etc/$conf"
        [[ -z ${PRE:-} ]] || printf '%%pre\n%s\n' "$PRE"
        [[ -z ${POST:-} ]] || printf '%%post\n%s\n' "$POST"
    } >"$top/spec"
    quietly rpmbuild -bb --define "_topdir $top" --define "_rpmdir $top" "$top/spec"
    mv "$top"/noarch/*.rpm "$1"
    rm -r "$top"
}

# publish DIR [TYPE NAME VERSION]...: writes the metadata, with an advisory of that TYPE for each NAME-VERSION. If
# $REBOOT is set, the advisories ask for a reboot. The advisory of package $RESTART asks to restart the package manager.
publish() {
    local dir=$1 number=0 flags
    quietly createrepo_c -q "$dir"
    shift
    (($#)) || return 0
    {
        echo '<?xml version="1.0" encoding="UTF-8"?><updates>'
        while (($#)); do
            number=$((number + 1))
            flags=${REBOOT:+<reboot_suggested>True</reboot_suggested>}
            [[ ${RESTART:-} != "$2" ]] || flags+="<restart_suggested>True</restart_suggested>"
            cat <<END
<update from="test@example.com" status="final" type="$1" version="1">
  <id>ADV-$number</id><title>$2 $3</title><issued date="2026-01-01 00:00:00"/><severity>Important</severity><description>d</description>
  <pkglist><collection short="c"><name>c</name>
    <package name="$2" version="$3" release="1" epoch="0" arch="noarch"><filename>$2-$3-1.noarch.rpm</filename>$flags</package>
  </collection></pkglist>
</update>
END
            shift 3
        done
        echo '</updates>'
    } >"$dir.updateinfo.xml"
    quietly modifyrepo_c --mdtype=updateinfo "$dir.updateinfo.xml" "$dir/repodata"
}

# installed NAME VERSION...: fails unless exactly these versions are installed.
installed() {
    local is; is=$(rpm -q --qf '%{version} ' "$1" 2>&1) || true
    [[ $is == "${*:2} " ]] || { echo "$1 is: $is, want ${*:2}"; return 1; }
}
quietly() { "$@" >"$BATS_TEST_TMPDIR/quietly" 2>&1 || { cat "$BATS_TEST_TMPDIR/quietly"; return 1; }; }

# holding FILE SECONDS: another process holds the lock with fcntl, as rpm does.
holding() {
    rm -f "$BATS_TEST_TMPDIR/held"
    # shellcheck disable=SC2016 # perl's variables
    perl -MFcntl -e '$lock = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0); open F, ">>", $ARGV[0] or die $!;
        fcntl(F, F_SETLK, $lock) or die $!; open H, ">", $ARGV[2]; close H; sleep $ARGV[1]' \
        "$1" "$2" "$BATS_TEST_TMPDIR/held" 3>&- &
    HOLDER=$!
    until [[ -e $BATS_TEST_TMPDIR/held ]]; do kill -0 "$HOLDER" || return 1; done
}
# released_once_waited_for: releases that lock when the hook begins to wait for it, however long that takes.
released_once_waited_for() {
    export HOLDER
    # shellcheck disable=SC2016 # not for this shell
    stub sleep 'kill "$HOLDER" || true; exec /bin/sleep 1'
}
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
# power_cut: prints a scriptlet for $POST. The first time it runs, it kills everything at once.
# shellcheck disable=SC2016 # for the scriptlet's shell
power_cut() { echo '[ -e /run/cut ] || { : >/run/cut; kill -9 $(pidof -x dnf zypper rpm) $$; }; echo ran >>/run/ran'; }
