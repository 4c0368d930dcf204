#!/bin/sh
# The hook for every stage of a host under test, and its gate. It writes one line to the ledger before and one after its
# work, each in a single write, so that the lines of several hosts stay whole and in order.
# Exit: needs_update 1 while another version is offered; needs_reboot 1 for versions with an odd number; the gate 1 one
# time out of four, until the file calm is there; the stage that the file broken names, 1.
# Needs: CHAOS_HOST, CHAOS_DIR, CHAOS_LEDGER, and a sleep that takes fractions.
set -eu
record() {
	printf '{"kind":"%s","host":"%s","stage":"%s","run":"%s","rebooted":%s,"answer":"%s"}\n' \
		"$1" "$CHAOS_HOST" "$DLM_STAGE" "$DLM_RUN_ID" "$DLM_REBOOTED" "${2-}" >>"$CHAOS_LEDGER"
}
record begin
if [ -e "$CHAOS_DIR/broken" ]; then
	read -r broken <"$CHAOS_DIR/broken"
	if [ "$DLM_STAGE" = "$broken" ]; then
		record end failed
		exit 1
	fi
fi
read -r installed <"$CHAOS_DIR/installed"
answer=no
case $DLM_STAGE in
gate)
	sleep 0.05
	if [ -e "$CHAOS_DIR/../calm" ] || [ $(($$ % 4)) != 0 ]; then answer=yes; fi # each process has another number
	record end $answer
	[ $answer = yes ]
	exit
	;;
needs_update)
	read -r offered <"$CHAOS_DIR/offered"
	if [ "$installed" != "$offered" ]; then answer=yes; fi
	;;
update)
	sleep 0.03
	cp "$CHAOS_DIR/offered" "$CHAOS_DIR/installing"
	sleep 0.03
	mv "$CHAOS_DIR/installing" "$CHAOS_DIR/installed"
	sleep 0.1 # hosts in other slots are to meet it
	;;
needs_reboot)
	case $installed in *[13579]) answer=yes ;; esac
	;;
*)
	sleep 0.03
	;;
esac
record end $answer
[ $answer = no ]
