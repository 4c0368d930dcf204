# What puppet-disable and puppet-enable share: . "${DLM_HOOKS_DIR:-/usr/share/foreman-dlm-updater/hooks}/lib/puppet.sh"
# shellcheck shell=sh
: "${hook:?}" "${puppet=}" # the hook's name, its setting
reason=foreman-dlm-updater # what the agent's disabled lock says if the updater made it

fail() {
    echo "$hook: $*" >&2
    exit 1
}

# find_puppet: sets $puppet, and the agent's lock files: $disabled exists while the agent is disabled, $running while an
# agent run is in progress.
find_puppet() {
    [ -n "$puppet" ] || puppet=/opt/puppetlabs/bin/puppet # not in the PATH of a service
    command -v "$puppet" >/dev/null || puppet=puppet
    command -v "$puppet" >/dev/null ||
        fail "there is no puppet, neither in /opt/puppetlabs/bin nor in the PATH: install it, or disable this hook"
    # The agent itself reads section [agent].
    locks=$("$puppet" config print --section agent agent_disabled_lockfile agent_catalog_run_lockfile) ||
        fail "puppet config print failed: see above"
    disabled=$(printf '%s\n' "$locks" | sed -n 's/^agent_disabled_lockfile *= *//p')
    running=$(printf '%s\n' "$locks" | sed -n 's/^agent_catalog_run_lockfile *= *//p')
    { [ -n "$disabled" ] && [ -n "$running" ]; } ||
        fail "puppet config print does not say where the agent's locks are: $locks"
}

# ours: true if the updater disabled the agent. It compares our whole wording: an administrator's reason may name the
# updater too.
ours() { grep -q "\"disabled_message\": *\"$reason: run " "$disabled" 2>/dev/null; }
