# @summary Returns the number of a hook whose title has none: a bundled hook's own number, 50 for all others.
#
# @api private
#
# @param hook
#   `STAGE/NAME`.
# @return
#   The hook's place in its stage.
function foreman_dlm_updater::number(String[1] $hook) >> Integer[0, 99] {
  $own = {
    'pre_update/disk-space'                => 10,
    'pre_update/galera-healthy'            => 10,
    'pre_update/alertmanager-silence'      => 15,
    'pre_update/puppet-disable'            => 18,
    'pre_update/haproxy-drain'             => 20,
    'pre_update/kubernetes-drain'          => 22,
    'pre_update/keepalived-stop'           => 30,
    'pre_update/ceph-noout'                => 35,
    'pre_update/elasticsearch-allocation'  => 38,
    'pre_update/pacemaker-standby'         => 40,
    'pre_update/rabbitmq-drain'            => 42,
    'pre_update/redis-failover'            => 44,
    'pre_update/patroni-switchover'        => 45,
    'pre_update/mariadb-stop'              => 55,
    'pre_update/postgresql-stop'           => 55,
    'pre_update/snapper'                   => 60,
    'post_update/snapper'                  => 40,
    'post_update/mariadb-start'            => 45,
    'post_update/postgresql-start'         => 45,
    'post_update/postgresql-replication'   => 47,
    'post_update/galera-synced'            => 48,
    'post_update/systemd-healthy'          => 55,
    'post_update/redis-synced'             => 56,
    'post_update/patroni-ready'            => 57,
    'post_update/rabbitmq-revive'          => 58,
    'post_update/pacemaker-unstandby'      => 60,
    'post_update/elasticsearch-allocation' => 62,
    'post_update/ceph-noout'               => 65,
    'post_update/keepalived-start'         => 70,
    'post_update/kubernetes-uncordon'      => 75,
    'post_update/haproxy-ready'            => 80,
    'post_update/puppet-enable'            => 82,
    'post_update/alertmanager-unsilence'   => 95,
  }
  pick($own[$hook], 50)
}
