# For the tests in this directory: makes packages and repositories, and holds locks as apt and dpkg do.
# shellcheck shell=bash

# package DIR NAME VERSION [FIELD...]: makes a package with a configuration file /etc/NAME.conf. $POSTINST, $PREINST,
# $CONFIG and $TEMPLATES are the contents of these files.
package() {
    local build; build=$(mktemp -d)
    mkdir -p "$build"/{DEBIAN,etc} "$1"
    echo "version=$3" >"$build/etc/$2.conf"
    echo "/etc/$2.conf" >"$build/DEBIAN/conffiles"
    printf '%s\n' "Package: $2" "Version: $3" "Architecture: all" "Maintainer: Test <test@example.com>" \
        "Description: test" "${@:4}" \
        >"$build/DEBIAN/control"
    local script
    for script in PREINST POSTINST CONFIG; do
        [[ -z ${!script:-} ]] || printf '#!/bin/sh\nset -e\n%s\n' "${!script}" >"$build/DEBIAN/${script,,}"
    done
    [[ -z ${TEMPLATES:-} ]] || printf '%s\n' "$TEMPLATES" >"$build/DEBIAN/templates"
    find "$build/DEBIAN" -regex '.*/\(preinst\|postinst\|config\)' -exec chmod 755 {} +
    chmod 755 "$build"
    dpkg-deb -b "$build" "$1/$2_$3_all.deb" >/dev/null
    rm -r "$build"
}

# publish DIR LABEL SUITE: writes the index and the Release file.
publish() {
    (cd "$1" && apt-ftparchive packages . >Packages && rm -f Release InRelease &&
        apt-ftparchive -o "APT::FTPArchive::Release::Label=$2" -o "APT::FTPArchive::Release::Suite=$3" \
            -o "APT::FTPArchive::Release::Origin=Test" release . >../Release && mv ../Release Release)
}

# sources LINE...: writes /etc/apt/sources.list.
sources() { printf '%s\n' "$@" >/etc/apt/sources.list; }
trusted() { echo "deb [trusted=yes] file:$1 ./"; }

# installed NAME VERSION: fails unless this version is completely installed.
installed() {
    local is; is=$(dpkg-query -f '${Status} ${Version}' -W "$1" 2>&1) || true
    [[ ${is/#hold/install} == "install ok installed $2" ]] || { echo "$1 is: $is, want $2"; return 1; }
}
quietly() { "$@" >"$BATS_TEST_TMPDIR/quietly" 2>&1 || { cat "$BATS_TEST_TMPDIR/quietly"; return 1; }; }

# holding FILE SECONDS: another process holds the lock with fcntl, as dpkg and apt do.
holding() {
    rm -f "$BATS_TEST_TMPDIR/held"
    # shellcheck disable=SC2016 # perl's variables
    perl -MFcntl -e '$lock = pack("s s l! l! i", F_WRLCK, 0, 0, 0, 0); open F, ">>", $ARGV[0] or die $!;
        fcntl(F, F_SETLK, $lock) or die $!; open H, ">", $ARGV[2]; close H; sleep $ARGV[1]' \
        "$1" "$2" "$BATS_TEST_TMPDIR/held" 3>&- &
    HOLDER=$!
    until [[ -e $BATS_TEST_TMPDIR/held ]]; do kill -0 "$HOLDER" || return 1; done
}

# fresh: removes test packages, sources and caches, because all tests of a file share one host.
fresh() {
    [[ -z ${HOLDER:-} ]] || kill "$HOLDER" 2>/dev/null || true
    quietly dpkg --purge --force-all acme extra lib other unrelated
    rm -rf /srv/* /etc/apt/sources.list /etc/apt/preferences /var/lib/apt/lists/* \
        /var/cache/apt/archives/*.deb /run/fixed
    rm -f /etc/acme.conf*
    echo 'Acquire::Languages "none";' >/etc/apt/apt.conf.d/90test
    [[ ! -e /etc/acme.conf ]]
}
