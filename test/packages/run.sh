#!/bin/bash
# Tests the packages: their build (build.bats, on this machine), and their life on booted hosts (life/KIND.bats, each on
# a fresh host). The hosts need root; see ../lab/boot-lab.sh.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
say() { echo "packages: $*" | tee -a "${PROGRESS:-/dev/null}"; }
not_tested() { # WHY: says so; in CI, where nobody would notice, it fails
    echo "NOT TESTED: $*" >&2
    [[ -z ${CI:-} || $CI == false ]] && [[ -z ${failed:-} ]]; exit
}
for tool in bats gpg apt-ftparchive createrepo_c rpmsign lintian rpmlint; do
    command -v "$tool" >/dev/null || not_tested "the packages: $tool is not installed"
done
work=$(mktemp -d)
: "${BOOT_LAB_NET:=10.91.0}" "${BOOT_LAB_DIR:=$work/lab}"
export BOOT_LAB_NET BOOT_LAB_DIR GNUPGHOME=$work/gnupg PACKAGES=$work/packages
lab=../lab/boot-lab.sh
finish() { trap '' INT TERM; "$lab" destroy; gpgconf --kill all; rm -rf --one-file-system "$work"; }
trap finish EXIT

# Two versions, whose files have different times, and a key that signed neither. Only the hosts below install the
# second.
mkdir -m 0700 "$GNUPGHOME"
for who in packages somebody; do
    gpg --batch --quiet --passphrase '' --quick-generate-key "$who@example.com" rsa3072 sign never
done
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
say "building two versions (2 min if Go's cache is empty)"
archs="amd64 arm64"
for version in 1.0.0 1.1.0; do
    ARCHS=$archs VERSION=$version DIST=$PACKAGES/$version ../../packaging/build.sh
    DIST=$PACKAGES/$version SIGNING_KEY=packages@example.com ../../packaging/repo.sh
    SOURCE_DATE_EPOCH=$((SOURCE_DATE_EPOCH + 60)) archs=$(dpkg --print-architecture)
done
gpg --armor --export somebody@example.com >"$PACKAGES/somebody.asc"
# The certificate of the host on which apt.bats runs, and its lines in config.ini.
"${GO:-go}" run ../../cmd/dlm-sandbox issue --dir "$PACKAGES/foreman" apt |
    sed "s|$PACKAGES|/packages|" >"$PACKAGES/host.ini"

failed=
say "what lintian, rpmlint and a second build say (1 min)"
bats --tap --print-output-on-failure build.bats || failed+=" build.bats"

if [[ $(id -u) != 0 ]] || ! "$lab" deps || ! "$lab" net true; then
    not_tested "the packages on booted hosts: none can be booted here (root and systemd-nspawn are needed)"
fi
export BOOT_LAB_NSPAWN="--bind-ro=$PACKAGES:/packages --bind-ro=$PWD:/test"
for kind in apt dnf; do
    case $kind in # as in ../hooks/real.sh, to share its root filesystems
    apt) export BOOT_LAB_PKGS=bats,needrestart,apt-utils,dpkg-dev,gpg,gpg-agent,gpgconf ;;
    dnf) export BOOT_LAB_PKGS=bats,rpm,dnf,dnf-plugins-core,createrepo-c ;;
    esac
    say "installing, upgrading and removing with $kind on a booted host (1 min)"
    "$lab" up "$kind"
    timeout 1800 "$lab" exec "$kind" bats --tap --print-output-on-failure "/test/life/$kind.bats" ||
        failed+=" life/$kind.bats"
    "$lab" rm "$kind"
done
[[ -z $failed ]] || { echo "FAILED:$failed" >&2; exit 1; }
