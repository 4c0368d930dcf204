# What the hooks for Patroni share: . "$lib/patroni.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${conf:?}"                     # the hook's name, this directory, the settings file
: "${url:?}" "${timeout:?}" "${curl_config=}" "${member=}" "${MAX_LAG:=16MB}" "${IGNORE=}" # settings
what=Patroni

# shellcheck source=cluster.sh
. "$lib/cluster.sh"
# shellcheck source=monitoring.sh
. "$lib/monitoring.sh"
case ${MAX_LAG%[kMG]B} in '' | *[!0-9]* | 0?*) fail "MAX_LAG=$MAX_LAG in $conf: use a number with kB, MB or GB" ;; esac
case $MAX_LAG in *kB) unit=1024 ;; *MB) unit=1048576 ;; *GB) unit=1073741824 ;; *) unit=1 ;; esac
max_lag=$((${MAX_LAG%[kMG]B} * unit))
export max_lag IGNORE # awk would read a \ in its arguments

# look: asks Patroni. Sets $values to its answers (such as patroni.state), $table to the members (see below), $me to
# this member's name, and $leader. False, with $why, if there is no answer.
look() {
    values=$(collect 2>&1) || {
        why=$(printf '%s\n' "$values" | tail -n 1)
        return 1
    }
    me=${member:-$(is string patroni.patroni.name)}
    me=${me:-$(uname -n)} # Patroni 3.0 does not say its name; it is the host's name in Debian
    table=$(table)
    leader=$(column name leads)
}
collect() {
    all=''
    take patroni
    take cluster
    take config
    values=$all
    [ -n "$(is string patroni.role)" ] || cannot "its answer has no role of this member"
    [ -n "$(is array cluster.members)" ] || cannot "its answer has no members"
    # If a replica does not say whether it streams, as in Patroni 3.0, the leader knows.
    url=$(table | awk -F '\t' '{ if ($2 ~ /leader$/) api = $7; else if ($6 == "running") unknown = 1 }
        END { if (unknown) print api }')
    url=${url%/patroni}
    [ -z "$url" ] || take patroni leader
    printf '%s\n' "$all"
}
take() { # PATH [NAME]: adds that answer, with NAME before its paths
    ask "$1" </dev/null
    [ "$code" = 200 ] || cannot "/$1 is HTTP status $code"
    all="$all
$(printf '%s\n' "$values" | sed "s/^/${2:-$1}./")"
}

# any PATH: prints the value at that path, of whatever type. on PATH: true if it is set to something but false.
any() { printf '%s\n' "$values" | path=$1 awk -F '\t' '$1 == ENVIRON["path"] { print $3 }'; }
on() { case $(any "$1") in '' | null | 0 | [Ff]alse | [Oo]ff | [Nn]o) return 1 ;; esac }

# column WHAT CONDITION: prints that of each line of the table for which the condition is true (both in awk).
column() {
    printf '%s\n' "$table" | me=$me awk -F '\t' '
        BEGIN { n = split(ENVIRON["IGNORE"], names, " "); for (i = 1; i <= n; i++) ignored[names[i]] }
        !NF { next }
        {
            name = $1; role = $2; ill = $3; lag = $4; priority = $5; state = $6; api = $7; nosync = $8; timeline = $9
            leads = role == "leader" || role == "standby_leader"
            self = name == ENVIRON["me"]
            other = !self && !(name in ignored)
        }
        '"$2 { print $1 }"
}
# table: prints a line for each member, with tabs between: its name, its role, what is wrong with it (nothing: it is a
# good one), its lag in bytes, its priority in a failover (0: never), its state, the address of its API, its tag
# nosync, and its timeline.
table() {
    printf '%s\n' "$values" | awk -F '\t' '
        { split($1, part, ".") }
        $1 ~ /^leader\.replication\./ {
            if (part[4] == "application_name") name = $3
            if (part[4] == "state") state = $3
            if (part[4] == "" && state == "streaming") streams[name]
        }
        $1 ~ /^cluster\.members\./ {
            i = part[3]
            key = substr($1, length("cluster.members." i ".") + 1)
            if (key == "") n = i + 1
            else is[i, key] = $3
            if (key == "role" && $3 ~ /leader$/) leader = i
        }
        function number(text) { return text ~ /^[0-9]+$/ }
        function off(text) { return text == "" || text == "false" || text == "null" }
        function ill(    role, state, of) {
            role = is[i, "role"]
            state = is[i, "state"]
            if (role == "leader" || role == "standby_leader")
                return state == "running" || (role != "leader" && state == "streaming") ? "" : "is " state
            if (role !~ /^(replica|sync_standby|quorum_standby)$/) return "has the role " role
            if (state == "running" && !(is[i, "name"] in streams)) return "does not stream from the leader"
            if (state != "running" && state != "streaming") return "is " state
            of = is[leader, "timeline"]
            if (!number(is[i, "timeline"]) || !number(of)) return "is on an unknown timeline"
            if (is[i, "timeline"] != of) return "is on timeline " is[i, "timeline"] ", the leader on " of
            if (!number(lag)) return "has an unknown lag"
            if (lag > ENVIRON["max_lag"] + 0) return "is " lag " bytes behind the leader"
        }
        END {
            for (i = 0; i < n; i++) {
                lag = is[i, "lag"]
                if (number(is[i, "replay_lag"]) && is[i, "replay_lag"] + 0 > lag + 0) lag = is[i, "replay_lag"]
                priority = is[i, "tags.failover_priority"]
                if (!number(priority)) priority = 1
                if (!off(is[i, "tags.nofailover"])) priority = 0
                print is[i, "name"] "\t" is[i, "role"] "\t" ill() "\t" lag "\t" priority "\t" is[i, "state"] "\t" \
                    is[i, "api_url"] "\t" (off(is[i, "tags.nosync"]) ? "" : "nosync") "\t" is[i, "timeline"]
            }
        }'
}

