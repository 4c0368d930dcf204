#!/bin/sh
# Builds .deb and .rpm for amd64 and arm64. The same sources give the same packages, bit for bit.
# Settings (environment): DIST (output directory, default dist), VERSION (see version.sh), SOURCE_DATE_EPOCH (default:
# the last commit's time).
set -eu
cd "$(dirname "$0")/.."
VERSION=$(packaging/version.sh)
export VERSION
dist=${DIST:-dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
rm -f "$dist"/foreman-dlm-updater[_-]*.deb "$dist"/foreman-dlm-updater[_-]*.rpm
for arch in amd64 arm64; do
    GOOS=linux GOARCH=$arch CGO_ENABLED=0 "${GO:-go}" build -tags nethttpomithttp2 -trimpath -buildvcs=false \
        -ldflags "-s -w -X foreman-dlm-updater/internal/cli.release=$VERSION" -o "$work/" ./cmd/foreman-dlm-updater
    packaging/package.sh "$work/foreman-dlm-updater" "$arch"
done
