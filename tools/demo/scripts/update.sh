#!/bin/sh
# Copies the new version over the old one, file by file; the version last, so that an update cut short is still due.
# Stage: update. Exit: 0, cp's, or 1 if there is no room. Needs: DEMO_DIR, and a sleep that takes fractions (GNU,
# busybox).
set -eu
# shellcheck source-path=SCRIPTDIR source=ledger.sh
. "$DEMO_DIR/ledger.sh"
read -r offered <"$DEMO_DIR/offered/version"
record update begin "installs version $offered"
for file in kernel program version; do
	sleep 0.6
	if [ "$file" = version ] && [ -e "$DEMO_DIR/disk_full" ]; then
		record update end "fails: no space left on its disk"
		exit 1
	fi
	cp "$DEMO_DIR/offered/$file" "$DEMO_DIR/installed/$file"
	record update step
done
record update end
