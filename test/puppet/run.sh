#!/bin/bash
# Tests the Puppet module: its files (syntax, style, catalogues, facts, documentation), and its work on booted hosts
# (root only; see ../lab/boot-lab.sh).
# usage: run.sh [static | hosts | reference]      (default: the first two; reference: writes REFERENCE.md)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
(($# > 0)) || exec xargs -P 2 -n 1 ./run.sh <<<"hosts static"
not_tested() { # WHY: says so; in CI, where nobody would notice, it fails
    echo "NOT TESTED: $*" >&2
    [[ -z ${CI:-} || $CI == false ]]; exit
}
for tool in puppet puppet-lint rspec; do
    command -v "$tool" >/dev/null || not_tested "the Puppet module: $tool is not installed"
done
export STDLIB=/usr/share/puppet/modules LC_ALL=C.UTF-8
[[ -d $STDLIB/stdlib ]] || not_tested "the Puppet module: there is no $STDLIB/stdlib"
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
(cd ../.. && CGO_ENABLED=0 "${GO:-go}" build -o "$work/" ./cmd/... ./test/puppet)

# module: copies the module into a directory with its name, which puppet-lint and puppet-strings expect.
module() {
    cd ../../contrib/puppet
    mkdir -p "$work/modules/foreman_dlm_updater"
    git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$work/modules/foreman_dlm_updater"
    cd "$work/modules/foreman_dlm_updater"
    RUBYOPT=-W0 puppet strings generate --format markdown --out "$work/REFERENCE.md" >"$work/strings" 2>&1
}
static() (
    module
    puppet parser validate functions manifests types
    puppet epp validate templates/*.epp
    puppet-lint --fail-on-warnings functions manifests types
    if grep -E '^\[(warn|error)\]|[1-9][0-9]* undocumented' "$work/strings"; then exit 1; fi
    grep -q '100.00% documented' "$work/strings"
    diff -u REFERENCE.md "$work/REFERENCE.md" ||
        { echo "REFERENCE.md is out of date: test/puppet/run.sh reference" >&2; exit 1; }
    cd "$OLDPWD"
    FOREMAN_DLM_UPDATER=$work/foreman-dlm-updater rspec -I spec spec
)

case $1 in
reference) (module; cp "$work/REFERENCE.md" "$OLDPWD") ;;
static) static ;;
hosts) . ./hosts.sh ;;
*) echo "usage: run.sh [static | hosts | reference]" >&2; exit 64 ;;
esac
