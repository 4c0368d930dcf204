# What the hooks for Pacemaker share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/pacemaker.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" # the hook's name, this directory

# shellcheck source=cluster.sh
. "$lib/cluster.sh"

# show [FILE]: sets $state to the cluster's state as this node sees it, or as it is in FILE, a copy of the CIB: one XML
# element per line (or the error). Before 2.0.3 crm_mon knows -X, not --output-as.
show() {
    # shellcheck disable=SC2086 # no word, or two
    state=$(timeout 60 ${1:+env "CIB_file=$1"} crm_mon -1 --output-as=xml 2>/dev/null ||
        within 60 ${1:+env "CIB_file=$1"} crm_mon -X 2>&1) || return 1
    state=$(printf '%s\n' "$state" | tr '<' '\n')
}

# look: sets $state, $node to this node's name and $this to its element. False if the cluster does not answer.
look() {
    this=""
    # Pacemaker 3 says nothing if it does not run.
    if ! state=$(within 60 crm_node -n 2>&1) || [ -z "$state" ]; then
        state=${state:-"\`crm_node -n\` says nothing, so Pacemaker does not run"}
        return 1
    fi
    node=$state
    show || return 1
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

# attributes: the beginning of an awk program that reads $state.
attributes='
    function attr(name) {
        if (!match($0, " " name "=\"[^\"]*\"")) return ""
        return substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
    }
    function bare(id) { sub(/:[0-9]+$/, "", id); return id }'

# running [not|on NODE]: prints what runs well, by $state, on all nodes or on other nodes, one per line: the resource,
# what it belongs to (groups, clones, bundles, with commas; or -), and Started, or Promoted as well. Instances of a
# clone are one; so are a bundle's containers, by their agent. A fencing device can be used whether it runs or not, so
# it does not count. With `on`: what is on NODE, well or not.
running() {
    printf '%s\n' "$state" | awk -v how="${1:-}" -v node="${2:-}" "$attributes"'
        /^\/?resources>/ { inside = /^r/ }
        !inside { next }
        /^(group|clone|bundle) [^>]*[^\/]>/ { box[++depth] = bare(attr("id")); bundle += /^b/ }
        /^\/(group|clone|bundle)>/ { depth--; bundle -= /^.b/ }
        /^resource / {
            role = attr("role"); sub(/^Master$/, "Promoted", role); sub(/^(Slave|Unpromoted)$/, "Started", role)
            thing = bundle ? attr("resource_agent") : bare(attr("id")); boxes = depth ? box[1] : "-"
            for (i = 2; i <= depth; i++) boxes = boxes "," box[i]
            well = role ~ /^(Started|Promoted)$/ && attr("active") == "true" && attr("failed") == "false" &&
                attr("blocked") != "true" && attr("resource_agent") !~ /^stonith:/
        }
        /^node / && (how == "on" ? attr("name") == node : well && (how == "" || attr("name") != node)) {
            print thing, boxes, "Started"
            if (role == "Promoted") print thing, boxes, role
        }' | sort -u
}

# lost LINES LINES: prints which of the first lines are not among the second, without what $may_stop names.
lost() {
    printf '%s\n' "$1" | grep -vxF "$2" | while read -r thing boxes role; do
        for name in "$thing" $(printf '%s' "$boxes" | tr ',' ' '); do
            case " ${may_stop:-} " in *" $name "*) continue 2 ;; esac
        done
        echo "$thing $boxes $role"
    done
}

# ahead FILE: asks Pacemaker what it would make of FILE, a copy of the CIB, and sets $state to that.
ahead() {
    state=$(within 60 crm_simulate -x "$1" -S -Q -O "$1.then" 2>&1) && [ -s "$1.then" ] && show "$1.then" || return
    understood || { state="the answer of crm_mon was not understood" && return 1; }
}

# understood: true if $state is whole, and says of each resource what `running` reads. If not, `running`
# would miss something that runs.
understood() {
    printf '%s\n' "$state" | awk "$attributes"'
        /^node / { runs += attr("resources_running") }
        /^resource / {
            n++
            role = attr("role")
            odd += role !~ /^(Start|Stopp|Promot|Demot|Migrat|Monitor)(ed|ing)$|^(Unpromoted|Master|Slave|Unknown)$/ ||
                attr("active") !~ /^(true|false)$/ || attr("failed") !~ /^(true|false)$/
        }
        /^\/(pacemaker-result|crm_mon)>/ { whole = 1 }
        END { exit !(whole && !odd && (n || !runs)) }'
}

