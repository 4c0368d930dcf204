#!/bin/sh
# notices.sh [GO]: prints the licenses of everything that is linked into the binary: Go itself, and modules.
set -eu
cd "$(dirname "$0")/.."
go=${1:-go}
echo "foreman-dlm-updater contains the Go runtime and library, and the Go modules below, under these licenses."
{
    "$go" list -f '{{.Root}} Go' runtime
    GOOS=linux "$go" list -deps \
        -f '{{with .Module}}{{if not .Main}}{{.Dir}} {{.Path}} {{.Version}}{{end}}{{end}}' ./cmd/foreman-dlm-updater
} | sort -u -k 2 | while read -r dir what; do
    found=
    for file in "$dir"/LICENSE* "$dir"/COPYING* "$dir"/NOTICE*; do
        [ -f "$file" ] || continue
        printf '\n==== %s: %s\n\n' "$what" "${file##*/}"
        cat "$file"
        found=yes
    done
    [ -n "$found" ] || { echo "notices.sh: no license found for $what in $dir" >&2; exit 1; }
done
