# For the tests on a booted host: those of one file follow on each other, and the files too, on the same host.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

environment=/etc/puppet/code/environments/production
etc=/etc/foreman_dlm_updater config=$etc/config.ini
timer=foreman-dlm-updater.timer service=foreman-dlm-updater.service

is() { [[ $1 == "$2" ]] || { printf 'got %q, want %q\n' "$1" "$2"; return 1; }; }
property() { systemctl show --property="$2" --value "$1"; }
says() { [[ $output == *"$1"* ]] || { printf 'not said: %s\noutput: %s\n' "$1" "$output"; return 1; }; }

# facts: looks at them; then fact NAME KEY is one of them, as Ruby writes it.
facts() { puppet facts show foreman_dlm_updater foreman_dlm_updater_ssl 2>/dev/null >/root/facts.json; }
fact() { ruby -rjson -e 'puts JSON.parse(File.read("/root/facts.json")).dig(*ARGV).inspect' "$@"; }

# block N KIND: the Nth code block of that kind in the README, as it stands.
block() { awk -v n="$1" -v kind="\`\`\`$2" '/^```/ && in_it { exit } in_it { print } $0 == kind && ++seen == n { in_it = 1 }' /module/README.md; }

# changes: the data that come before those of the README, on standard input.
changes() { cat >"$environment/data/changes.yaml"; }

# applies CODE [FILE]: puppet apply, which exits with that: 0 nothing to do, 2 changed, 4 failed, 6 some of both.
applies() {
    run puppet apply --detailed-exitcodes --color=false "${2:-$environment/manifests/site.pp}"
    [[ $status == "$1" ]] || { printf 'puppet apply: exit %s, want %s\n%s\n' "$status" "$1" "$output"; return 1; }
}

# eventually COMMAND...: in five minutes, on a busy machine.
eventually() {
    local end=$((SECONDS + 300))
    until "$@"; do
        ((SECONDS < end)) || { echo "not within five minutes: $*"; return 1; }
        sleep 0.2
    done
}
