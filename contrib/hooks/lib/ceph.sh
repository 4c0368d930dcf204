# What the hooks for Ceph share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/ceph.sh"
# shellcheck shell=sh
: "${lib:?}" "${command?}" "${timeout?}" "${TOLERATE?}" "${crush_hosts=}" # this directory, their settings

# shellcheck disable=SC2034 # for monitoring.sh
what=Ceph
# shellcheck source=monitoring.sh
. "$lib/monitoring.sh"
# shellcheck source=record.sh
. "$lib/record.sh"
need "${command%% *}" awk timeout

# ask_ceph ARG...: sets $said to Ceph's answer. If it fails, sets $why. --connect-timeout is only about finding a
# monitor. The last line of ceph's messages says what is wrong.
ask_ceph() {
    # shellcheck disable=SC2086 # each option is a word
    said=$(timeout -k 5 "$timeout" $command --connect-timeout "$timeout" "$@" 2>&1) && return
    case $? in 124 | 137) why="no answer within $timeout s" && return 1 ;; esac
    why=$(printf '%s\n' "$said" | awk 'NF { why = $0 } END { print why }')
    why=${why:-it failed and did not say why}
    return 1
}

# look ARG...: the same for an answer in JSON, which `is` reads.
look() {
    ask_ceph "$@" --format json || return
    understand "$(printf '%s\n' "$said" | grep -e '^{' -e '^\[[]0-9]')" && return
    why="its answer is not JSON"
    return 1
}

# own_flags: prints where this run has set noout, and not unset it: CRUSH names, or "-" for the whole cluster.
own_flags() {
    record_items ceph-noout | awk '
        $1 == "set" { on[$2 " " $3] }
        $1 == "unset" { delete on[$2 " " $3] }
        END { for (one in on) { split(one, part, " "); if (!seen[part[1]]++) print part[1] } }'
}

# healthy: asks for Ceph's health. Sets $status, and $checks to what counts against it, a line each.
healthy() {
    checks='' detail='' own=$(own_flags)
    [ -z "$own" ] || detail=detail # says whose flags they are
    look health $detail || return
    status=$(is string status)
    case $status in
    HEALTH_OK) return ;;
    HEALTH_WARN) tolerated=$TOLERATE ;;
    HEALTH_ERR) tolerated='' ;;
    *) why="its answer has no status" && return 1 ;;
    esac
    # shellcheck disable=SC2034,SC2086,SC2154 # the caller reads checks; each is a word; understand sets values
    checks=$(printf '%s\n' "$values" | awk -F '\t' -v tolerate=" $(printf '%s ' $tolerated)" \
        -v own=" $(printf '%s ' $own)" '
        BEGIN { if (index(own, " - ")) tolerate = tolerate "OSDMAP_FLAGS:noout " }
        function put(code) { if (severity != "HEALTH_WARN" || !index(tolerate, " " code " ")) print code }
        { split($1, part, ".") }
        part[1] != "checks" || part[2] == "" { next }
        $1 == "checks." part[2] ".severity" { severity = $3 }
        $1 == "checks." part[2] ".muted" { muted = $3 }
        $1 == "checks." part[2] ".summary.message" { message = $3 }
        part[3] == "detail" && part[5] == "message" { # host ceph1 has flags noout
            others += split($3, word, " ") != 5 || !index(own, " " word[2] " ") || $3 !~ / has flags noout$/
            details++
        }
        $1 == "checks." part[2] { # comes after its values
            unmuted += muted != "true"
            if (muted != "true" && part[2] == "OSDMAP_FLAGS" && sub(/ flag\(s\) set$/, "", message) &&
                !index(tolerate, " OSDMAP_FLAGS ")) {
                n = split(message, flags, ",")
                for (i = 1; i <= n; i++) put("OSDMAP_FLAGS:" flags[i])
            } else if (muted != "true" &&
                !(part[2] == "OSD_FLAGS" && severity == "HEALTH_WARN" && details && !others)) put(part[2])
            severity = muted = message = details = others = ""
        }
        END { if (!unmuted) print "no check says why" }') && return
    why="awk has failed"
    return 1
}

