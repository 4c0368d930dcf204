#!/bin/bash
# boot-lab.sh - a small lab of hosts that each boot a REAL systemd as PID 1, for end-to-end tests.
#
# A host is a systemd-nspawn container: an overlay over one cached Debian rootfs, with its own PID, UTS, IPC,
# cgroup, mount and network namespaces. `systemctl reboot` inside it is a whole shutdown and a whole boot:
# every process dies, /run and /tmp are emptied, /proc/sys/kernel/random/boot_id is a new one, the disk stays.
# A host has no kernel, initrd or bootloader of its own: it shares the machine's kernel (uname, /proc/uptime, sysctls).
# And nspawn's boot id is a mount that a unit with ProtectKernelTunables=, ProtectControlGroups= or ProtectProc= does
# not see: such a unit sees the machine's boot id, which is the same after each reboot.
# Runs as root, without systemd, D-Bus or a terminal on the machine; reads no standard input.
# The hosts' bridge is in its own network namespace, with no way out. Start a server for the hosts there
# (`boot-lab.sh net CMD`), on the address .1, which the hosts know as "server".
#
#   boot-lab.sh deps                     apt-get install what this needs
#   boot-lab.sh rootfs                   build the rootfs, or take it from the cache, and print its path
#   boot-lab.sh up NAME...               create (first time) and boot hosts; returns when all are booted
#   boot-lab.sh exec NAME CMD [ARG...]   run a command inside as root; its exit status is the command's
#   boot-lab.sh push NAME SRC DST        copy a file in (out: exec NAME cat SRC >DST, or the shared folder /lab)
#   boot-lab.sh boots NAME               print how many times this host has booted
#   boot-lab.sh wait NAME BOOTS          wait until it has booted at least BOOTS times and is up
#   boot-lab.sh reboot NAME              `systemctl reboot` inside, and wait for the next boot
#   boot-lab.sh crash NAME...            power loss: SIGKILL to everything inside, disk kept (then: up)
#   boot-lab.sh down NAME...             clean power-off, disk kept (then: up)
#   boot-lab.sh rm NAME...               crash, and delete the disk
#   boot-lab.sh net CMD [ARG...]         run a command in the network namespace of the bridge
#   boot-lab.sh list                     print name, address, boots and state of each host
#   boot-lab.sh destroy                  remove all hosts and the network (the cached rootfs stays)
#
# A booted host takes some ten inotify instances. Where the machine allows few of them (fs.inotify.max_user_instances),
# that limit is raised, until the machine's next boot.
#
# Settings (environment): BOOT_LAB_DIR (state), BOOT_LAB_CACHE (rootfs cache), BOOT_LAB_PKGS (more Debian packages
# for the rootfs, with commas; each host keeps the rootfs it was made with), BOOT_LAB_NET (first three octets),
# BOOT_LAB_TIMEOUT (seconds for one boot or stop), BOOT_LAB_NSPAWN (more systemd-nspawn options, such as
# --bind-ro=/path/to/debs:/debs, read by `up`), BOOT_LAB_SUITE (another Debian, such as trixie) and
# BOOT_LAB_SOURCES (apt source files).
set -euo pipefail; umask 022
LAB=${BOOT_LAB_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/boot-lab}
CACHE=${BOOT_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/boot-lab}
NET=${BOOT_LAB_NET:-10.77.0}
TIMEOUT=${BOOT_LAB_TIMEOUT:-300} # generous: it only matters if something is wrong or the machine is busy
# The hosts run this machine's Debian, from its own apt sources, or another Debian from the same servers.
# shellcheck disable=SC1091
OWN_SUITE=$(. /etc/os-release && echo "$VERSION_CODENAME")
SUITE=${BOOT_LAB_SUITE:-$OWN_SUITE}
SOURCES=${BOOT_LAB_SOURCES:-$(find /etc/apt -name '*.sources' -o -name 'sources.list' -size +0 \
    -o -path '*.d/*.list' -size +0)}
BASE=systemd,systemd-sysv,dbus,iproute2
PKGS=$BASE${BOOT_LAB_PKGS:+,$BOOT_LAB_PKGS}
ID=bl-$(printf %s "$LAB" | sha256sum | cut -c1-6) # for the names of namespaces and cgroups; one for each BOOT_LAB_DIR
SELF=$(readlink -f "${BASH_SOURCE[0]}")

