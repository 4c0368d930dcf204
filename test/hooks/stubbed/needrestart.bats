#!/usr/bin/env bats
# needs_reboot/needrestart with the batch output of needrestart 3.6 (from its source: KSTA 0 unknown, 1 current, 2
# rebuilt under the same version, 3 another version; UCSTA 0 unknown, 1 current, 2 obsolete).
load ../hook

# reports LINE...: sets needrestart's output.
reports() { stub needrestart "printf '%s\n' 'NEEDRESTART-VER: 3.6' $(printf "'%s' " "$@")"; }
answers() { # CODE [LINE...]
    reports "${@:2}"
    hook needs_reboot/needrestart
    exits "$1"
}

@test "nothing to report: no; and nothing is ever restarted" {
    answers 0
    says "nothing runs an old version"
    called "needrestart -b -r l -m a -k -l"
}

@test "the kernel" {
    answers 0 'NEEDRESTART-KCUR: 6.1.0-9-amd64' 'NEEDRESTART-KEXP: 6.1.0-9-amd64' 'NEEDRESTART-KSTA: 1'
    answers 1 'NEEDRESTART-KCUR: 6.1.0-9-amd64' 'NEEDRESTART-KEXP: 6.1.0-9-amd64' 'NEEDRESTART-KSTA: 2'
    says "rebuilt"
    answers 1 'NEEDRESTART-KCUR: 6.1.0-9-amd64' 'NEEDRESTART-KEXP: 6.1.0-10-amd64' 'NEEDRESTART-KSTA: 3'
    says "another kernel"
}

@test "an unknown kernel state: could not find out" {
    answers 75 'NEEDRESTART-KCUR: 6.1.0-9-amd64' 'NEEDRESTART-KSTA: 0'
    says "could not find out"
    says "kernel=no"
    answers 75 'NEEDRESTART-KSTA: 9'
    unset DLM_CANNOT_TELL_EXIT
    answers 0 'NEEDRESTART-KSTA: 0'
    says "could not find out"
}

@test "services: yes, even if the kernel is unknown" {
    answers 1 'NEEDRESTART-KSTA: 1' 'NEEDRESTART-SVC: ssh.service' 'NEEDRESTART-SVC: cron.service'
    says "ssh.service, cron.service"
    answers 1 'NEEDRESTART-KSTA: 0' 'NEEDRESTART-SVC: ssh.service'
}

@test "sessions and containers do not count" {
    answers 0 'NEEDRESTART-KSTA: 1' 'NEEDRESTART-CONT: web' 'NEEDRESTART-SESS: root @ session #1'
}

@test "the updater's own units do not count, nor ignored ones" {
    answers 0 'NEEDRESTART-SVC: foreman-dlm-updater.service' 'NEEDRESTART-SVC: foreman-dlm-updater-resume.service'
    setting needrestart "ignore='user@*.service docker.service'"
    answers 0 'NEEDRESTART-SVC: user@1000.service' 'NEEDRESTART-SVC: docker.service'
    answers 1 'NEEDRESTART-SVC: user@1000.service' 'NEEDRESTART-SVC: cron.service'
    refute says "user@1000"
}

@test "the settings choose what needrestart checks" {
    setting needrestart services=no
    answers 0
    called "needrestart -b -r l -m a -k"
    refute called " -l"
    setting needrestart kernel=no
    : >"$CALLS"
    answers 0
    refute called " -k"
    setting needrestart microcode=yes
    answers 0 'NEEDRESTART-UCSTA: 1'
    called " -w"
    answers 1 'NEEDRESTART-UCSTA: 2'
    says microcode
    answers 75 'NEEDRESTART-UCSTA: 0'
}

@test "all switched off: could not find out" {
    setting needrestart kernel=no services=no
    answers 75
    says "all switched off"
}

@test "no needrestart, a failing one, one without a report: could not find out" {
    if command -v needrestart >/dev/null; then skip "needrestart is installed here"; fi
    hook needs_reboot/needrestart
    exits 75
    says "install it"
    stub needrestart 'echo "NEEDRESTART-SVC: ssh.service"; exit 1'
    hook needs_reboot/needrestart
    exits 75
    stub needrestart :
    hook needs_reboot/needrestart
    exits 75
    says "printed no report"
}

@test "one that hangs, with a process of its own: could not find out" {
    stub needrestart 'sleep 60 & wait'
    setting needrestart timeout=1
    SECONDS=0
    hook needs_reboot/needrestart
    exits 75
    says "no answer within 1 s"
    ((SECONDS < 30))
    setting needrestart timeout=soon
    answers 75
    says "timeout=soon"
}

@test "a mistake in the settings does not count as yes" {
    setting needrestart 'kernel=('
    answers 75 'NEEDRESTART-KSTA: 3'
}
