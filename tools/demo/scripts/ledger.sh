# shellcheck shell=sh
# Sourced by the scripts of a demonstration host. record STAGE begin|step|end [TEXT] adds a line to the ledger: a pipe,
# so that the kernel keeps all hosts' lines in one order. Opened for reading as well (1<>), because to open a pipe
# for writing alone waits for a reader, for ever once the demonstration is gone.
# Needs: DEMO_HOST, DEMO_LEDGER.
record() { echo "$DEMO_HOST $*" 1<>"$DEMO_LEDGER"; }
