# What the hooks for snapper share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/snapper.sh"
# shellcheck shell=sh
: "${hook:?}" "${lib:?}" # the hook's name, this directory

# shellcheck disable=SC2034 # configs is for the hooks
configs=root cleanup=number description='' userdata='' options='' timeout=300 strict=yes
conf=$(dirname "${DLM_CONFIG:-/etc/foreman_dlm_updater/config.ini}")/hooks.conf.d/snapper.conf
# shellcheck source=/dev/null
[ ! -e "$conf" ] || . "$conf"
run=${DLM_RUN_ID:-by-hand}
# shellcheck source=cluster.sh
. "$lib/cluster.sh"
numbers "$conf" timeout="$timeout"
case $strict in yes | no) ;; *) fail "strict=$strict in $conf: use yes or no" ;; esac
case $configs in *[![:space:]]*) ;; *) fail "configs in $conf is empty: name one, such as root" ;; esac
case $userdata in *dlm_run=*) fail "userdata in $conf: leave out dlm_run, this hook sets it" ;; esac
[ -z "$userdata" ] || ! printf '%s\n' "$userdata" | tr , '\n' | grep -qv = ||
    fail "userdata=$userdata in $conf: use NAME=VALUE, and commas between several" # else the pre snapshot would fail

# snap CONFIG ARG...: runs snapper, and sets $said to its output, or to one line that says why it failed.
snap() {
    config=$1
    shift
    # shellcheck disable=SC2086 # each option is a word
    said=$(LC_ALL=C within "$timeout" snapper $options -c "$config" "$@" 2>&1) && return
    said=$(printf %s "$said" | tr '\n' ' ') && said=${said%.}
    return 1
}

# find_pair CONFIG: sets $pre to the newest pre snapshot that this run took, and $post to its post snapshot; empty:
# there is none. Sets $listed to yes if snapper could say so. snapper itself is the record: it has the run's name among
# a snapshot's user data.
# shellcheck disable=SC2034 # they are for the hooks
find_pair() {
    pre='' post='' listed=''
    snap "$1" --machine-readable csv list --disable-used-space --columns number,type,post-number,userdata || return
    case $said in number,type,post-number,userdata*) ;; *) return 1 ;; esac
    pair=$(printf '%s\n' "$said" | tr -d '" ' | awk -F , -v run="dlm_run=$run" '
        $2 == "pre" { for (i = 4; i <= NF; i++) if ($i == run) found = $1 " " $3 }
        END { print found }')
    pre=${pair%% *} post=${pair#* } listed=yes
}

# take CONFIG ARG...: takes a snapshot and sets $said to its number. ARG... say of which type.
take() {
    config=$1
    shift
    snap "$config" create "$@" --print-number --cleanup-algorithm "$cleanup" \
        --description "${description:-foreman-dlm-updater}" --userdata "dlm_run=$run${userdata:+,$userdata}" || return
    case $said in '' | *[!0-9]*) return 1 ;; esac
}

# can_roll_back CONFIG: true if `snapper rollback` can make a snapshot of CONFIG the next root: the host runs from a
# snapshot, as openSUSE sets it up.
can_roll_back() {
    case $(findmnt -n -o FSROOT / 2>/dev/null) in */.snapshots/[0-9]*/snapshot) ;; *) return 1 ;; esac
    snap "$1" --machine-readable csv get-config && printf '%s\n' "$said" | grep -qx 'SUBVOLUME,/'
}
