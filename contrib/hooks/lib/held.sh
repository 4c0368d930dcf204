# systemd runs this before it starts a service that a stop hook holds down (ExecCondition=, see hold.sh):
# sh held.sh STATE RUN START-HOOK UNIT
# Exit: 0 it may start; 1 it stays down. systemctl then exits 0 all the same, so that no package's script fails.
# shellcheck shell=sh
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin # not the one that the unit has in Environment=
state=$1 run=$2 hook=$3 unit=$4
code=0
grep -qsF "\"run\":\"$run\"" "$state" || code=$?
[ "$code" != 1 ] || exit 0                   # another run is on record
[ "$code" = 0 ] || [ -e "$state" ] || exit 0 # none is
file=/run/systemd/system/$unit.d/zz-foreman-dlm-updater.conf
text="$unit is not started: update run $run has stopped it, and post_update/$hook starts it again.
To go on with the run: start the updater again. To start the unit now all the same:
    rm '$file' && systemctl daemon-reload && systemctl start '$unit'"
printf '%s\n' "$text" >&2
# systemctl says nothing of a start that is skipped. So tell whoever waits for it on a terminal.
for proc in /proc/[0-9]*; do
    name=
    { read -r name <"$proc/comm"; } 2>/dev/null || :
    [ "$name" = systemctl ] || continue
    tty=$(readlink "$proc/fd/2") || continue
    case $tty in /dev/pts/* | /dev/tty*) printf '%s\n' "$text" | timeout 2 tee "$tty" >/dev/null || : ;; esac
done
exit 1
