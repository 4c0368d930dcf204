#!/usr/bin/env bats
# Debian: 13
# Also on Debian: 12
# galera, galera-healthy and galera-synced with a real cluster: three of Debian's MariaDB servers with Galera on this host. The
# first one is "this node".
load ../../hook
load ../../set

setup_file() {
    systemctl stop mariadb
    mkdir -p /run/mysqld && chown mysql: /run/mysqld
    local n
    for n in 1 2 3; do
        mariadb-install-db --user=mysql --datadir="/srv/n$n" --auth-root-authentication-method=socket >/dev/null 2>&1
        cat >"/etc/mysql/n$n.cnf" <<EOF
[mariadbd]
user=mysql
datadir=/srv/n$n
socket=/run/mysqld/n$n.sock
port=330$n
bind-address=127.0.0.1
binlog_format=ROW
innodb_buffer_pool_size=16M
innodb_log_file_size=8M
wsrep_on=ON
wsrep_provider=/usr/lib/galera/libgalera_smm.so
wsrep_provider_options="base_port=45${n}7;gcache.size=8M;ist.recv_addr=127.0.0.1:45${n}8"
wsrep_cluster_address=gcomm://127.0.0.1:4517,127.0.0.1:4527,127.0.0.1:4537
wsrep_node_address=127.0.0.1:45${n}7
wsrep_sst_method=rsync
wsrep_sst_receive_address=127.0.0.1:44${n}4
EOF
        cat >"/run/systemd/system/n$n.service" <<EOF
[Service]
Type=notify
EnvironmentFile=-/run/n$n.env
ExecStart=/usr/sbin/mariadbd --defaults-file=/etc/mysql/n$n.cnf \$OPTIONS
EOF
    done
    printf '[client]\nsocket=/run/mysqld/n1.sock\n' >/etc/mysql/client.cnf
    systemctl daemon-reload
    echo OPTIONS=--wsrep-new-cluster >/run/n1.env
    systemctl start n1
    rm /run/n1.env
    systemctl start n2
    systemctl start n3
}
prepare() { setting galera-healthy 'defaults_file=/etc/mysql/client.cnf'; }

@test "a cluster of three can lose a node; it is back when it is synced and all three are there" {
    hook pre_update/galera-healthy
    exits 0
    says "the cluster has 3 nodes and can lose this one"
    hook gate/galera
    exits 0
    says "the cluster has 3 nodes and may lose this one"
    systemctl stop n1
    hook gate/galera
    exits 1
    says "Galera: the server on this host could not be asked: ERROR 2002"
    hook pre_update/galera-healthy # again in this run, as after a failed hook
    exits 0
    says "the server is down; the cluster could lose this node when this run began"
    DLM_RUN_ID=run-2 hook pre_update/galera-healthy
    exits 1
    says "could not be asked"
    says "ERROR 2002"
    setting galera-synced 'sync_timeout=1'
    hook post_update/galera-synced
    exits 1
    says "not back in its cluster after 1 s: the server could not be asked"
    systemctl start --no-block n1 # its state transfer takes some seconds
    setting galera-synced 'sync_timeout=600'
    hook post_update/galera-synced
    exits 0
    says "this node is synced, the cluster has 3 nodes"
}

@test "a node is missing: it must not lose another, and is not back without it" {
    hook pre_update/galera-healthy
    exits 0
    systemctl stop n3
    hook pre_update/galera-healthy
    exits 1
    says "the cluster has 2 nodes and needs 3 before it may lose this one"
    hook gate/galera
    not_now "Galera: the cluster has 2 of 3 nodes"
    setting galera-synced 'sync_timeout=1'
    hook post_update/galera-synced
    exits 1
    says "the cluster has 2 nodes and had 3 before the update"
    DLM_RUN_ID=run-2 hook post_update/galera-synced # without galera-healthy
    exits 0
    setting galera-healthy 'defaults_file=/etc/mysql/client.cnf' 'min_size=2'
    hook pre_update/galera-healthy
    exits 1
    says "has 2 nodes and needs 3" # wsrep_cluster_address names three
    setting galera-healthy 'defaults_file=/etc/mysql/client.cnf' 'min_size=2' 'expected_size=2'
    hook pre_update/galera-healthy
    exits 0
    hook gate/galera
    exits 0
    systemctl start n3
    setting galera-healthy 'defaults_file=/etc/mysql/client.cnf' 'min_size=4'
    hook pre_update/galera-healthy
    exits 1
    says "has 3 nodes and needs 4"
}

