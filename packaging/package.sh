#!/bin/sh
# package.sh BINARY ARCH: packs a binary, and everything else in nfpm.yaml, as .deb and .rpm. Settings: see build.sh.
set -eu
binary=$(readlink -f "$1") arch=$2
cd "$(dirname "$0")/.."
version=$(packaging/version.sh)
dist=${DIST:-dist}
go=${GO:-go}
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}"
export SOURCE_DATE_EPOCH # for nfpm
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

cp "$binary" "$stage/foreman-dlm-updater"
for page in packaging/man/*.[1-9]; do
    gzip -9nc "$page" >"$stage/${page##*/}.gz"
done
packaging/notices.sh "$go" >"$stage/notices"
gzip -9n "$stage/notices"
gzip -9nc CHANGELOG.md >"$stage/changelog.gz"
# dpkg and rpm need a changelog in their own format, with this version.
cat >"$stage/changelog.yaml" <<END
- semver: "$version-1"
  date: $(date -u -d "@$SOURCE_DATE_EPOCH" +%FT%TZ)
  packager: $(sed -n 's/^maintainer: //p' packaging/nfpm.yaml)
  deb: {urgency: medium, distributions: [stable]}
  changes:
    - note: "See changelog.gz in this directory."
END

mkdir -p "$dist"
for packager in deb rpm; do
    # nfpm itself expands variables in some fields only.
    sed "s|@STAGE@|$stage|; s|@ARCH@|$arch|; s|@VERSION@|$version|" packaging/nfpm.yaml |
        "$go" tool nfpm package --config - --packager "$packager" --target "$dist" >&2
done
