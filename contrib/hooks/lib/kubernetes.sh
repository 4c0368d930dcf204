# What the hooks for Kubernetes share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/kubernetes.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}" # the hook's name, this directory, the file with its settings
: "${kubectl:=kubectl}" "${kubeconfig=/etc/kubernetes/kubelet.conf}" "${node=}" "${emptydir:=keep}" "${unmanaged:=keep}"
export LC_ALL=C # times are compared as text

# shellcheck source=cluster.sh
. "$lib/cluster.sh"
for setting in "emptydir=$emptydir" "unmanaged=$unmanaged"; do
    case $setting in *=keep | *=delete) ;; *) fail "$setting in $conf: use keep or delete" ;; esac
done
[ -n "$node" ] || node=$(uname -n | tr '[:upper:]' '[:lower:]') # as the kubelet names it by default
mark=foreman-dlm-updater/run run=${DLM_RUN_ID:-by-hand}         # the node's annotation, and its value

# kube SECONDS ARG...: runs kubectl. Sets $answer to its output and errors.
kube() {
    limit=$1
    shift
    # shellcheck disable=SC2086 # each option is a word
    answer=$(within "$limit" $kubectl ${kubeconfig:+--kubeconfig "$kubeconfig"} "$@" 2>&1)
}

# field NAME: prints a field of that answer.
field() { printf '%s\n' "$answer" | sed -n "s/^$1=//p"; }

# look_node: asks for this node. Sets $version (which changes with each change of the node), $cordoned, $owner (the run
# that has cordoned it, or nothing), $ready and $boot. False if it is unknown, with $why.
look_node() {
    kube 30 get node "$node" --request-timeout=20s -o jsonpath="{\"version=\"}{.metadata.resourceVersion}
{\"cordoned=\"}{.spec.unschedulable}
{\"owner=\"}{.metadata.annotations.$mark}
{\"boot=\"}{.status.nodeInfo.bootID}
{\"ready=\"}{.status.conditions[?(@.type==\"Ready\")].status}
" && version=$(field version) && [ -n "$version" ] || {
        why="the node $node could not be looked at: $(printf '%s' "$answer" | tr '\n' ' ')"
        return 1
    }
    cordoned=$(field cordoned) owner=$(field owner) ready=$(field ready) boot=$(field boot)
    : "${cordoned:=false}" "${ready:=unknown}"
}

# change MARK CORDONED: sets the annotation and the cordon at once (both JSON), unless anything about the node has
# changed since it was looked at. The kubelet reports every now and then, so try again after that.
change() {
    kube 30 patch node "$node" --request-timeout=20s --type=merge -p "{\"metadata\":{\"resourceVersion\":\"$version\",\
\"annotations\":{\"$mark\":$1}},\"spec\":{\"unschedulable\":$2}}"
}
modified() { case $answer in *"the object has been modified"*) ;; *) return 1 ;; esac }

# drain SECONDS ARG...: lets kubectl drain the node. Sets $why if it fails. It tries a pod that a PodDisruptionBudget
# protects again, until the time is over: $answer has each line once.
drain() {
    seconds=$1
    shift
    [ "$emptydir" = keep ] || set -- "$@" --delete-emptydir-data
    [ "$unmanaged" = keep ] || set -- "$@" --force
    kube $((seconds + 30)) drain "$node" --ignore-daemonsets --timeout="${seconds}s" "$@" && return
    answer=$(printf '%s\n' "$answer" | awk 'NF && !seen[$0]++')
    why=$(printf '%s\n' "$answer" | grep 'will retry' || printf '%s\n' "$answer")
    why=$(printf '%s\n' "$why" | sed -n '$ { s/^error: //; s/[.]$//; p; }')
    return 1
}
