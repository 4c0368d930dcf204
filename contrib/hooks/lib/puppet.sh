# What puppet-disable and puppet-enable share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/puppet.sh"
# shellcheck shell=sh
: "${hook:?}" "${puppet=}" # the hook's name; its setting
reason=foreman-dlm-updater # what the agent's lock says if it is ours

fail() {
    echo "$hook: $*" >&2
    exit 1
}

# find_puppet: sets $puppet, and the files of the agent's locks: $disabled (by somebody) and $running (its run).
find_puppet() {
    [ -n "$puppet" ] || puppet=/opt/puppetlabs/bin/puppet # not in the PATH of a service
    command -v "$puppet" >/dev/null || puppet=puppet
    command -v "$puppet" >/dev/null || fail "there is no puppet, neither in /opt/puppetlabs/bin nor in the PATH: install it, or disable this hook"
    # Of [agent]: that is where the agent itself looks.
    locks=$("$puppet" config print --section agent agent_disabled_lockfile agent_catalog_run_lockfile) || fail "puppet config print failed: see above"
    disabled=$(printf '%s\n' "$locks" | sed -n 's/^agent_disabled_lockfile *= *//p')
    running=$(printf '%s\n' "$locks" | sed -n 's/^agent_catalog_run_lockfile *= *//p')
    [ -n "$disabled" ] && [ -n "$running" ] || fail "puppet config print does not say where the agent's locks are: $locks"
}

# ours: the lock says so in our words; an administrator's may name the updater too.
ours() { grep -q "\"disabled_message\": *\"$reason: run " "$disabled" 2>/dev/null; }