@test "mariadb-start waits for a node that receives its state transfer, and not for ever" {
    systemctl stop n3
    rm /srv/n3/grastate.dat # so that it needs a full transfer
    # The donor takes longer than start_timeout.
    sed '2i case "$*" in *donor*) while [ ! -e /run/go-on ]; do sleep 0.2; done ;; esac' /usr/bin/wsrep_sst_rsync \
        >/usr/bin/wsrep_sst_slow
    chmod 755 /usr/bin/wsrep_sst_slow
    echo OPTIONS=--wsrep-sst-method=slow >/run/n3.env
    printf '[client]\nsocket=/run/mysqld/n3.sock\n' >/etc/mysql/conf.d/n3.cnf # mariadb-start asks at the default socket
    mkdir -p "$DLM_HOOKS_STATE"
    printf 'run-1\nn3.service\n' >"$DLM_HOOKS_STATE/mariadb"
    systemctl start --no-block n3
    for _ in {1..600}; do
        ! pgrep -f 'wsrep_sst_slow --role joiner' >/dev/null || break
        sleep 0.2
    done
    setting mariadb-start start_timeout=3 sst_timeout=1
    hook post_update/mariadb-start
    exits 1
    says "n3.service receives a state transfer; waiting up to 1 s"
    says "n3.service is not up (3 s allowed)"
    setting mariadb-start start_timeout=15 sst_timeout=600
    (sleep 16; touch /run/go-on) 3>&- &
    hook post_update/mariadb-start
    rm -f /etc/mysql/conf.d/n3.cnf /run/n3.env /run/go-on
    exits 0
    says "n3.service receives a state transfer; waiting up to 600 s"
    says "n3.service answers"
    [[ $(mariadb --socket=/run/mysqld/n3.sock -NBe "SELECT 1") == 1 ]]
}

@test "the hooks that the page names, in a whole run of a node that is Debian's own unit" {
    local own=/etc/mysql/mariadb.conf.d/99-galera.cnf
    systemctl stop n1
    sed -e 's/^socket=.*//; s/^datadir=.*//; s/^user=.*//' /etc/mysql/n1.cnf >"$own"
    systemctl start mariadb
    systemctl reset-failed
    documented_hooks mariadb
    whole_run
    says "mariadb.service answers"
    says "this node is synced, the cluster has 3 nodes"
    systemctl stop mariadb
    rm "$own"
    systemctl start n1
}

@test "no primary component: refused, and not back" {
    systemctl kill -s KILL n2 n3 # both at once: the remaining node has no quorum
    for _ in {1..1500}; do
        hook pre_update/galera-healthy
        [[ $output == *wsrep_cluster_status* ]] && break
        sleep 0.2
    done
    exits 1
    says "no full member of the cluster: wsrep_cluster_status is non-Primary and not Primary"
    hook gate/galera
    not_now "Galera: this node is no full member of the cluster: wsrep_cluster_status is non-Primary and not Primary"
    setting galera-synced 'sync_timeout=0'
    hook post_update/galera-synced
    exits 1
    says "wsrep_cluster_status is non-Primary"
}

@test "a server without Galera, and a password that is wrong" {
    systemctl stop n1
    systemctl start mariadb
    rm "$BATS_TEST_TMPDIR/etc/hooks.conf.d/galera-healthy.conf" # Debian's own settings: root by the socket
    hook pre_update/galera-healthy
    exits 1
    says "wsrep_cluster_status is Disconnected and not Primary"
    hook gate/galera
    exits 1
    says "wsrep_cluster_status is Disconnected and not Primary"
    printf '[client]\nuser=nobody\npassword=wrong\n' >"$BATS_TEST_TMPDIR/client.cnf"
    setting galera-healthy "defaults_file=$BATS_TEST_TMPDIR/client.cnf"
    hook pre_update/galera-healthy
    exits 1
    says "Access denied"
    hook gate/galera
    exits 1
    says "Galera: the server on this host could not be asked: ERROR 1045 (28000): Access denied"
}