# daemons KIND: prints the names of those of this host, from the answer of node ls.
daemons() {
    printf '%s\n' "$nodes" | awk -F '\t' -v here="$1.$me." \
        'index($1, here) == 1 && substr($1, length(here) + 1) ~ /^[0-9]+$/ { printf "%s%s", n++ ? " " : "", $3 }'
}

# this_host: sets $osds, $mons and $mdss to the daemons that Ceph knows on this host, and $crush to its names in CRUSH.
# A daemon says its whole hostname, and OSDs put themselves into CRUSH under the part before the first dot.
this_host() {
    look node ls || return
    nodes=$values me=$(uname -n) here=''
    osds=$(daemons osd) mons=$(daemons mon) mdss=$(daemons mds) crush=''
    if [ -z "$osds$mons$mdss$(daemons mgr)" ]; then
        why="it knows no OSD, monitor, MDS or manager on $me" && return 1
    fi
    [ -n "$osds" ] || return 0
    crush=${crush_hosts:-${me%%.*}}
    for name in $crush; do
        look osd ls-tree "$name" || { why="$name in the CRUSH map (see crush_hosts): $why" && return 1; }
        here="$here$(printf '%s\n' "$values" | awk -F '\t' '$2 == "word" { printf " %s", $3 }')"
    done
    why=$(printf '%s\n' "$nodes" | awk -F '\t' -v mine=" $osds " -v here="$here " '
        index($1, "osd.") == 1 && $2 == "word" {
            if (index(mine, " " $3 " ") && !index(here, " " $3 " ")) print "osd." $3 " runs here, but is not in it"
            if (!index(mine, " " $3 " ") && index(here, " " $3 " ")) print "osd." $3 " is in it, but does not run here"
        }' | sed 1q)
    [ -z "$why" ] || why="the host $crush in its CRUSH map does not have the OSDs of this host: $why (see crush_hosts)"
    [ -z "$why" ]
}

# stoppable: asks whether Ceph can do without the daemons of this host. Newer versions answer in JSON.
stoppable() {
    for kind in osd mon mds; do
        case $kind in osd) ids=$osds ;; mon) ids=$mons ;; *) ids=$mdss ;; esac
        [ -n "$ids" ] || continue
        # shellcheck disable=SC2086 # each is a word
        ask_ceph "$kind" ok-to-stop $ids || { why="ceph $kind ok-to-stop $ids: $why" && return 1; }
        case $kind:$said in osd:*'"ok_to_stop":true'* | osd:*'ok to stop'* | m*) continue ;; esac
        why="the answer of ceph osd ok-to-stop $ids was not understood: $said"
        return 1
    done
}

# look_at_map: sets $map to what the OSD map says, in lines such as: epoch 12; osd 0 up in; flag ceph1 noout. Flags of
# the whole cluster have "-" for the name.
look_at_map() {
    look osd dump || return
    map=$(printf '%s\n' "$values" | awk -F '\t' '
        $1 == "epoch" { print "epoch " $3 }
        $1 ~ /^osds\.[0-9]+\.(osd|up|in)$/ { split($1, part, "."); is[part[3]] = $3 }
        $1 ~ /^osds\.[0-9]+$/ {
            print "osd " is["osd"] (is["up"] == 1 ? " up" : " down") (is["in"] == 1 ? " in" : " out")
            split("", is)
        }
        $1 == "flags" { n = split($3, flags, ","); for (i = 1; i <= n; i++) print "flag - " flags[i] }
        sub(/^crush_node_flags\./, "", $1) && sub(/\.[0-9]+$/, "", $1) { print "flag " $1 " " $3 }')
    epoch=$(printf '%s\n' "$map" | sed -n 's/^epoch //p')
    [ -n "$epoch" ] && return
    why="its OSD map has no epoch"
    return 1
}
has() { printf '%s\n' "$map" | grep -qxF -- "$1"; }

# flag set|unset PLACE: sets or unsets noout. Sets $order to what a person would type.
flag() {
    if [ "$2" = - ]; then order="osd $1 noout"; else order="osd $1-group noout $2"; fi
    # shellcheck disable=SC2086 # each is a word
    ask_ceph $order
}
