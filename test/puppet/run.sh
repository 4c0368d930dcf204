#!/bin/bash
# Tests the Puppet module: as it is (syntax, style, catalogues, facts, documentation), and what it does on booted hosts (root only; see
# ../lab/boot-lab.sh). usage: run.sh [static | hosts]       (default: both)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
not_tested() { # WHY: a failure in CI, where nobody would notice
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

static() {
    # In a directory of the module's name, as lint and strings want it, and as what git has: strings leaves a folder behind.
    local module=$work/modules/foreman_dlm_updater
    mkdir -p "$module"
    (cd ../../contrib/puppet && git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$module")
    (
        cd "$module"
        puppet parser validate manifests types
        puppet epp validate templates/*.epp
        puppet-lint --fail-on-warnings manifests types
        mv REFERENCE.md ../reference
        RUBYOPT=-W0 puppet strings generate --format markdown 2>&1 | tee ../strings | grep -E '^\[(warn|error)|[1-9][0-9]* undocumented' && exit 1
        grep -q '100.00% documented' ../strings
        diff -u ../reference REFERENCE.md || { echo "REFERENCE.md is not what puppet-strings makes: make puppet-reference" >&2; exit 1; }
    )
    (cd ../../contrib/puppet && FOREMAN_DLM_UPDATER=$work/foreman-dlm-updater rspec -I spec spec)
}

case ${1:-all} in
static) static ;;
hosts) . ./hosts.sh ;;
all)
    static
    . ./hosts.sh
    ;;
*) echo "usage: run.sh [static | hosts]" >&2; exit 64 ;;
esac
