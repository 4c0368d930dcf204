#!/usr/bin/env bats
# needs_reboot/livepatch with directories in place of /boot, /lib/modules, /proc and /sys, and with recorded answers:
# canonical-livepatch of Landscape's documentation and of a client 11.0.2, kpatch of Red Hat's courses and of its own
# source (0.9.10), klp of its manual page. No kernel can be patched live here.
load ../hook

prepare() {
    ROOT=$BATS_TEST_TMPDIR/root
    mkdir -p "$ROOT"/{boot,lib/modules,proc,sys/kernel/livepatch}
    setting livepatch "root=$ROOT"
    stub systemd-detect-virt 'exit 1'
    stub uname "[ \"\$1\" = -v ] && echo '#1 SMP' || echo 5.15.0-100-generic"
    echo "864000.51 1700000.00" >"$ROOT/proc/uptime" # 10 days
    kernel 5.15.0-100-generic
    kernel 5.15.0-119-generic
}
kernel() {
    mkdir -p "$ROOT/lib/modules/$1"
    echo image >"$ROOT/boot/vmlinuz-$1"
}
patch() { # NAME ENABLED TRANSITION
    mkdir -p "$ROOT/sys/kernel/livepatch/$1"
    echo "$2" >"$ROOT/sys/kernel/livepatch/$1/enabled"
    echo "$3" >"$ROOT/sys/kernel/livepatch/$1/transition"
}
answers() { hook needs_reboot/livepatch && exits "$1"; }
canonical() { # STATE CHECK SUPPORTED UNTIL [KERNEL]
    stub canonical-livepatch 'cat <<"END"
{
  "Client-Version": "v11.0.2",
  "Status": [
    {"Kernel": "5.15.0-119.129-generic", "Running": false, "Livepatch": {"State": "unapplied"}},
    {"Kernel": "'"${5:-5.15.0-100.110-generic}"'",
     "Livepatch": {"CheckState": "'"$2"'", "Fixes": [
       {"Bug": "", "Description": "", "Name": "cve-2024-1086", "Patched": true}], "State": "'"$1"'",
       "Version": "104.1"},
     "Running": true, "Supported": "'"$3"'", "UpgradeRequiredDate": "'"$4"'"}
  ],
  "tier": "updates"
}
END'
}
kpatch() { # LOADED
    stub uname "[ \"\$1\" = -v ] && echo '#1 SMP' || echo 5.14.0-284.11.1.el9_2.x86_64"
    kernel 5.14.0-284.11.1.el9_2.x86_64
    kernel 5.14.0-427.el9.x86_64
    stub kpatch 'cat <<"END"
Loaded patch modules:
'"$1"'

Installed patch modules:
kpatch_5_14_0_284_11_1_1_1 (5.14.0-284.11.1.el9_2.x86_64)
kpatch_5_14_0_427_1_1_1 (5.14.0-427.el9.x86_64)
END'
}

@test "the newest kernel runs: no, and nothing else is asked" {
    rm -r "$ROOT/lib/modules/5.15.0-119-generic"
    canonical unapplied checked supported 2999-01-01
    answers 0
    says "is the newest"
    refute called canonical-livepatch
    stub systemd-detect-virt
    kernel 5.15.0-119-generic
    answers 0
}

@test "whether there is a newer kernel is unknown: could not find out" {
    kernel 6.9.9-web
    rm -r "$ROOT/lib/modules/5.15.0-119-generic"
    answers 75
    says 6.9.9-web
    setting kernel-changed "ignore='6.*'" # this hook reads it
    answers 0
}

@test "a newer kernel, and nothing that patches the running one: yes" {
    local tool
    for tool in canonical-livepatch klp kpatch; do
        if command -v "$tool" >/dev/null; then skip "$tool is installed here"; fi
    done
    answers 1
    says "nothing here patches"
}

@test "patched live: no, within the limits" {
    canonical applied checked supported 2999-03-07
    patch lkp_Ubuntu_5_15_0_100_110_generic_104 1 0
    answers 0
    says "patched live: canonical-livepatch: applied, lkp_Ubuntu"
    setting livepatch "root=$ROOT" max_uptime=10
    answers 1
    says "up for 10 days"
    setting livepatch "root=$ROOT" max_pending=0
    answers 1
    says "max_pending=0"
    setting livepatch "root=$ROOT" max_pending=soon
    answers 75
    setting livepatch "root=$ROOT"
    echo nonsense >"$ROOT/proc/uptime"
    answers 75
}

