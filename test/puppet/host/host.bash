# For the tests on a booted host. The tests of one file build on each other, and so do the files, on the same host.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

environment=/etc/puppet/code/environments/production
etc=/etc/foreman_dlm_updater config=$etc/config.ini
timer=foreman-dlm-updater.timer service=foreman-dlm-updater.service

is() { [[ $1 == "$2" ]] || { printf 'got %q, want %q\n' "$1" "$2"; return 1; }; }
property() { systemctl show --property="$2" --value "$1"; }
says() { [[ $output == *"$1"* ]] || { printf 'not said: %s\noutput: %s\n' "$1" "$output"; return 1; }; }

# facts: reads the facts. Then fact NAME KEY prints one of them in Ruby's notation.
facts() { puppet facts show foreman_dlm_updater foreman_dlm_updater_ssl 2>/dev/null >/root/facts.json; }
fact() { ruby -rjson -e 'puts JSON.parse(File.read("/root/facts.json")).dig(*ARGV).inspect' "$@"; }

# json KEY...: prints a value of the JSON in $output, in Ruby's notation.
json() { ruby -rjson -e 'puts JSON.parse(ARGV.shift).dig(*ARGV).inspect' "$output" "$@"; }

# block N KIND: prints the Nth code block of that kind in the README.
block() {
    awk -v n="$1" -v kind="\`\`\`$2" '/^```/ && in_it { exit } in_it { print } $0 == kind && ++seen == n { in_it = 1 }' \
        /module/README.md
}

# changes: reads data from standard input that take precedence over the README's.
changes() { cat >"$environment/data/changes.yaml"; }

# applies CODE [FILE]: fails unless puppet apply exits with CODE: 0 nothing to do, 2 changed, 4 failed, 6 some of both.
applies() {
    run puppet apply --detailed-exitcodes --color=false "${2:-$environment/manifests/site.pp}"
    [[ $status == "$1" ]] || { printf 'puppet apply: exit %s, want %s\n%s\n' "$status" "$1" "$output"; return 1; }
}

# eventually COMMAND...: fails unless the command succeeds within five minutes (on a busy machine).
eventually() {
    local end=$((SECONDS + 300))
    until "$@"; do
        ((SECONDS < end)) || { echo "not within five minutes: $*"; return 1; }
        sleep 0.2
    done
}