# foresee [standby]: sets $keep to what runs once the cluster has done what it is about to do. With standby it also sets
# $stay to what could not leave this node if it went into standby, and $gone to what of $keep would run on no other node
# then. False, with the error in $state, if Pacemaker could not be asked.
foresee() {
    now=$state dir=$(mktemp -d) && look_ahead "$@"
    code=$?
    rm -rf "$dir"
    [ "$code" != 0 ] || state=$now
    return "$code"
}
look_ahead() {
    state=$(within 60 cibadmin -Q 2>&1) || return 1
    printf '%s\n' "$state" >"$dir/now" && cp "$dir/now" "$dir/standby" && ahead "$dir/now" || return 1
    keep=$(running)
    [ $# = 1 ] || return 0
    state=$(within 60 env "CIB_file=$dir/standby" crm_standby -N "$node" -v on 2>&1) && ahead "$dir/standby" || return 1
    case $(members | grep -F "name=\"$node\" ") in *' standby="true"'*) ;; *) return 1 ;; esac
    stay=$(running on "$node")
    gone=$(lost "$keep" "$(running not "$node")")
}

# explain LINES: says, with the command to type, why what runs on no other node does not, as far as $state shows it.
explain() {
    printf '%s\n' "$1" | while read -r thing boxes role; do
        printf '%s\n' "$state" | awk -v thing="$thing" -v boxes="$boxes" -v role="$role" -v here="$node" "$attributes"'
            BEGIN { n = split(thing "," boxes, name, ","); for (i = 1; i <= n; i++) mine[name[i]] = 1 }
            function add(text) { why = why (why == "" ? "" : ", ") text }
            /^\/?node_history>/ { history = /^n/ }
            history && /^node / { on = attr("name") }
            history && /^resource_history / && on != here && bare(attr("id")) in mine && attr("fail-count") != "" &&
                attr("fail-count") + 0 >= attr("migration-threshold") + 0 {
                add("it failed too often on " on " (try `crm_resource --cleanup --resource " thing " --node " on "`)")
            }
            /^ban / && attr("resource") in mine && attr("node") != here {
                add("constraint " attr("id") " keeps it from " attr("node") \
                    (attr("id") !~ /^cli-/ ? "" : " (end that with `crm_resource --clear --resource " \
                    attr("resource") "`)"))
            }
            END {
                print thing (boxes == "-" ? "" : " in " boxes) (role == "Promoted" ? " (as promoted)" : "") ": " \
                    (why == "" ? "`crm_simulate -L -s` shows the scores" : why)
            }'
    done | awk '{ printf "%s%s", NR == 1 ? "" : "; ", $0 }'
}

# can_leave: true if the cluster can do without this node, by $others and $may_stop. If not, sets $why. To be called
# after `joined`.
can_leave() {
    case $state in *'with_quorum="true"'*) ;; *) why="the cluster has no quorum" && return 1 ;; esac
    if printf '%s\n' "$state" | grep -q '^cluster_options .*maintenance-mode="true"' || has maintenance=true; then
        why="the cluster, or $node, is in maintenance mode, and nothing would move away. End that" && return 1
    fi
    rest=$(members | grep -vF "name=\"$node\" " || :)
    fit=$(printf '%s\n' "$rest" | grep "online=\"true\" standby=\"false\" standby_onfail=\"false\" \
maintenance=\"false\" pending=\"false\" unclean=\"false\"" || :)
    if { [ "$others" = all ] && [ "$rest" != "$fit" ]; } || { [ "$others" != none ] && [ -z "$fit" ]; }; then
        why="not enough other nodes can take over (others=$others in $conf), see \`crm_mon -1\`" && return 1
    fi
    keep=''
    [ "$others" != none ] || return 0
    foresee standby || { why="Pacemaker could not be asked what would happen: $state" && return 1; }
    why="these would not leave $node: $(printf '%s' "$stay" | awk '{ print $1 }' | sort -u | tr '\n' ' ')"
    why="${why% } (unmanaged resources never move)"
    [ -z "$stay" ] || return 1
    why="without $node, the cluster would stop what runs now (may_stop in $conf allows it): $(explain "$gone")"
    [ -z "$gone" ]
}
