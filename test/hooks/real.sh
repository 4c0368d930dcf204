#!/bin/bash
# Runs the hooks against the real tools. Each test file in real/KIND/ runs in its own booted host, which has the Debian
# packages for KIND: Debian 12, or what a line "# Debian: 12 13" in the file names, in a host each. Root only; see
# ../lab/boot-lab.sh.
# usage: real.sh [KIND | KIND/FILE.bats]...       (default: all)
# DEBIAN=12: only there, and also the files that say "# Also on Debian: 12", which take too long for every time.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
: "${BOOT_LAB_NET:=10.90.0}" "${BOOT_LAB_DIR:=$(mktemp -d)/lab}"
export BOOT_LAB_NET BOOT_LAB_DIR
top=$(readlink -f ../..) bin=$(mktemp -d)
BOOT_LAB_NSPAWN="--bind-ro=$top/contrib/hooks:/usr/share/foreman-dlm-updater/hooks --bind-ro=$top/docs:/docs"
BOOT_LAB_NSPAWN="$BOOT_LAB_NSPAWN --bind-ro=$PWD:/test --bind-ro=$bin:/usr/local/bin"
export BOOT_LAB_NSPAWN="$BOOT_LAB_NSPAWN --capability=CAP_NET_ADMIN" # for keepalived
lab=../lab/boot-lab.sh

packages() { # KIND DEBIAN: prints the packages of its hosts, separated by commas
    case $1 in
    apt) echo bats,needrestart,apt-utils,dpkg-dev,gpg,gpg-agent,gpgconf,python3,etckeeper,git,apt-listbugs ;;
    dnf)
        case $2 in testing) set -- dnf5,python3 ;; *) set -- dnf,dnf-plugins-core ;; esac
        echo "bats,rpm,$1,createrepo-c"
        ;;
    zypper) echo bats,rpm,zypper,createrepo-c ;;
    services)
        echo bats,libpam-systemd,postgresql,mariadb-server,haproxy,keepalived,socat,curl,python3,prometheus-alertmanager
        ;;
    notify) echo bats,curl,python3,openssl,prometheus,prometheus-alertmanager,icinga2,msmtp-mta ;;
    snapper) echo bats,snapper,btrfs-progs ;;
    puppet) echo bats,puppet-agent,curl ;; # as in ../puppet/hosts.sh, to share its root filesystem
    ceph) echo bats,ceph-mon,ceph-mgr,ceph-osd,ceph-common,curl ;;
    cluster) echo bats,corosync,pacemaker,pacemaker-cli-utils,curl ;;
    data)
        case $2 in 12) set -- redis ;; *) set -- valkey ;; esac
        echo "bats,$1-server,$1-sentinel,kubernetes-client,python3,curl"
        ;;
    patroni) echo bats,patroni,python3-etcd,etcd-server,postgresql,curl ;;
    rabbitmq) echo bats,curl,rabbitmq-server ;;
    *) echo "real.sh: no such kind: $1" >&2; return 1 ;;
    esac
}

trap 'trap "" INT TERM; "$lab" destroy; rm -r "$bin"' EXIT
if [[ $(id -u) != 0 ]] || ! "$lab" deps || ! "$lab" net true; then
    echo "NOT TESTED: the hooks against the real tools: no hosts can be booted here" \
        "(root and systemd-nspawn are needed)" >&2
    [[ -z ${CI:-} || $CI == false ]]; exit
fi
(cd "$top" && go build -o "$bin/" ./cmd/...)
say() { echo "hooks: $*" | tee -a "${PROGRESS:-/dev/null}"; }
one() { # FILE DEBIAN: runs it and prints its output in one piece, because others run at the same time
    local kind host out code=0 began=$SECONDS
    local -A suites=([12]=bookworm [13]=trixie [testing]=testing)
    kind=$(basename "$(dirname "$1")") host=$(basename "$1" .bats)
    [[ $2 == 12 ]] || host+=-$2
    BOOT_LAB_PKGS=$(packages "$kind" "$2") BOOT_LAB_SUITE=${suites[$2]}
    export BOOT_LAB_PKGS BOOT_LAB_SUITE
    out=$({ "$lab" up "$host" &&
        "$lab" exec "$host" bats --tap --timing --print-output-on-failure "/test/$1"; } 2>&1) || code=$?
    [[ $code == 0 ]] || out+=$'\n'$("$lab" exec "$host" journalctl -b -n 100 --no-pager 2>&1 || :)
    "$lab" rm "$host"
    [[ $code == 0 ]] || out+=$'\n'"FAILED: $1 on Debian $2, the last lines of its journal are above"
    printf '# %s on Debian %s: %d s\n%s\n' "$1" "$2" $((SECONDS - began)) "$out"
    return "$code"
}
export -f one packages
export lab
each() { # prints each file with each Debian that it names
    local file debian always also
    for file in "$@"; do
        always=$(sed -n 's/^# Debian: //p;11q' "$file") also=$(sed -n 's/^# Also on Debian: //p;11q' "$file")
        [[ -n $always$also ]] || always=12
        [[ -z ${DEBIAN:-} ]] || always+=" $also"
        for debian in $always; do
            [[ -n ${DEBIAN:-} && $debian != "$DEBIAN" ]] || echo "$file $debian"
        done
    done
}
# shellcheck disable=SC2046 # names without blanks
files=$(each $(for what in "${@:-}"; do find "real/$what" -name '*.bats'; done | sort))
say "$(wc -l <<<"$files") files of tests with the real tools on booted hosts, ${JOBS:=3} at once (5 to 10 min)"
xargs -P "$JOBS" -L 1 bash -euo pipefail -c 'one "$@"' one <<<"$files"
