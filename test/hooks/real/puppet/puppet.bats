#!/usr/bin/env bats
# pre_update/puppet-disable and post_update/puppet-enable with a real agent (Debian's).
load ../../hook
bats_require_minimum_version 1.5.0

prepare() {
    LOCK=$(puppet config print --section agent agent_disabled_lockfile)
    RUN=$(puppet config print --section agent agent_catalog_run_lockfile)
    rm -f "$LOCK" "$RUN"
}
teardown() {
    [[ -z ${SERVER:-} ]] || kill "$SERVER"
    [[ -z ${AGENT:-} ]] || kill -9 "$AGENT" 2>/dev/null || true
    rm -rf /opt/puppetlabs
}
disable() { hook pre_update/puppet-disable; }
enable() { hook post_update/puppet-enable; }
agent() { timeout 600 puppet agent --onetime --no-daemonize --verbose 2>&1 || true; }

@test "disabled: the agent itself says so; enabled again" {
    disable
    exits 0
    [[ $(agent) == *"Reason: 'foreman-dlm-updater: run run-1'"* ]]
    disable
    exits 0
    enable
    exits 0
    [[ ! -e $LOCK ]]
    enable
    exits 0
    says "enabled already"
}

@test "an administrator's lock stays, from before or from meanwhile" {
    puppet agent --disable "by me"
    disable
    exits 0
    enable
    exits 0
    [[ $(cat "$LOCK") == *"by me"* ]]
    puppet agent --enable
    disable
    puppet agent --enable
    puppet agent --disable "by me again"
    enable
    exits 0
    says "since, it stays disabled"
    [[ $(cat "$LOCK") == *"by me again"* ]]
}

@test "an administrator's lock stays if it names the updater" {
    puppet agent --disable "until foreman-dlm-updater: run 7 is fixed"
    disable
    exits 0
    says "somebody else has disabled the agent"
    enable
    exits 0
    [[ -e $LOCK ]]
}

@test "without a login's environment" {
    run env -i PATH="$PATH" DLM_RUN_ID=run-1 DLM_CONFIG="$DLM_CONFIG" DLM_HOOKS_STATE="$DLM_HOOKS_STATE" \
        "$DLM_HOOKS_DIR/pre_update.d/puppet-disable"
    exits 0
    [[ -e $LOCK ]]
}

@test "the agent from Puppet's own packages comes first" {
    mkdir -p /opt/puppetlabs/bin
    # shellcheck disable=SC2016 # not for this shell
    printf '%s\n' '#!/bin/sh' 'echo "puppetlabs $*" >>"$CALLS"' 'exec /usr/bin/puppet "$@"' >/opt/puppetlabs/bin/puppet
    chmod +x /opt/puppetlabs/bin/puppet
    disable
    exits 0
    called "puppetlabs agent --disable"
    enable
    exits 0
    called "puppetlabs agent --enable"
}

# An agent that has its certificates, but whose server never answers, stays in its run.
certificates() {
    ruby -r openssl -r fileutils -e '
        dir, name = ARGV
        key = OpenSSL::PKey::RSA.new(2048)
        cert = OpenSSL::X509::Certificate.new
        cert.version, cert.serial, cert.public_key = 2, 1, key.public_key
        cert.subject = cert.issuer = OpenSSL::X509::Name.parse("/CN=#{name}")
        cert.not_before, cert.not_after = Time.now - 9, Time.now + 9999
        made = OpenSSL::X509::ExtensionFactory.new(cert, cert)
        cert.add_extension(made.create_extension("basicConstraints", "CA:TRUE", true))
        cert.sign(key, OpenSSL::Digest.new("SHA256"))
        { "certs/ca.pem" => cert, "certs/#{name}.pem" => cert, "private_keys/#{name}.pem" => key }.each do |file, it|
            FileUtils.mkdir_p(File.dirname("#{dir}/#{file}"))
            File.write("#{dir}/#{file}", it.to_pem)
        end' "$1" agent
}
silent_server() {
    ruby -r socket -e 'server = TCPServer.new("127.0.0.1", 8140); all = []; loop { all << server.accept }' 3>&- &
}

@test "the hook waits for a real agent run" {
    certificates "$BATS_TEST_TMPDIR/ssl"
    silent_server
    SERVER=$!
    puppet agent --onetime --no-daemonize --server localhost --ssldir "$BATS_TEST_TMPDIR/ssl" --certname agent \
        --certificate_revocation false >"$BATS_TEST_TMPDIR/agent" 2>&1 3>&- &
    AGENT=$!
    local end=$((SECONDS + 300))
    until [[ -s $RUN ]] || ((SECONDS > end)); do sleep 0.1; done
    [[ $(cat "$RUN") == "$AGENT" ]] || { cat "$BATS_TEST_TMPDIR/agent"; false; }
    setting puppet-disable run_timeout=2
    disable
    exits 1
    says "a run of the agent (process $AGENT) has not ended after 2 s"
    setting puppet-disable run_timeout=600
    (sleep 3; kill -9 "$AGENT") 3>&- & # its lock stays
    SECONDS=0
    disable
    exits 0
    says "no agent run is in progress"
    ((SECONDS >= 2))
    [[ -e $RUN ]]
}
