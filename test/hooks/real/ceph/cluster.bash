# A small Ceph on this host that looks like one of three hosts, because some of its daemons have another hostname. "This
# host" has the monitor a and osd.0. The host h2 has the monitor b, osd.1 and the manager, h3 only the monitor c. OSDs
# keep their data in memory, and write it to the disk when they are stopped.
# shellcheck shell=bash

# daemon UNIT HOST COMMAND...: makes a unit whose process sees HOST as its hostname.
daemon() {
    printf '%s\n' '[Service]' "ExecStart=/usr/bin/unshare -u sh -c 'hostname $2; exec \"\$\$@\"' sh ${*:3}" \
        'Restart=no' >"/run/systemd/system/$1.service"
}

# within_seconds N COMMAND...: runs the command until it succeeds.
within_seconds() {
    local end=$((SECONDS + $1))
    until "${@:2}" >/dev/null 2>&1; do
        ((SECONDS < end)) || { "${@:2}"; return 1; }
        sleep 0.2
    done
}
well() { [[ $(ceph health) == HEALTH_OK ]]; }

start_ceph() {
    local id n addresses=(v2:127.0.0.1:330{1,2,3})
    local fsid=3f1b7a52-6a0c-4b0e-9a57-0c8d2f4f2b11 ring=/etc/ceph/ceph.client.admin.keyring
    for n in 0 1 2; do addresses[n]+=,v1:127.0.0.1:678$((n + 1)); done
    # Monitors, and what they know of manager and PGs, settle faster than in a real cluster.
    cat >/etc/ceph/ceph.conf <<END
[global]
fsid = $fsid
mon_host = [${addresses[0]}],[${addresses[1]}],[${addresses[2]}]
public_network = 127.0.0.0/8
auth_allow_insecure_global_id_reclaim = false
mon_data_avail_warn = 0
mon_data_avail_crit = 0
mon_osd_min_down_reporters = 1
mon_lease = 2
mon_election_timeout = 2
mon_mgr_beacon_grace = 6
mgr_stats_period = 1
mon_allow_pool_delete = true
osd_pool_default_size = 2
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_objectstore = memstore
memstore_device_bytes = 67108864
osd_fast_shutdown = false
log_file =
err_to_stderr = true
END
    ceph-authtool -C "$ring" -g -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' \
        --cap mds 'allow *' >/dev/null
    cp "$ring" /srv/mon.keyring
    ceph-authtool /srv/mon.keyring -g -n mon. --cap mon 'allow *'
    monmaptool --create --fsid "$fsid" --addv a "[${addresses[0]}]" --addv b "[${addresses[1]}]" \
        --addv c "[${addresses[2]}]" /srv/monmap >/dev/null
    n=0
    for id in a b c; do
        ceph-mon --mkfs -i "$id" --monmap /srv/monmap --keyring /srv/mon.keyring --mon-data "/var/lib/ceph/mon/ceph-$id"
        n=$((n + 1))
        daemon "mon-$id" "$([[ $id == a ]] && uname -n || echo "h$n")" ceph-mon -f -i "$id"
    done
    systemctl daemon-reload
    systemctl start mon-a mon-b mon-c
    within_seconds 60 ceph --connect-timeout 5 mon stat
    mkdir -p /var/lib/ceph/mgr/ceph-x
    ceph auth get-or-create mgr.x mon 'allow profile mgr' osd 'allow *' mds 'allow *' >/var/lib/ceph/mgr/ceph-x/keyring
    daemon mgr-x h2 ceph-mgr -f -i x
    for n in 0 1; do
        mkdir -p "/var/lib/ceph/osd/ceph-$n"
        id=$(uuidgen 2>/dev/null || cat /proc/sys/kernel/random/uuid)
        ceph osd new "$id" "$n" >/dev/null
        ceph auth get-or-create "osd.$n" mon 'allow profile osd' mgr 'allow profile osd' osd 'allow *' \
            >"/var/lib/ceph/osd/ceph-$n/keyring"
        ceph-osd -i "$n" --mkfs --osd-uuid "$id" 2>/dev/null
        daemon "osd-$n" "$([[ $n == 0 ]] && uname -n || echo h2)" ceph-osd -f -i "$n"
    done
    systemctl daemon-reload
    systemctl start mgr-x osd-0 osd-1
}