@test "a patch that is not simply enabled: could not find out" {
    canonical applied checked supported 2999-03-07
    patch one 1 0
    patch two 1 1
    answers 75
    says "two is in transition"
    patch two 0 0
    answers 75
    says "two is disabled"
    patch two 2 0
    answers 75
    rm "$ROOT/sys/kernel/livepatch/two/transition"
    answers 75
    says "nothing of its state"
}

@test "canonical-livepatch" {
    patch one 1 0
    while read -r code state check supported until; do
        canonical "$state" "$check" "$supported" "$until"
        answers "$code" || { echo "$state $check $supported $until"; false; }
    done <<'LIST'
0 applied checked supported 2999-03-07
0 applied checked supported
0 nothing-to-apply checked supported 2999-03-07
75 unapplied checked supported 2999-03-07
75 applying checked supported 2999-03-07
1 apply-failed checked supported 2999-03-07
1 applied-with-bug checked supported 2999-03-07
1 kernel-upgrade-required checked supported 2999-03-07
75 applied check-failed supported 2999-03-07
75 applied needs-check supported 2999-03-07
1 applied checked unsupported 2999-03-07
1 applied checked kernel-end-of-life 2999-03-07
75 applied checked unknown 2999-03-07
75 splendid checked supported 2999-03-07
1 applied checked supported 2025-03-07
75 applied checked supported soon
LIST
    canonical applied checked supported 2999-03-07 6.8.0-1.1-generic
    answers 75
    says "6.8.0-1.1-generic"
    rm -r "$ROOT/sys/kernel/livepatch/one"
    canonical nothing-to-apply checked supported 2999-03-07
    answers 0
    sed -i 's/"State": "nothing/"patchState": "nothing/' "$BATS_TEST_TMPDIR/bin/canonical-livepatch" # version 10
    answers 0
    canonical applied checked supported 2999-03-07
    answers 75
    stub canonical-livepatch 'echo "{\"Status\": []}"'
    answers 75
    stub canonical-livepatch 'echo "Machine is not enabled. Please run '"'canonical-livepatch enable'"'"; exit 1'
    answers 75
    says "not enabled"
    stub canonical-livepatch 'echo "not JSON"'
    answers 75
}

@test "kpatch" {
    kpatch 'kpatch_5_14_0_284_11_1_1_1 [enabled]'
    patch kpatch_5_14_0_284_11_1_1_1 1 0
    answers 0
    says "kpatch: kpatch_5_14_0_284_11_1_1_1"
    kpatch 'kpatch_5_14_0_284_11_1_1_1 [enabling...]'
    answers 75
    kpatch 'kpatch_5_14_0_284_11_1_1_1 [disabled]'
    answers 75
    kpatch ''
    answers 75
    says "is installed and not loaded"
    rm -r "$ROOT/sys/kernel/livepatch/kpatch_5_14_0_284_11_1_1_1"
    stub kpatch 'printf "%s\n" "Loaded patch modules:" "" "Installed patch modules:" ""'
    answers 1
    says "no live patch is loaded"
    stub kpatch 'echo "Loaded patch modules:"'
    answers 75
    stub kpatch 'echo "kpatch: no"; exit 1'
    answers 75
}

@test "klp" {
    patch livepatch_1_5_3_2 1 0
    stub klp 'echo ready'
    answers 0
    called "klp status"
    stub klp 'echo in_progress'
    answers 75
    stub klp 'exit 1'
    answers 75
    rm -r "$ROOT/sys/kernel/livepatch/livepatch_1_5_3_2"
    stub klp 'echo ready'
    answers 1
}

@test "the setting tool" {
    patch one 1 0
    stub klp 'echo ready'
    setting livepatch "root=$ROOT" tool=klp
    canonical unapplied checked supported 2999-03-07
    answers 0
    refute called canonical-livepatch
    setting livepatch "root=$ROOT" tool=magic
    answers 75
}

@test "a mistake in the settings does not count as yes" {
    setting livepatch 'root=('
    answers 75
    unset DLM_CANNOT_TELL_EXIT
    answers 0
}
