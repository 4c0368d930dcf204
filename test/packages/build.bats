# Checks the packages in $PACKAGES, which run.sh built, with dpkg-deb, rpm and the linters.
# shellcheck shell=bash

root=$(readlink -f "$BATS_TEST_DIRNAME/../..")
deb=$PACKAGES/1.0.0/foreman-dlm-updater_1.0.0-1
rpm=$PACKAGES/1.0.0/foreman-dlm-updater-1.0.0-1

@test "the same sources give the same packages, whoever builds them and wherever" {
    mkdir "$BATS_TEST_TMPDIR/elsewhere"
    # The sources only: other steps of `make test` may be writing to bin/ and dist/. A file that is deleted but not yet
    # committed is in git's list and cannot be copied.
    (cd "$root" && git ls-files -z --cached --others --exclude-standard | while IFS= read -rd '' name; do
        [[ ! -e $name ]] || printf '%s\0' "$name"
    done | xargs -0 cp --parents -t "$BATS_TEST_TMPDIR/elsewhere")
    chmod -R go-rwx "$BATS_TEST_TMPDIR/elsewhere"
    (umask 077; cd /; VERSION=v1.0.0 DIST=$BATS_TEST_TMPDIR/again \
        SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct) \
        TZ=Asia/Tokyo "$BATS_TEST_TMPDIR/elsewhere/packaging/build.sh")
    for package in "$deb"_{amd64,arm64}.deb "$rpm".{x86_64,aarch64}.rpm; do
        cmp "$package" "$BATS_TEST_TMPDIR/again/${package##*/}"
    done
}

@test "a build that can't be made leaves no package and says why" {
    VERSION=one run "$root/packaging/build.sh"
    [[ $status != 0 && $output == *'VERSION=one is not a package version'* ]]
    SIGNING_KEY=nobody@example.com DIST=$PACKAGES/1.0.0 run "$root/packaging/repo.sh"
    [[ $status != 0 && $output == *'SIGNING_KEY=nobody@example.com names no secret key'* ]]
    SIGNING_KEY='' DIST=$PACKAGES/1.0.0 run "$root/packaging/repo.sh"
    [[ $status != 0 && $output == *'names no secret key'* ]]
}

@test "versions sort in the order in which they were made" {
    previous=0.0.9
    for tag in 0.1.0-rc1 0.1.0-rc1-3-gabc 0.1.0 0.1.0-2-gabc 0.1.0-10-gabc.dirty v0.1.1; do
        version=$(VERSION=$tag "$root/packaging/version.sh")
        dpkg --compare-versions "$previous-1" lt "$version-1" || { echo "$previous is not older than $version"; false; }
        [[ $(/usr/bin/rpm --eval "%{lua:print(rpm.vercmp('$previous', '$version'))}") == -1 ]] ||
            { echo "$previous, $version: rpm"; false; }
        previous=$version
    done
}

# expected: prints the contents with mode and owner; hooks and documents come from the tree.
expected() { # deb|rpm
    sed -n "s/^\($1\|both\) //p" "$BATS_TEST_DIRNAME/contents"
    (cd "$root/contrib/hooks" && printf -- '-rwxr-xr-x root:root /usr/share/foreman-dlm-updater/hooks/%s\n' *.d/* &&
        printf -- '-rw-r--r-- root:root /usr/share/foreman-dlm-updater/hooks/%s\n' lib/*)
    (cd "$root" && printf -- '-rw-r--r-- root:root /usr/share/doc/foreman-dlm-updater/%s\n' \
        docs/*.md docs/bundled-hooks/*.md docs/*.schema.json)
}
same() { diff <(expected "$1" | sort -k 3) <(sort -k 3) || { echo "^ expected <, found > in the $1"; false; }; }

@test "contents of the deb, with modes and owners" {
    for arch in amd64 arm64; do
        # nfpm gives one file root's number and no name.
        dpkg-deb --fsys-tarfile "${deb}_$arch.deb" | tar --list --verbose | sed 's, 0/0 , root/root ,' |
            awk '{ gsub("/", ":", $2); sub(/^\./, "", $6); sub(/\/$/, "", $6); print $1, $2, $6 $7 $8 }' |
            awk '$1 !~ /^d/ || $3 ~ /foreman/' | same deb
    done
    diff - <(dpkg-deb --info "${deb}_amd64.deb" conffiles) \
        <<<$'/etc/foreman_dlm_updater/config.ini\n/etc/needrestart/conf.d/foreman-dlm-updater.conf'
}

@test "contents of the rpm, with modes and owners" {
    for arch in x86_64 aarch64; do
        /usr/bin/rpm --query --package --queryformat \
            '[%{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILENAMES}%|FILELINKTOS?{ %{FILELINKTOS}}|\n]' \
            "$rpm.$arch.rpm" |
            awk '{ print $1, $2, $3 ($1 ~ /^l/ ? "->" $4 : "") }' | same rpm
    done
    diff - <(/usr/bin/rpm --query --package --configfiles "$rpm.x86_64.rpm") \
        <<<$'/etc/foreman_dlm_updater/config.ini\n/etc/needrestart/conf.d/foreman-dlm-updater.conf'
}

@test "lintian has nothing to say" {
    run lintian --pedantic --display-info --allow-root "$deb"_*.deb
    echo "$output"
    [[ $status == 0 && -z $output ]]
}

@test "rpmlint has nothing to say" {
    # rpmlint unpacks with cpio. Names in nfpm's packages are absolute, so as root it would install them here.
    mkdir "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\nexec %s --no-absolute-filenames "$@"\n' "$(command -v cpio)" >"$BATS_TEST_TMPDIR/bin/cpio"
    chmod +x "$BATS_TEST_TMPDIR/bin/cpio"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run rpmlint --config "$root/packaging/rpmlint.toml" "$rpm".*.rpm
    echo "$output"
    [[ $status == 0 && $output == *'0 errors, 0 warnings'* ]]
    [[ $output == *'2 packages'* ]]
}
