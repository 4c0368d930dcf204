#!/usr/bin/env bats
# gate/kubernetes, kubernetes-drain and kubernetes-uncordon with Debian's kubectl. apiserver.py stands for the API server.
# Debian: 13
# Also on Debian: 12
load ../../hook
load ../../set

setup_file() {
    systemd-run -q --collect -u apiserver python3 /test/real/data/apiserver.py 8001
    for _ in {1..100}; do ! curl -sf http://127.0.0.1:8001/version || return 0; sleep 0.1; done
    return 1
}
prepare() {
    cat >"$BATS_TEST_TMPDIR/kubeconfig" <<'CONFIG'
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:8001"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
users: [{name: u, user: {}}]
CONFIG
    KUBE="kubeconfig=$BATS_TEST_TMPDIR/kubeconfig"
    HOME=$BATS_TEST_TMPDIR # for kubectl's cache
    setting kubernetes "$KUBE" node=web1
    put allowed 9
    for one in kubelet emptydir naked; do put $one false; done
    put node '{"metadata":{"annotations":{"foreman-dlm-updater/run":null}},"spec":{"unschedulable":null}}'
    report
}
put() { curl -sf -o /dev/null -X PUT --data-binary "$2" "http://127.0.0.1:8001/test/$1"; }
report() { # [READY]: what the kubelet of this boot says
    put node '{"status":{"nodeInfo":{"bootID":"'"$(cat /proc/sys/kernel/random/boot_id)"'"},"conditions":[
        {"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"'"${1:-True}"'"}]}}'
    put renewed "\"$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%S.000000Z)\""
}
changes() { curl -sf http://127.0.0.1:8001/test/log; }
node() { kubectl --kubeconfig "$BATS_TEST_TMPDIR/kubeconfig" get node web1 \
    -o jsonpath='{.spec.unschedulable} {.metadata.annotations.foreman-dlm-updater/run}'; }
gate() { hook gate/kubernetes; }
pre() { hook pre_update/kubernetes-drain; }
post() { hook post_update/kubernetes-uncordon; }

evicted() { changes | grep '^EVICT' || [[ $? == 1 ]]; }

@test "cordoned, drained, and uncordoned again; the kubelet reports in the middle" {
    pre
    exits 0
    says "kubernetes-drain: cordoning web1"
    says "kubernetes-drain: draining web1"
    says "pod/shop evicted"
    [[ $(node) == "true run-1" && $(evicted) == "EVICT shop" ]]
    [[ $(changes | head -n 1) == PATCH*'"foreman-dlm-updater/run": "run-1"'*'"unschedulable": true'* ]]
    pre # again
    exits 0
    [[ $(node) == "true run-1" && $(evicted) == "EVICT shop" ]]
    put conflicts 2
    post
    exits 0
    says "kubernetes-uncordon: web1 is Ready, and no longer cordoned"
    [[ $(node) == " " ]]
    post # again
    exits 0
    says "web1 is Ready, and not cordoned"
    put conflicts 2
    pre
    exits 0
    [[ $(node) == "true run-1" ]]
}

@test "who has cordoned it: somebody else, an earlier run; or has uncordoned it" {
    put node '{"spec":{"unschedulable":true}}'
    pre
    exits 0
    says "somebody else has cordoned web1: it will stay so"
    [[ $(node) == "true " && $(evicted) == "EVICT shop" ]]
    post
    exits 0
    says "web1 is Ready; somebody else has cordoned it: it stays so"
    [[ $(node) == "true " ]]
    put node '{"metadata":{"annotations":{"foreman-dlm-updater/run":"run-0"}}}'
    pre
    exits 0
    says "run run-0 of the updater has cordoned web1, and did not end: it will stay so. Uncordon it with: kubectl uncordon web1"
    post
    exits 0
    says "run run-0 of the updater has cordoned it, and not this one (run-1): it stays so"
    [[ $(node) == "true run-0" ]]
    put node '{"spec":{"unschedulable":null}}'
    pre
    exits 0
    [[ $(node) == "true run-1" ]]
    kubectl --kubeconfig "$BATS_TEST_TMPDIR/kubeconfig" uncordon web1
    post
    exits 0
    [[ $(node) == " " ]]
    pre
    exits 0
    take_over web1
    post
    exits 0
    says "web1 is Ready; somebody else has cordoned it: it stays so"
    [[ $(node) == "true " ]]
}
take_over() { # NODE: types what the documentation says
    # shellcheck disable=SC2016 # for sed
    sed -n 's/.*`\(kubectl annotate node \)NODE\( [^`]*\)`.*/\1'"$1"'\2/p' /docs/bundled-hooks/kubernetes.md \
        >"$BATS_TEST_TMPDIR/take-over"
    [[ -s $BATS_TEST_TMPDIR/take-over ]]
    KUBECONFIG=$BATS_TEST_TMPDIR/kubeconfig sh -eu "$BATS_TEST_TMPDIR/take-over"
}

@test "a PodDisruptionBudget that allows nothing" {
    put allowed 0
    setting kubernetes-drain drain_timeout=1
    pre
    exits 1
    says "the node web1 could not be drained: error when evicting pods/\"shop\" -n \"default\" (will retry after 5s): Cannot\
 evict pod as it would violate the pod's disruption budget. It stays cordoned."
    says "to give the run up: \`foreman-dlm-updater state set post_update\`, then \`foreman-dlm-updater run\`"
    [[ $(node) == "true run-1" ]]
    put allowed 1
    pre
    exits 0
}

@test "pods that may not be deleted, and rights that are missing: nothing is changed" {
    for one in kubelet emptydir naked; do
        put $one true
        pre
        exits 1
        says "the node web1 can not be drained, nothing was changed: cannot delete "
        put $one false
        [[ $(node) == " " && -z $(changes) ]]
    done
    put emptydir true
    put naked true
    setting kubernetes "$KUBE" node=web1 emptydir=delete unmanaged=delete
    pre
    exits 0
    [[ $(evicted | sort | tr '\n' ' ') == "EVICT cache EVICT naked EVICT shop " ]]
    setting kubernetes "$KUBE" node=web2
    pre
    exits 1
    says 'nothing was changed: the node web2 could not be looked at: Error from server (NotFound): nodes "web2" not found'
    setting kubernetes "kubeconfig=/nonexistent"
    pre
    exits 1
    says "could not be looked at: error: stat /nonexistent: no such file or directory"
}

@test "the kubelet is not back: it stays cordoned" {
    pre
    exits 0
    setting kubernetes-uncordon ready_timeout=0
    report False
    post
    exits 1
    says "the node web1 is not Ready after 0 s, and stays as it is: its state Ready is False"
    report
    put renewed '"2024-01-01T00:00:00.000000Z"'
    post
    exits 1
    says "its kubelet last reported at 2024-01-01T00:00:00.000000Z"
    report
    put node '{"status":{"nodeInfo":{"bootID":"another"}}}'
    post
    exits 1
    says "its kubelet has not reported since the host was booted"
    [[ $(node) == "true run-1" ]]
}

@test "the gate asks the server, and changes nothing" {
    # Before 1.27 kubectl looks in the server's OpenAPI v2 whether it knows dry runs; the stand-in has none.
    case $(kubectl version --client 2>/dev/null) in *1.2[0-6].*) skip "this kubectl is too old for the stand-in" ;; esac
    setting kubernetes "$KUBE" node=web1 timeout=1
    gate
    exits 0
    says "the node web1 could be drained"
    put allowed 0
    gate
    not_now "Kubernetes: the node web1 could not be drained now: error when evicting pods/\"shop\" -n \"default\"\
 (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget"
    [[ $(node) == " " && -z $(changes) ]]
    report Unknown
    gate
    not_now "Kubernetes: the node web1 is not Ready (Unknown)"
}

@test "the hooks of the page, in a whole run" {
    documented_hooks kubernetes
    sed -i 's/^gate_interval = .*/gate_interval = 60/' /etc/foreman_dlm_updater/config.ini # two kubectl need their time
    mkdir -p /etc/kubernetes
    cp "$BATS_TEST_TMPDIR/kubeconfig" /etc/kubernetes/kubelet.conf
    case $(kubectl version --client 2>/dev/null) in *1.2[0-6].*) rm /etc/foreman_dlm_updater/gate.d/50-kubernetes ;; esac
    put emptydir true
    whole_run
    node
    changes
    [[ $(node) == " " && $(evicted | sort | tr '\n' ' ') == "EVICT cache EVICT shop " ]]
}
