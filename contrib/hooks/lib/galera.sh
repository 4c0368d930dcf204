# What the hooks for Galera share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/galera.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" "${defaults_file=}" # the hook's name, this directory, its setting

# shellcheck source=cluster.sh
. "$lib/cluster.sh"

# look: asks the server on this host. Sets $answer to its answer or the client's error. It fails if the server hangs.
look() {
    if command -v mariadb >/dev/null; then client=mariadb; else client=mysql; fi
    answer=$(within 30 "$client" ${defaults_file:+"--defaults-file=$defaults_file"} --connect-timeout=10 -N -B \
        -e "SHOW GLOBAL STATUS WHERE Variable_name IN
('wsrep_cluster_status', 'wsrep_ready', 'wsrep_local_state_comment', 'wsrep_cluster_size');
SHOW GLOBAL VARIABLES LIKE 'wsrep_cluster_address'" 2>&1)
}

# wsrep NAME: prints a variable from that answer.
wsrep() { printf '%s\n' "$answer" | awk -F '\t' -v name="wsrep_$1" '$1 == name { print $2 }'; }

# ill: prints why this node is not a full member of the cluster. False if it is one.
ill() {
    for want in cluster_status=Primary ready=ON local_state_comment=Synced; do
        is=$(wsrep "${want%=*}")
        [ "$is" = "${want#*=}" ] || { echo "wsrep_${want%=*} is ${is:-unset} and not ${want#*=}" && return; }
    done
    return 1
}

# may_lose: true if the cluster has as many nodes as the settings min_size and expected_size ask for. Sets $size to the
# number of its nodes, and $needed to the number that it does not reach.
may_lose() {
    : "${min_size:?}" "${expected_size:?}"
    size=$(wsrep cluster_size) named=$expected_size
    [ "$named" != auto ] || # gcomm://10.0.0.1,10.0.0.2:4567?option=value
        named=$(wsrep cluster_address |
            awk '{ sub("^[a-z]*://", ""); sub("[?].*", ""); print split($0, nodes, ",") }')
    for needed in "$min_size" "$named"; do [ "$size" -ge "$needed" ] || return 1; done
}
