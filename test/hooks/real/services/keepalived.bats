#!/usr/bin/env bats
# keepalived-stop and keepalived-start with Debian's keepalived on two routers: this host, and a network namespace on
# it. The virtual address moves from one to the other, and back.
load ../../hook

ADDRESS=192.0.2.100

setup_file() {
    ip netns add other
    ip link add here type veth peer name there netns other
    ip addr add 192.0.2.1/24 dev here && ip link set here up
    ip -n other addr add 192.0.2.2/24 dev there && ip -n other link set there up && ip -n other link set lo up
    router here 150 >/etc/keepalived/keepalived.conf
    router there 100 >/etc/keepalived/other.conf
    systemd-run -q --collect -u other -p PIDFile=/run/other/keepalived.pid -p RuntimeDirectory=other \
        ip netns exec other \
        keepalived --dont-fork --use-file=/etc/keepalived/other.conf \
        --pid=/run/other/keepalived.pid --vrrp_pid=/run/other/vrrp.pid
    systemctl start keepalived
}
router() { # INTERFACE PRIORITY
    cat <<EOF
vrrp_instance web {
  state BACKUP
  interface $1
  virtual_router_id 7
  priority $2
  advert_int 0.1
  version 3
  virtual_ipaddress {
    $ADDRESS/24
  }
}
EOF
}
# holder: prints which router has the address: here, there, both, or nobody.
holder() {
    local who=''
    [[ -z $(ip -o addr show to $ADDRESS) ]] || who=here
    [[ -z $(ip -n other -o addr show to $ADDRESS) ]] || who+=there
    echo "${who:-nobody}"
}
until_holder() {
    for _ in {1..3000}; do
        [[ $(holder) != "$1" ]] || return 0
        sleep 0.1
    done
    echo "$(holder) has the address, want $1"
    return 1
}

@test "the address moves away, and comes back" {
    until_holder here
    hook pre_update/keepalived-stop
    exits 0
    says "stopping keepalived.service"
    [[ $(holder) != here* ]] # at once, not after a while
    until_holder there
    hook pre_update/keepalived-stop # again
    exits 0
    hook post_update/keepalived-start
    exits 0
    says "starting keepalived.service"
    until_holder here
    hook post_update/keepalived-start # again
    exits 0
    until_holder here
}

@test "a unit that was down before stays down" {
    systemctl stop keepalived
    until_holder there
    hook pre_update/keepalived-stop
    exits 0
    hook post_update/keepalived-start
    exits 0
    says "this run stopped nothing"
    [[ $(systemctl is-active keepalived) == inactive ]]
    until_holder there
}

@test "a configuration that the update broke: not up" {
    systemctl start keepalived
    hook pre_update/keepalived-stop
    exits 0
    mv /etc/keepalived/keepalived.conf /etc/keepalived/keepalived.conf.away
    hook post_update/keepalived-start
    exits 1
    says "keepalived.service is not up"
    mv /etc/keepalived/keepalived.conf.away /etc/keepalived/keepalived.conf
    hook post_update/keepalived-start
    exits 0
}
