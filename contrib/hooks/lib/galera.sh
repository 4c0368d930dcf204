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
