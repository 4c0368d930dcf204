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
    dpkg-deb -Znone -b "$build" "$1/$2_$3_all.deb" >/dev/null
    rm -r "$build"
}

# publish DIR LABEL SUITE: writes the index and the Release file.
publish() {
    # apt asks whether an index is newer than its own, in whole seconds.
    PUBLISHED=$((${PUBLISHED:-$(date +%s)} + 1))
    (cd "$1" && apt-ftparchive packages . >Packages && touch -d "@$PUBLISHED" Packages && rm -f Release InRelease &&
        apt-ftparchive -o "APT::FTPArchive::Release::Label=$2" -o "APT::FTPArchive::Release::Suite=$3" \
            -o "APT::FTPArchive::Release::Origin=Test" release . >../Release && mv ../Release Release &&
        touch -d "@$PUBLISHED" Release)
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

# quick: call it from setup_file. No test here is about what is safe on the disk, or about what etckeeper, apt-listbugs
# (see vetoes.bats) and needrestart do whenever something is installed: without them the tests take half of their time.
quick() {
    echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/test
    rm -f /etc/apt/apt.conf.d/05etckeeper /etc/apt/apt.conf.d/10apt-listbugs
    printf '%s\n' 'Acquire::Languages "none";' 'Dir::Log::Planner "";' >/etc/apt/apt.conf.d/80test
    export NEEDRESTART_SUSPEND=1
}

# fresh: removes test packages, sources and caches, because all tests of a file share one host.
fresh() {
    quietly dpkg --purge --force-all acme extra lib other unrelated
    rm -rf /srv/* /etc/apt/sources.list /etc/apt/preferences /var/lib/apt/lists/* /etc/apt/apt.conf.d/90test \
        /var/cache/apt/archives/*.deb /run/fixed /etc/acme.conf*
}

# serving DIR: a web server for it, on port 8080.
serving() {
    python3 -m http.server --bind 127.0.0.1 --directory "$1" 8080 >/dev/null 2>&1 3>&- &
    HOLDER=$!
    until (: </dev/tcp/127.0.0.1/8080) 2>/dev/null; do kill -0 "$HOLDER" || return 1; done
}

# let_go: ends what `holding` or `serving` started.
let_go() { [[ -z ${HOLDER:-} ]] || kill "$HOLDER" 2>/dev/null || true; }