say() { echo "$*" | tee -a "${PROGRESS:-/dev/null}" >&2; }
die() { echo "boot-lab: $*" >&2; exit 1; }
host() { [[ $1 =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || die "bad host name: $1"; echo "$LAB/hosts/$1"; } # its directory
locked() { mkdir -p "$LAB"; exec 9>"$LAB/lock"; flock 9; } # until `exec 9>&-`
until_true() { local end=$((SECONDS + $1)); shift; until "$@"; do ((SECONDS < end)) || return 1; sleep 0.1; done; }

# --- processes: a pid is kept with its start time, so that a signal never reaches another process -----------
start_time() { local s; s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1; s=${s##*) }; cut -d' ' -f20 <<<"$s"; }
note_pid() { echo "$1 $(start_time "$1")" >"$2.tmp"; mv "$2.tmp" "$2"; } # PID FILE
live_pid() { # FILE -> pid, if that process still runs
    local pid start; read -r pid start 2>/dev/null <"$1" || return 1
    [[ $(start_time "$pid") == "$start" ]] && echo "$pid"
}
signal() { local pid; if pid=$(live_pid "$2"); then kill "-$1" "$pid"; fi; } # SIGNAL FILE
leader() { # NAME -> the pid, seen from here, of the host's PID 1
    local nspawn child=; nspawn=$(live_pid "$(host "$1")/nspawn.pid") || return 1
    read -r child _ 2>/dev/null <"/proc/$nspawn/task/$nspawn/children" || [[ -n $child ]] || return 1
    [[ $(awk '/^NSpid:/ {print $NF, NF}' "/proc/$child/status" 2>/dev/null) == "1 3" ]] && echo "$child"
}
# A host that goes down stops all its processes for a moment (SIGSTOP, SIGCONT). nsenter, once its child is stopped,
# stops itself, and the host's SIGCONT does not reach it. Hence --no-fork, and a shell that waits: it takes no notice.
inside() { # NAME CMD...: enter every namespace of the host's PID 1
    local pid; pid=$(leader "$1") || die "$1 is not up"; shift
    nsenter --no-fork -t "$pid" -m -u -i -n -p -C -- env -i HOME=/root LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin sh -c '"$@"; exit $?' sh "$@"
}

# --- rootfs ------------------------------------------------------------------------------------------------
deps() {
    local cmd missing=
    for cmd in systemd-nspawn mmdebstrap ip dpkg-scanpackages; do command -v "$cmd" >/dev/null || missing+=" $cmd"; done
    [[ -n $missing ]] || return 0
    command -v apt-get >/dev/null || die "not installed, and there is no apt-get to install it with:$missing"
    apt-get -q update >&2 </dev/null
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends \
        systemd-container mmdebstrap iproute2 dpkg-dev >&2 </dev/null
}
other_sources() { # DIR: sets SOURCES to copies in DIR, for $SUITE
    local file copies=
    mkdir -p "$1"
    for file in $SOURCES; do
        sed "s/\<$OWN_SUITE\>/$SUITE/g" "$file" >"$1/${file##*/}"
        copies+=" $1/${file##*/}"
    done
    SOURCES=$copies
}
# A root filesystem with more packages begins as a copy of the one without, which saves half of its time.
rootfs() {
    local key dir tmp base='' variant=minbase
    key=$(printf '%s\n' 3 "$SUITE" "$SOURCES" "$PKGS" | sha256sum | cut -c1-12)
    dir=$CACHE/rootfs-$key tmp=$CACHE/tmp-$key
    mkdir -p "$CACHE"; exec 8>"$CACHE/lock-$key"; flock 8
    if [[ ! -d $dir ]]; then
        if [[ $PKGS != "$BASE" ]]; then base=$(BOOT_LAB_PKGS='' "$SELF" rootfs) variant=custom; fi
        say "boot-lab: building a root filesystem with $PKGS (about 1 min)"
        rm -rf --one-file-system "$tmp"
        # mmdebstrap creates the device nodes itself, and fails if they exist.
        [[ -z $base ]] || { cp -a "$base" "$tmp"; rm -rf "${tmp:?}/dev"; mkdir "$tmp/dev"; }
        # No package source is left inside: apt in a host sees just the local repository that a test gives it.
        [[ $SUITE == "$OWN_SUITE" || -n ${BOOT_LAB_SOURCES:-} ]] || other_sources "$CACHE/sources-$key"
        # shellcheck disable=SC2086,SC2016 # SOURCES: file names, or "deb URL suite main" given as one; $1: mmdebstrap's
        TMPDIR=$CACHE mmdebstrap --quiet --variant=$variant --skip=check/empty --include="$PKGS" \
            --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
            --customize-hook='cd "$1"; : >etc/apt/sources.list; rm -f etc/apt/sources.list.d/*' \
            --customize-hook='mkdir -p "$1/var/log/journal"' \
            "$SUITE" "$tmp" $SOURCES >"$CACHE/build-$key.log" 2>&1 </dev/null ||
            { tail -20 "$CACHE/build-$key.log" >&2; rm -rf --one-file-system "$tmp"; die "mmdebstrap failed"; }
        mv "$tmp" "$dir"
    fi
    exec 8>&-; echo "$dir"
}

# --- network: a bridge in the namespace $ID, a namespace for each host, no interface in the machine's own ----
network() {
    [[ -e /run/netns/$ID ]] && return
    ip netns add "$ID"
    # Without its own address a bridge takes a port's, which changes whenever hosts come and go.
    printf '%s\n' "link set lo up" "link add br0 address 02:b0:07:1a:b0:01 type bridge" \
        "addr add $NET.1/24 dev br0" "link set br0 up" |
        ip -n "$ID" -batch -
}
host_network() { # NAME OCTET
    local ns=$ID-$1
    [[ -e /run/netns/$ns ]] && return
    ip netns add "$ns"
    # Each host has its own MAC address, because others remember which host had the octet before (ARP).
    printf '%s\n' "link add v$2 type veth peer name host0 address $(printf 02:b0:07:1a:b0:%02x "$2") netns $ns" \
        "link set v$2 master br0 up" | ip -n "$ID" -batch -
    printf '%s\n' "link set lo up" "addr add $NET.$2/24 dev host0" "link set host0 up" | ip -n "$ns" -batch -
}

# --- inotify -----------------------------------------------------------------------------------------------
INSTANCES=/proc/sys/fs/inotify/max_user_instances ENOUGH=1024
enough_inotify() {
    local limit; limit=$(cat "$INSTANCES")
    ((limit >= ENOUGH)) || echo "$ENOUGH" 2>/dev/null >"$INSTANCES" ||
        echo "boot-lab: fs.inotify.max_user_instances is $limit and can't be raised:" \
            "some $((limit / 10)) hosts can be up at once" >&2
}

# --- hosts -------------------------------------------------------------------------------------------------
start() { # NAME: create the host if necessary, and start its supervisor if none runs
    local h octet=11; h=$(host "$1")
    locked; network
    if [[ ! -f $h/octet ]]; then
        while grep -qsx "$octet" "$LAB"/hosts/*/octet; do octet=$((octet + 1)); done
        mkdir -p "$h"/{upper/etc,work,root,share}
        rootfs >"$h/rootfs"
        echo 0 >"$h/boots"
        echo "$1" >"$h/upper/etc/hostname"
        tr -d - </proc/sys/kernel/random/uuid >"$h/upper/etc/machine-id" # set, so no first-boot presets
        [[ -f $LAB/etc-hosts ]] || printf '%s\n' "127.0.0.1 localhost" "$NET.1 server" >"$LAB/etc-hosts"
        echo "$NET.$octet $1" >>"$LAB/etc-hosts" # bound into every host as /etc/hosts: seen at once
        echo "$octet" >"$h/octet"
    fi
    host_network "$1" "$(cat "$h/octet")"
    enough_inotify
    if ! live_pid "$h/supervisor.pid" >/dev/null; then
        echo "$(($(cat "$h/boots") + 1))" >"$h/awaited"
        setsid unshare --mount --propagation private "$SELF" _supervise "$1" >>"$h/console.log" 2>&1 </dev/null 9>&- &
        until_true 60 live_pid "$h/supervisor.pid" >/dev/null || die "$1: no supervisor"
    fi
    exec 9>&-
}
supervise() { # NAME; runs in its own mount namespace, so its mounts end with it
    local h rc=133 cg=/sys/fs/cgroup/$ID/$1; h=$(host "$1")
    note_pid $$ "$h/supervisor.pid"
    mount -t cgroup2 cgroup2 /sys/fs/cgroup # the machine may have v1 or hybrid there: use unified
    mkdir -p /run/systemd
    mount -t tmpfs tmpfs /run/systemd # nspawn wants its own files on a tmpfs
    mount -t overlay -o "lowerdir=$(cat "$h/rootfs"),upperdir=$h/upper,workdir=$h/work" overlay "$h/root"
    # --keep-unit and --register=no: nspawn asks for no D-Bus, and exits 133 when the host reboots.
    while ((rc == 133)); do
        mkdir -p "$cg"
        # shellcheck disable=SC2086
        (
            echo $BASHPID >"$cg/cgroup.procs" # --keep-unit uses its current cgroup: one for each host
            note_pid $BASHPID "$h/nspawn.pid"
            echo "$(($(cat "$h/boots") + 1))" >"$h/boots.tmp"; mv "$h/boots.tmp" "$h/boots"
            exec systemd-nspawn --quiet --boot --keep-unit --register=no --link-journal=no --console=read-only \
                --directory="$h/root" --machine="$1" --hostname="$1" --network-namespace-path="/run/netns/$ID-$1" \
                --resolv-conf=off --timezone=off --bind-ro="$LAB/etc-hosts:/etc/hosts" --bind="$h/share:/lab" \
                ${BOOT_LAB_NSPAWN:-}
        ) && rc=0 || rc=$?
        echo 1 >"$cg/cgroup.kill" 2>/dev/null || true
        until_true 60 no_cgroup "$cg" || true
    done
    echo "$rc" >"$h/exit"
}
no_cgroup() { find "$1" -depth -type d -exec rmdir {} + 2>/dev/null || [[ ! -d $1 ]]; }
booted() { # NAME BOOTS
    local state
    (($(cat "$(host "$1")/boots") >= $2)) && leader "$1" >/dev/null || return 1
    state=$(inside "$1" systemctl is-system-running 2>/dev/null) || true
    [[ $state == running || $state == degraded ]] # degraded: a unit failed; the test decides
}
wait_up() { # NAME BOOTS
    local end=$((SECONDS + TIMEOUT))
    until booted "$1" "$2"; do
        ! stopped "$1" || not_up "$1" "it went down instead of booting" "$2"
        ((SECONDS < end)) || not_up "$1" "not up after $TIMEOUT s" "$2"
        sleep 0.1
    done
}
not_up() { # NAME WHY BOOTS
    local last; last=$(tail -20 "$(host "$1")/console.log"); echo "$last" >&2
    [[ $last != *inotify* ]] || die "$1: the inotify instances of this machine are used up," \
        "by other hosts perhaps. Allow more:" "sysctl -w fs.inotify.max_user_instances=$((2 * $(cat "$INSTANCES")))"
    die "$1: $2 (boots: $(cat "$(host "$1")/boots"), wanted $3)"
}
stopped() { ! live_pid "$(host "$1")/supervisor.pid" >/dev/null; }
up() {
    local n
    for n in "$@"; do start "$n"; done
    for n in "$@"; do wait_up "$n" "$(cat "$(host "$n")/awaited")"; done
}
reboot_host() {
    local n; n=$(cat "$(host "$1")/boots")
    inside "$1" systemctl reboot 2>/dev/null || true # the connection may die with the host
    wait_up "$1" $((n + 1))
}
down() { # SIGTERM makes nspawn tell the host's systemd to power off
    local n
    for n in "$@"; do signal TERM "$(host "$n")/nspawn.pid"; done
    for n in "$@"; do
        until_true "$TIMEOUT" stopped "$n" || { echo "boot-lab: $n: no clean power-off" >&2; crash "$n"; }
    done
}
crash() {
    local n pid
    for n in "$@"; do
        if pid=$(leader "$n"); then kill -KILL "$pid"; fi
    done
    for n in "$@"; do
        until_true 60 stopped "$n" && continue
        signal KILL "$(host "$n")/supervisor.pid"; signal KILL "$(host "$n")/nspawn.pid"
        until_true 60 stopped "$n" || die "$n: still running"
    done
}
# etc-hosts is bound into every host, so no other file can take its place. And it is never cut short: whoever looks at
# that moment finds no server in it, and asks a DNS server that no host can reach.
forget_address() { # NAME: make its line a comment; one byte changes
    local at
    while read -r at; do
        printf '#' | dd status=none of="$LAB/etc-hosts" bs=1 seek="$at" conv=notrunc
    done < <(grep -bx "[0-9.]* $1" "$LAB/etc-hosts" 2>/dev/null | cut -d: -f1)
}
remove() {
    local n
    crash "$@"
    locked
    for n in "$@"; do
        ip netns del "$ID-$n" 2>/dev/null || true
        forget_address "$n"
        rm -rf --one-file-system "$(host "$n")"
    done
    exec 9>&-
}
list() {
    local h n
    for h in "$LAB"/hosts/*/; do
        n=$(basename "$h")
        [[ ! -d $h ]] ||
            echo "$n $NET.$(cat "$h/octet") boots=$(cat "$h/boots") $(stopped "$n" && echo down || echo up)"
    done
}
destroy() {
    local all
    locked; exec 9>&- # include a host that is being created
    mapfile -t all < <(list | cut -d' ' -f1)
    remove "${all[@]}"
    ip netns del "$ID" 2>/dev/null || true
    find /sys/fs/cgroup -depth -path "*/$ID*" -type d -exec rmdir {} + 2>/dev/null || true
    rm -rf --one-file-system "$LAB"
}

cmd=${1:-help}; shift || true
case $cmd in
deps | rootfs | list | destroy | up | down | crash) "$cmd" "$@" ;;
rm) remove "$@" ;;
exec) inside "$@" ;;
push) inside "$1" tee "$3" <"$2" >/dev/null ;;
boots) cat "$(host "$1")/boots" ;;
wait) wait_up "$1" "$2" ;;
reboot) reboot_host "$1" ;;
net) locked; network; exec 9>&- nsenter --net="/run/netns/$ID" -- "$@" ;; # exec: the caller's $! is CMD
_supervise) supervise "$1" ;;
*) sed -n '2,/^set /s/^# \{0,1\}//p' "$SELF"; [[ $cmd == help ]] ;;
esac
