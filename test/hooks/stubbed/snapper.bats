#!/usr/bin/env bats
# The hooks for snapper: every branch, with a stub that keeps its snapshots in a file. Against the real one:
# ../real/snapper/.
load ../hook
bats_require_minimum_version 1.5.0

# $SNAPSHOTS has a line NUMBER,TYPE,POST-NUMBER,USERDATA for each snapshot, as snapper prints it. If the file FAIL
# exists, it is the command that fails.
prepare() {
    export SNAPSHOTS=$BATS_TEST_TMPDIR/snapshots FAIL=$BATS_TEST_TMPDIR/fail
    echo '0,single,,' >"$SNAPSHOTS"
    # shellcheck disable=SC2016 # for the stub's shell
    stub snapper 'type= pre= userdata= word=
for arg; do
    case $word in
    --type) type=$arg ;;
    --pre-number) pre=$arg ;;
    -c) [ "$arg" = root ] || SNAPSHOTS=$SNAPSHOTS-$arg ;;
    --userdata) userdata=$arg ;;
    esac
    word=$arg
done
[ ! -e "$FAIL" ] || case " $* " in *" $(cat "$FAIL") "*) echo "Failure (error.something)." >&2; exit 1 ;; esac
case " $* " in
*" -c nope "*) printf "Config %s not found.\nSee the manual.\n" nope >&2; exit 1 ;;
*" list "*)
    echo number,type,post-number,userdata
    [ -e "$SNAPSHOTS" ] || echo 0,single,, >"$SNAPSHOTS"
    cat "$SNAPSHOTS"
    ;;
*" create "*)
    number=$(wc -l <"$SNAPSHOTS")
    if [ "$type" = post ]; then
        grep -q "^$pre,pre,," "$SNAPSHOTS" || { echo "Illegal snapshot." >&2; exit 1; }
        sed -i "s/^$pre,pre,/&$number/" "$SNAPSHOTS"
    fi
    case $userdata in *,*) userdata="\"$(echo "$userdata" | sed "s/,/, /g")\"" ;; esac
    echo "$number,$type,,$userdata" >>"$SNAPSHOTS"
    echo "$number"
    ;;
*" get-config "*) printf "key,value\nFSTYPE,btrfs\nSUBVOLUME,${SUBVOLUME:-/}\n" ;;
esac'
    # shellcheck disable=SC2016
    stub findmnt 'echo "${FSROOT:-/@rootfs}"'
}
before() { : >"$CALLS" && hook pre_update/snapper; }
after() { : >"$CALLS" && hook post_update/snapper; }
gate() { : >"$CALLS" && hook gate/snapper; }
# snapshots LINE...: fails unless these are the snapshots, besides the running system.
snapshots() { diff <(printf '%s\n' '0,single,,' "$@") "$SNAPSHOTS"; }

@test "a pre and a post snapshot, once for each run; the notes name them and the way back" {
    before
    exits 0
    says "snapshot 1 of configuration root is taken"
    says "DLM_NOTE: snapshot 1 (snapper -c root) is from before the update; to go back to it:"
    says ": \`snapper -c root undochange 1..0\`"
    refute says rollback
    called "snapper -c root create --type pre --print-number --cleanup-algorithm number"
    called "number --description foreman-dlm-updater --userdata dlm_run=run-1"
    before # the stage runs again
    exits 0
    says "has taken snapshot 1 of configuration root already"
    says "DLM_NOTE: snapshot 1 "
    snapshots 1,pre,,dlm_run=run-1
    after
    exits 0
    says "snapshot 2 of configuration root is taken"
    says "DLM_NOTE: the update is between snapshots 1 and 2 (snapper -c root)"
    says "\`snapper -c root undochange 1..2\`"
    after
    exits 0
    says "has taken snapshots 1 and 2 of configuration root already"
    says "DLM_NOTE: the update is between snapshots 1 and 2"
    snapshots 1,pre,2,dlm_run=run-1 2,post,,dlm_run=run-1
    before # somebody sets the run back to pre_update: another update, another pair
    says "snapshot 3 of configuration root is taken"
    after
    says "snapshot 4 of"
}

