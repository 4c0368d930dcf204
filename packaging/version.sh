#!/bin/sh
# Prints the version of the build, in a form that both dpkg and rpm sort correctly. It comes from VERSION if that is
# set, else from git: 1.2.3 for the tag v1.2.3, 1.2.3~rc1 for v1.2.3-rc1, 1.2.3+5.gabcdef for the fifth commit after
# v1.2.3, 0.1.0~dev.N.gabcdef without tags.
set -eu
cd "$(dirname "$0")/.."
describe() {
    git describe --tags --match 'v[0-9]*' --dirty=.dirty 2>/dev/null && return
    count=$(git rev-list --count HEAD 2>/dev/null) || count=0
    git describe --always --match='' --dirty=.dirty 2>/dev/null | sed "s/^/0.1.0~dev.$count.g/" | grep . ||
        echo '0.1.0~dev'
}
version=$(echo "${VERSION:-$(describe)}" | sed 's/^v//; s/-\([0-9]*\)-g\([0-9a-f]*\)/+\1.g\2/; s/-/~/')
case $version in
[0-9]*) ;;
*) bad=yes ;;
esac
case $version in
*[!0-9A-Za-z.+~]*) bad=yes ;;
esac
if [ -n "${bad:-}" ]; then
    echo "version.sh: VERSION=$VERSION is not a package version: it must begin with a digit, and may contain letters," \
        "digits and . + ~ -" >&2
    exit 1
fi
echo "$version"
