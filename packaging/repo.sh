#!/bin/sh
# Makes a signed apt and a signed dnf repository from the packages in DIST, as files that any web server can serve:
# DIST/repo/apt and DIST/repo/rpm, each with the public key in foreman-dlm-updater.asc.
# Settings (environment): DIST, SIGNING_KEY (id, fingerprint or address of a secret key in gpg's keyring), GNUPGHOME.
set -eu
cd "$(dirname "$0")/.."
dist=${DIST:-dist}
if [ -z "${SIGNING_KEY:-}" ] || ! gpg --batch --list-secret-keys "$SIGNING_KEY" >/dev/null 2>&1; then
    echo "repo.sh: can't sign the repositories: SIGNING_KEY=${SIGNING_KEY:-} names no secret key in gpg's keyring." >&2
    echo "Set it to one of those that \`gpg --list-secret-keys\` shows (GNUPGHOME: another keyring)." >&2
    exit 1
fi
for command in apt-ftparchive createrepo_c rpmsign; do
    command -v "$command" >/dev/null ||
        { echo "repo.sh: $command is missing; on Debian: apt-get install apt-utils createrepo-c rpm gpg" >&2; exit 1; }
done
program=$(command -v gpg)
gpg() { command gpg --batch --yes --local-user "$SIGNING_KEY" "$@"; }
repo=$dist/repo
rm -rf "$repo"
mkdir -p "$repo/apt" "$repo/rpm"
gpg --armor --export-options export-minimal --export "$SIGNING_KEY" >"$repo/apt/foreman-dlm-updater.asc"
cp "$repo/apt/foreman-dlm-updater.asc" "$repo/rpm/"

cp "$dist"/foreman-dlm-updater_*.deb "$repo/apt/"
(
    cd "$repo/apt"
    apt-ftparchive packages . >Packages
    gzip -9nk Packages
    apt-ftparchive -o APT::FTPArchive::Release::Origin=foreman-dlm-updater \
        -o APT::FTPArchive::Release::Label=foreman-dlm-updater \
        -o APT::FTPArchive::Release::Architectures='amd64 arm64' release . >../Release
    mv ../Release .
    gpg --clearsign --output InRelease Release
    gpg --armor --detach-sign --output Release.gpg Release
)

cp "$dist"/foreman-dlm-updater-*.rpm "$repo/rpm/"
GPG_TTY=$(tty) || GPG_TTY= # rpmsign would set it too, but complains if there is no terminal
export GPG_TTY
rpmsign --define "__gpg $program" --define "_gpg_name $SIGNING_KEY" --addsign "$repo"/rpm/*.rpm >/dev/null
createrepo_c --quiet --no-database "$repo/rpm"
gpg --armor --detach-sign --output "$repo/rpm/repodata/repomd.xml.asc" "$repo/rpm/repodata/repomd.xml"
echo "signed repositories: $repo/apt and $repo/rpm"