# halted: true, and prints why, if the cluster can't be relied on to switch over.
halted() {
    if on cluster.pause; then
        echo "the cluster is in maintenance mode, so nothing would take over; \`patronictl resume\` ends it"
    elif [ -n "$(any cluster.scheduled_switchover)" ]; then
        echo "a switchover is scheduled for $(any cluster.scheduled_switchover.at); wait for it, or remove it with" \
            "\`patronictl flush CLUSTER switchover\`"
    elif [ -z "$leader" ]; then
        echo "the cluster has no leader"
    else
        return 1
    fi
}

# unfit: true, and prints why, if this member is not a good one.
unfit() {
    mine=$(column name self) ill=$(column ill self)
    role=$(is string patroni.role) state=$(is string patroni.state) seen=$(is word patroni.dcs_last_seen)
    received=$(is word patroni.xlog.received_location) replayed=$(is word patroni.xlog.replayed_location)
    case $role in master | primary | standby_leader) leads=$me ;; *) leads='' ;; esac
    for number in "$seen" "$received" "$replayed"; do # a shell that can't calculate ends, which would mean "fit"
        case $number in *[!0-9]*) echo "its answer was not understood: $number" && return ;; esac
    done
    if [ -z "$mine" ]; then
        echo "it is not among the members ($(column name 1 | few)); set member in $conf"
    elif [ "$state" != running ]; then
        echo "its PostgreSQL is ${state:-in an unknown state} ($role)"
    elif [ -z "$leads" ] && [ "$role" != replica ]; then
        echo "it has the role $role"
    elif [ "${leads:-$leader}" != "$leader" ] || { [ -z "$leads" ] && [ "$leader" = "$me" ]; }; then
        echo "it says that it is $role, but the leader is ${leader:-unknown}; a failover may be under way"
    elif [ -n "$ill" ]; then
        echo "it $ill"
    elif [ $(($(date +%s) - ${seen:-$(date +%s)})) -gt 60 ]; then
        echo "it has not reached the cluster's store (etcd, Consul, ...) since $(date -d "@$seen")"
    elif [ $((${received:-0} - ${replayed:-0})) -gt "$max_lag" ]; then
        echo "it has $((received - replayed)) bytes yet to replay"
    else
        return 1
    fi
}

# synchronous: true if the cluster replicates synchronously. A standby cluster never does.
synchronous() { on config.synchronous_mode && [ -z "$(column name 'role == "standby_leader"')" ]; }

# candidate: prints the member that is best suited to take over.
candidate() {
    roles=.
    ! synchronous || roles='_standby$'
    column 'priority "\t" lag "\t" name' "other && ill == \"\" && priority > 0 && !leads && role ~ /$roles/" |
        sort -t "$(printf '\t')" -k 1,1nr -k 2,2n -k 3 | head -n 1 | cut -f 3
}

# switch CANDIDATE SECONDS: asks Patroni to make that the leader, and prints its answer after the HTTP status.
switch() {
    timeout=$2
    send switchover <<END
request = "POST"
header = "Content-Type: application/json"
data = $(quoted "{\"leader\":$(quoted "$me"),\"candidate\":$(quoted "$1")}")
END
    printf '%s %s\n' "$code" "$answer"
}
