#!/usr/bin/env bats
# What the hooks for Kubernetes do with answers that kubectl does not give in ../real/data/kubernetes.bats, which tests
# their branches with the real one.
load ../hook

prepare() {
    # shellcheck disable=SC2016 # not for this shell
    stub kubectl 'echo "${SAYS:-}"; exit "${CODE:-0}"'
}

@test "no answer, an empty one, one that is not understood: nothing is changed" {
    local says
    for says in '' nonsense version=; do
        export SAYS=$says
        hook pre_update/kubernetes-drain
        exits 1
        says "nothing was changed: the node "
        hook gate/kubernetes
        exits 1
        says "could not be looked at"
        refute called patch
    done
    stub timeout 'exit 124'
    hook gate/kubernetes
    not_now "Kubernetes: the node $(uname -n | tr '[:upper:]' '[:lower:]') could not be looked at: no answer within 30 s"
}

@test "settings that are not understood" {
    local line
    for line in emptydir=yes unmanaged=no timeout=0 timeout=x; do
        setting kubernetes "$line"
        hook gate/kubernetes
        exits 1
        says "$line in $BATS_TEST_TMPDIR/etc/hooks.conf.d/kubernetes.conf: use "
    done
}

@test "no answer to the cordon: it does not say that nothing was changed" {
    # shellcheck disable=SC2016 # not for this shell
    stub kubectl 'case "$*" in
        *" get node "*) printf "%s\n" version=1 cordoned= owner= boot=x ready=True ;;
        *" patch "*) echo "Error from server (Timeout): context deadline exceeded" >&2; exit 1 ;;
        esac'
    setting kubernetes node=web1
    hook pre_update/kubernetes-drain
    exits 1
    says "the node web1 could not be cordoned: Error from server (Timeout): context deadline exceeded."
    says "\`kubectl get node web1\` shows whether it is."
    refute says "nothing was changed"
}
