#!/usr/bin/env bats
# The hooks for RabbitMQ with Debian's, in a cluster of three nodes: the service of this host, and two more beside it.
# Debian: 13
# Also on Debian: 12
load ../../hook
load ../../set

setup_file() {
    local name
    for name in b:5673 c:5674; do
        systemd-run -q --collect -u "rabbit-${name%:*}" --uid rabbitmq -E "RABBITMQ_NODENAME=${name%:*}@$HOSTNAME" \
            -E "RABBITMQ_NODE_PORT=${name#*:}" -E "RABBITMQ_DIST_PORT=2${name#*:}" rabbitmq-server
    done
    rabbitmqctl -q await_startup --timeout 300
    for name in b c; do
        until rabbitmqctl -q -n "$name@$HOSTNAME" await_startup --timeout 300; do
            systemctl is-active --quiet "rabbit-$name"
        done
        rabbitmqctl -q -n "$name@$HOSTNAME" stop_app
        rabbitmqctl -q -n "$name@$HOSTNAME" join_cluster "rabbit@$HOSTNAME"
        rabbitmqctl -q -n "$name@$HOSTNAME" start_app
    done
    rabbitmqctl -q eval 'rabbit_amqqueue:declare({resource,<<"/">>,queue,<<"q1">>}, true, false,
        [{<<"x-queue-type">>,longstr,<<"quorum">>}], none, <<"acting">>).'
}
prepare() { setting rabbitmq timeout=300; } # on a busy machine, RabbitMQ's programs take minutes to start
leader() { rabbitmqctl -q list_queues leader --no-table-headers; }
gate() { hook gate/rabbitmq; }

@test "the documented hooks, with a whole run that restarts the node" {
    documented_hooks rabbitmq
    echo timeout=300 >>/etc/foreman_dlm_updater/hooks.conf.d/rabbitmq.conf
    yes
    [[ $(leader) == "rabbit@$HOSTNAME" ]]
    whole_run
    says "rabbit@$HOSTNAME is in maintenance"
    says "rabbit@$HOSTNAME runs, and the cluster is whole"
    [[ $(leader) != "rabbit@$HOSTNAME" ]]
    yes
}

@test "a node that hangs: the question has an end, and leaves nothing running" {
    local began=$SECONDS
    setting rabbitmq timeout=4
    systemctl kill --signal=STOP rabbitmq-server
    gate
    systemctl kill --signal=CONT rabbitmq-server
    not_now "could not ask RabbitMQ: no answer within 4 s"
    [[ $((SECONDS - began)) -lt 60 ]]
    [[ -z $(grep -lsz DLM_ANSWER= /proc/[0-9]*/environ) ]]
}

@test "drain without a restart: revive takes the node out of maintenance, and then another node goes down" {
    hook pre_update/rabbitmq-drain
    exits 0
    says "rabbit@$HOSTNAME is in maintenance"
    hook post_update/rabbitmq-revive
    exits 0
    says "taking rabbit@$HOSTNAME out of maintenance"
    rabbitmqctl -q -n "c@$HOSTNAME" stop_app
    no "not running: c@$HOSTNAME"
    DLM_RUN_ID=run-2 hook pre_update/rabbitmq-drain
    exits 1
    says "nothing was changed, the cluster can't do without rabbit@$HOSTNAME: not running: c@$HOSTNAME"
    rabbitmqctl -q -n "c@$HOSTNAME" start_app
    rabbitmqctl -q eval 'rabbit_amqqueue:declare({resource,<<"/">>,queue,<<"q2">>}, true, false,
        [{<<"x-queue-type">>,longstr,<<"quorum">>},{<<"x-quorum-initial-group-size">>,long,1}], none, <<"acting">>).'
    no "check_if_node_is_quorum_critical says that queues need this node: queue 'q2' in vhost '/'"
}

@test "the service is down" {
    systemctl stop rabbitmq-server
    no "could not ask RabbitMQ: Error: unable to perform an operation on node 'rabbit@$HOSTNAME'.*"
    says "not running at all"
}