@test "snapshots of other runs, and of others, are not ours" {
    printf '%s\n' '1,pre,,dlm_run=run-0' '2,pre,,' '3,pre,,"important=yes, dlm_run=run-10"' \
        '4,single,,dlm_run=run-1' >>"$SNAPSHOTS"
    after
    exits 0
    says "this run took no snapshot of configuration root before the update"
    refute called create
    before
    exits 0
    says "snapshot 5 "
    DLM_RUN_ID='' before
    says "snapshot 6 "
    called "dlm_run=by-hand"
}

@test "rollback is offered where the host runs from a snapshot of this configuration" {
    export FSROOT=/@/.snapshots/17/snapshot
    before
    says "\`snapper -c root undochange 1..0\`, or \`snapper -c root rollback 1\` and a reboot"
    export SUBVOLUME=/srv
    before
    refute says rollback
    stub findmnt 'exit 1'
    SUBVOLUME=/ before
    exits 0
    refute says rollback
}

@test "the settings" {
    setting snapper "configs='root data'" cleanup=timeline description=update userdata=important=yes \
        options=--no-dbus timeout=5
    before
    exits 0
    called "snapper --no-dbus -c root create --type pre --print-number --cleanup-algorithm timeline"
    called "timeline --description update --userdata dlm_run=run-1,important=yes"
    called "snapper --no-dbus -c data create"
    says "snapshot 1 of configuration root"
    before
    says "already"
    refute called create
    for bad in timeout=x strict=maybe userdata=dlm_run=x userdata=important userdata=a=b,c configs=; do
        setting snapper "$bad"
        before
        exits 1
        says "${bad%%=*}"
        after
        exits 1
        gate
        exits 1
    done
}

@test "snapper fails: no update, or with strict=no one without a snapshot; the post snapshot never matters" {
    local command
    for command in list create; do
        echo $command >"$FAIL"
        before
        exits 1
        says "no snapshot of configuration root could be taken: Failure (error.something)."
        says "start the updater again"
        refute says DLM_NOTE
        setting snapper strict=no
        before
        exits 0
        says "Going on without (strict=no)"
        refute says DLM_NOTE
        setting snapper
    done
    rm "$FAIL"
    before
    exits 0
    for command in list create; do
        echo $command >"$FAIL"
        after
        exits 0
        says "Failure (error.something)"
        refute says DLM_NOTE
    done
}

@test "an answer that is not understood: no snapshot is taken for good" {
    stub snapper 'echo "Unknown option --machine-readable"'
    before
    exits 1
    says "Unknown option"
    after
    exits 0
    says "Unknown option"
    stub snapper 'case $* in *list*) echo number,type,post-number,userdata ;; *) echo done ;; esac'
    before
    exits 1
    says "could be taken: done"
    stub snapper 'exec /bin/sleep 60'
    setting snapper timeout=1
    before
    exits 1
    says "no answer within 1 s"
}

@test "the gate: yes if snapper can list the snapshots of each configuration" {
    yes
    setting snapper "configs='root nope'"
    no "snapper: snapper can't list the snapshots of configuration nope: Config nope not found. See the manual"
    before
    exits 1 # in one line: of several, only the last is in \`status\`
    [[ ${stderr##*$'\n'} == *" could be taken: Config nope not found. See the manual. Fix it, and start "* ]]
    stub snapper 'echo one >&2; echo two >&2; exit 1'
    no "snapper: snapper can't list the snapshots of configuration root: one two"
    stub snapper 'exec /bin/sleep 60'
    setting snapper timeout=1
    no "snapper: snapper can't list the snapshots of configuration root: no answer within 1 s"
    setting snapper timeout=1 strict=no # pre_update/snapper would go on without a snapshot
    gate
    exits 0
    says "snapper can't list the snapshots of configuration root: no answer within 1 s. Going on without (strict=no)"
}
