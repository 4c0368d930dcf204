#!/bin/sh
# Builds .deb and .rpm. The same sources give the same packages, bit for bit.
# Settings (environment): DIST (output directory, default dist), ARCHS (default "amd64 arm64"), VERSION (see
# version.sh), SOURCE_DATE_EPOCH (default: the last commit's time).
set -eu
cd "$(dirname "$0")/.."
VERSION=$(packaging/version.sh)
export VERSION
dist=${DIST:-dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM # dash runs the trap above only when it exits by itself
rm -f "$dist"/foreman-dlm-updater[_-]*.deb "$dist"/foreman-dlm-updater[_-]*.rpm
for arch in ${ARCHS:-amd64 arm64}; do
    GOOS=linux GOARCH=$arch CGO_ENABLED=0 "${GO:-go}" build -tags nethttpomithttp2 -trimpath -buildvcs=false \
        -ldflags "-s -w -X foreman-dlm-updater/internal/cli.release=$VERSION" -o "$work/" ./cmd/foreman-dlm-updater
    packaging/package.sh "$work/foreman-dlm-updater" "$arch"
done
