#!/bin/bash
# Runs the hooks against the real tools. Each test file in real/KIND/ runs in its own booted host, which has the Debian
# packages for KIND. Root only; see ../lab/boot-lab.sh.
# usage: real.sh [KIND | KIND/FILE.bats]...       (default: all)
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
: "${BOOT_LAB_NET:=10.90.0}" "${BOOT_LAB_DIR:=$(mktemp -d)/lab}"
export BOOT_LAB_NET BOOT_LAB_DIR
hooks=$(readlink -f ../../contrib/hooks)
BOOT_LAB_NSPAWN="--bind-ro=$hooks:/usr/share/foreman-dlm-updater/hooks --bind-ro=$PWD:/test"
export BOOT_LAB_NSPAWN="$BOOT_LAB_NSPAWN --capability=CAP_NET_ADMIN" # for keepalived
lab=../lab/boot-lab.sh

packages() { # KIND: prints the packages of its hosts, separated by commas
    case $1 in
    apt) echo bats,needrestart,apt-utils,dpkg-dev,gpg,gpg-agent,gpgconf ;;
    dnf) echo bats,rpm,dnf,dnf-plugins-core,createrepo-c ;;
    zypper) echo bats,rpm,zypper,createrepo-c ;;
    services)
        echo bats,libpam-systemd,postgresql,mariadb-server,haproxy,keepalived,socat,curl,python3,prometheus-alertmanager
        ;;
    notify) echo bats,curl,python3,openssl,prometheus,prometheus-alertmanager,icinga2,msmtp-mta ;;
    puppet) echo bats,puppet-agent,curl ;; # as in ../puppet/hosts.sh, to share its root filesystem
    cluster) echo bats,corosync,pacemaker,pacemaker-cli-utils ;;
    *) echo "real.sh: no such kind: $1" >&2; return 1 ;;
    esac
}

trap 'trap "" INT TERM; "$lab" destroy' EXIT
if [[ $(id -u) != 0 ]] || ! "$lab" deps || ! "$lab" net true; then
    echo "NOT TESTED: the hooks against the real tools: no hosts can be booted here" \
        "(root and systemd-nspawn are needed)" >&2
    [[ -z ${CI:-} || $CI == false ]]; exit
fi
say() { echo "hooks: $*" | tee -a "${PROGRESS:-/dev/null}"; }
one() { # FILE: runs it and prints its output in one piece, because others run at the same time
    local kind host out code=0
    kind=$(basename "$(dirname "$1")") host=$(basename "$1" .bats)
    BOOT_LAB_PKGS=$(packages "$kind")
    export BOOT_LAB_PKGS
    out=$({ "$lab" up "$host" && "$lab" exec "$host" bats --tap --print-output-on-failure "/test/$1"; } 2>&1) || code=$?
    "$lab" rm "$host"
    [[ $code == 0 ]] || out+=$'\n'"FAILED: $1"
    printf '# %s\n%s\n' "$1" "$out"
    return "$code"
}
export -f one packages
export lab
files=$(for what in "${@:-}"; do find "real/$what" -name '*.bats'; done | sort)
say "$(wc -l <<<"$files") files of tests with the real tools on booted hosts, ${JOBS:=3} at once (5 to 10 min)"
xargs -P "$JOBS" -I FILE bash -euo pipefail -c 'one FILE' <<<"$files"
