# What the hooks for MariaDB and MySQL share: . "$lib/mariadb.sh"
# shellcheck shell=sh
: "${start_timeout:?}" "${sst_timeout:?}" "${state=}" # settings; set by unit_state

# joining UNIT: true while its server receives a state transfer from its Galera cluster. The server then runs
# wsrep_sst_METHOD --role joiner, tells systemd nothing, and answers no ping.
joining() {
    group=$(systemctl show --property=ControlGroup --value -- "$1")
    [ -n "$group" ] || return 1
    # The second file is the one of hosts with cgroup v1.
    cat "/sys/fs/cgroup$group/cgroup.procs" "/sys/fs/cgroup/systemd$group/cgroup.procs" 2>/dev/null |
        while read -r pid; do tr '\0' ' ' <"/proc/$pid/cmdline" && echo; done 2>/dev/null |
        grep -q 'wsrep_sst_.*--role .*joiner'
}

# longer UNIT: true while its server may need longer: within start_timeout since it last received a state transfer, and
# within sst_timeout altogether.
longer() {
    now=$(date +%s)
    : "${began:=$now}"
    if joining "$1"; then
        [ -n "${received:-}" ] || echo "mariadb-start: $1 receives a state transfer; waiting up to $sst_timeout s"
        received=$now
    fi
    [ $((now - ${received:-0})) -lt "$start_timeout" ] && [ $((now - began)) -lt "$sst_timeout" ]
}

# still_starting UNIT: start_units asks this when systemd has not started the unit within start_timeout. True once it is
# up.
still_starting() {
    began='' received=''
    while longer "$1"; do
        unit_state "$1"
        case $state in activating) sleep 1 ;; active) return ;; *) return 1 ;; esac
    done
    return 1
}
