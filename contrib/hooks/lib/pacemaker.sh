# What the hooks for Pacemaker share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/pacemaker.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" # the hook's name, this directory

# shellcheck source=cluster.sh
. "$lib/cluster.sh"

# look: sets $state to the cluster's state as this node sees it, one XML element per line (or to the error), $node to
# this node's name and $this to its element. False if the cluster does not answer. Before 2.0.3 crm_mon knows -X, not
# --output-as.
look() {
    this=""
    state=$(within 60 crm_node -n 2>&1) || return 1
    node=$state
    state=$(timeout 60 crm_mon -1 --output-as=xml 2>/dev/null || within 60 crm_mon -X 2>&1) || return 1
    state=$(printf '%s\n' "$state" | tr '<' '\n' | grep -v '^/')
    this=$(members | grep -F "name=\"$node\" ") || return 1
}

# members: prints the nodes from that state, without those that only run pacemaker_remote.
members() { printf '%s\n' "$state" | grep '^node .* online=.* type="member"'; }

# has ATTRIBUTE=VALUE...: true if this node has all of these.
has() {
    for pair in "$@"; do
        case " $this" in *" ${pair%%=*}=\"${pair#*=}\""*) ;; *) return 1 ;; esac
    done
}

# joined: true if this node is a full member of the cluster; it may be in standby.
joined() { look && has online=true pending=false unclean=false; }

# await SECONDS COMMAND: runs the command until it succeeds, at least once.
await() {
    end=$(($(date +%s) + $1))
    until "$2"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 2
    done
}
