# frozen_string_literal: true

require 'spec_helper'
require 'open3'

# Each parameter that is a key of config.ini, with a value other than the default, and the value's form in the file.
KEYS = {
  'lock_server' => ['foreman', 'lock_server = foreman'],
  'foreman_url' => ['https://foreman.example.com/prefix', 'foreman_url = https://foreman.example.com/prefix'],
  'fleetlock_url' => ['https://lock.example.com/prefix', 'fleetlock_url = https://lock.example.com/prefix'],
  'fleetlock_id' => ['node-100%', 'fleetlock_id = node-100%%'],
  'lock_name' => ['galera 1', 'lock_name = galera 1'],
  'client_crt' => ['/etc/ssl/host.pem', 'client_crt = /etc/ssl/host.pem'],
  'client_key' => ['/etc/ssl/host.key', 'client_key = /etc/ssl/host.key'],
  'ca' => ['/etc/ssl/ca.pem', 'ca = /etc/ssl/ca.pem'],
  'notify_d' => ['/srv/notifiers', 'notify.d = /srv/notifiers'],
  'reboot_cmd' => ['shutdown -r +1 "100% patched"', 'reboot_cmd = shutdown -r +1 "100%% patched"'],
  'state' => ['/var/lib/updater/state', 'state = /var/lib/updater/state'],
  'history' => ['/var/lib/updater/history', 'history = /var/lib/updater/history'],
  'metrics_textfile' => ['/srv/metrics/updater.prom', 'metrics_textfile = /srv/metrics/updater.prom'],
  'lock' => ['/run/updater.lock', 'lock = /run/updater.lock'],
  'log' => ['/var/log/updater.log', 'log = /var/log/updater.log'],
  'logretention' => [30, 'logretention = 30'],
  'log_level' => ['Debug', 'loglevel = Debug'],
  'log_format' => ['json', 'log_format = json'],
  'lock_retry_interval' => ['90s', 'lock_retry_interval = 90s'],
  'lock_retry_jitter' => [20, 'lock_retry_jitter = 20'],
  'lock_timeout' => ['4h', 'lock_timeout = 4h'],
  'lock_settle' => ['1.5s', 'lock_settle = 1.5s'],
  'lock_refresh' => ['1h30m', 'lock_refresh = 1h30m'],
  'release_timeout' => ['3600', 'release_timeout = 3600'],
  'http_timeout' => ['10s', 'http_timeout = 10s'],
  'http_retries' => [0, 'http_retries = 0'],
  'hook_timeout' => ['2h', 'hook_timeout = 2h'],
  'cannot_tell_exit' => [3, 'cannot_tell_exit = 3'],
  'cannot_tell_reboot' => ['yes', 'cannot_tell_reboot = yes'],
  'reboot_timeout' => ['30m', 'reboot_timeout = 30m'],
  'max_reboots' => [1, 'max_reboots = 1'],
  'window' => [['Mon..Fri 02:00-05:00', 'Tue#2 01:00-04:00 Europe/Berlin', 'sun#-1'],
               'window = Mon..Fri 02:00-05:00; Tue#2 01:00-04:00 Europe/Berlin; sun#-1'],
  'window_last_start' => [0, 'window_last_start = 0'],
  'freeze_d' => ['/srv/freezes', 'freeze.d = /srv/freezes'],
  'gate_d' => ['/srv/gates', 'gate.d = /srv/gates'],
  'gate_interval' => ['90s', 'gate_interval = 90s'],
  'lock_slots' => [3, 'lock_slots = 3'],
  'max_failed' => [1, 'max_failed = 1'],
  'blocked_by' => [['staging.failed1', 'data base'], 'blocked_by = staging.failed1, data base'],
  'boot_id_file' => ['/run/boot-id', 'boot_id_file = /run/boot-id'],
}.merge(HOOK_STAGES.to_h { |stage| ["#{stage}_d", ["/srv/hooks/#{stage}", "#{stage}.d = /srv/hooks/#{stage}"]] }).freeze
OTHERS = ['ensure', 'package_manage', 'package_ensure', 'repo_manage', 'repo_url', 'repo_key', 'hooks', 'purge_hooks',
          'freezes', 'timer_enable', 'timer_schedule', 'timer_spread'].freeze
CONFIG = '/etc/foreman_dlm_updater/config.ini'

# The parameters that a site with a FleetLock server has to give, and those that have no place there.
FLEETLOCK = { 'lock_server' => 'fleetlock', 'fleetlock_url' => 'https://lock.example.com', 'lock_name' => 'web' }.freeze
NEED_A_LOOK = ['lock_slots', 'max_failed', 'blocked_by'].freeze

describe 'foreman_dlm_updater' do
  let(:facts) { FACT_SETS['debian-12'] }
  let(:params) { REQUIRED }
  let(:ini) { catalogue.resource('file', CONFIG)[:content].lines(chomp: true).reject { |line| line.start_with?('#') } }

  it { is_expected.to compile.with_all_deps }

  it 'has only parameters that are tested here' do
    parsed = Puppet::Pops::Parser::Parser.new.parse_file("#{MODULE}/manifests/init.pp")
    expect(parsed.model.definitions.first.parameters.map(&:name)).to match_array(KEYS.keys + OTHERS)
  end

  context 'with the required parameters only' do
    it 'sets only what the package sets too' do
      packaged = File.readlines("#{MODULE}/../../packaging/etc/config.ini", chomp: true).grep(/^[a-z]/)
      agent = FACT_SETS['debian-12']['foreman_dlm_updater_ssl']
      dirs = HOOK_STAGES.map { |s| "#{s}.d = /etc/foreman_dlm_updater/#{s}.d" }
      expect(ini).to match_array(
        ['[main]', 'lock_name = web', 'foreman_url = https://foreman.example.com', "client_crt = #{agent['hostcert']}",
         "client_key = #{agent['hostprivkey']}", "ca = #{agent['localcacert']}"] + dirs + packaged
      )
    end

    it 'checks config.ini after everything that the check looks at, and before it replaces the old file' do
      is_expected.to contain_file(CONFIG).with_validate_cmd('/usr/bin/foreman-dlm-updater -c % config check --offline >/dev/null')
                                         .with(owner: 'root', group: 'root', mode: '0644').that_requires('Package[foreman-dlm-updater]')
      is_expected.to contain_service('foreman-dlm-updater.timer').with(ensure: 'running', enable: true).that_requires("File[#{CONFIG}]")
    end

    it { is_expected.not_to contain_file('/etc/systemd/system/foreman-dlm-updater.timer.d/puppet.conf') }
    it { is_expected.to contain_file('/etc/foreman_dlm_updater/pre_update.d').without_purge(true) }
    it { expect(catalogue.resources.map { |r| r[:noop] }.compact).to eq [] }
  end

  # The program's `config show` prints the list of its keys, which is the table in internal/config.
  context 'with every key' do
    let(:params) { KEYS.transform_values(&:first) }

    it { expect(ini).to match_array(['[main]'] + KEYS.values.map(&:last)) }

    it 'sets every key of the program, and no other' do
      program = ENV.fetch('FOREMAN_DLM_UPDATER') { raise 'FOREMAN_DLM_UPDATER does not name the program; `make build` makes bin/foreman-dlm-updater' }
      file = "#{MODULES}/config.ini"
      File.write(file, catalogue.resource('file', CONFIG)[:content])
      shown, trouble, status = Open3.capture3(program, '-c', file, 'config', 'show')
      expect(trouble.lines.grep_v(/: fleetlock_(url|id): has no effect with lock_server = foreman;/)).to eq []
      expect(status).to be_success
      keys, origins = shown.lines(chomp: true).map { |line| [line.split.first, line.split('# ').last] }.transpose
      expect(keys).to match_array(KEYS.values.map { |_, line| line.split.first })
      expect(origins).to all(start_with("#{file}:"))
    end
  end

  context 'with a FleetLock server' do
    let(:params) { FLEETLOCK }
    let(:agent) { FACT_SETS['debian-12']['foreman_dlm_updater_ssl'] }
    let(:lock_keys) { ini.grep(/^(lock_server|lock_name|\w+_url|\w+_id|client_\w+|ca) /) }

    it 'shows the agent\'s certificate' do
      expect(lock_keys).to eq ['lock_server = fleetlock', 'lock_name = web', 'fleetlock_url = https://lock.example.com',
                               "client_crt = #{agent['hostcert']}", "client_key = #{agent['hostprivkey']}", "ca = #{agent['localcacert']}"]
    end

    context 'with every key that is for it' do
      let(:params) { KEYS.reject { |name, _| NEED_A_LOOK.include?(name) }.transform_values(&:first).merge(FLEETLOCK).merge('max_failed' => 0) }

      it 'is a configuration that the program takes' do
        file = "#{MODULES}/fleetlock.ini"
        File.write(file, catalogue.resource('file', CONFIG)[:content])
        _, trouble, status = Open3.capture3(ENV.fetch('FOREMAN_DLM_UPDATER'), '-c', file, 'config', 'show')
        expect(trouble).to eq ''
        expect(status).to be_success
      end
    end

    context 'without a certificate' do
      let(:params) { FLEETLOCK.merge('client_crt' => 'none', 'fleetlock_id' => 'web1') }

      it { expect(lock_keys.grep(/client/)).to eq [] }
      it { expect(lock_keys).to include("ca = #{agent['localcacert']}", 'fleetlock_id = web1') }
    end

    ['http://localhost:8080', 'http://127.0.0.2/prefix', 'HTTP://[::1]:8080', 'HTTPS://lock.example.com'].each do |url|
      context("with fleetlock_url #{url}") do
        let(:params) { FLEETLOCK.merge('fleetlock_url' => url) }

        it { expect(ini).to include("fleetlock_url = #{url}") }
      end
    end

    ['1web', '-', 'a.b-C.9', 'x' * 255].each do |group|
      context("with lock_name #{group}") do
        let(:params) { FLEETLOCK.merge('lock_name' => group) }

        it { expect(ini).to include("lock_name = #{group}") }
      end
    end
  end

  # Each is refused before anything on the host is changed, with the reason.
  {
    'Foreman, without its URL' => [{ 'lock_name' => 'web' }, /lock_server foreman: foreman_url is missing/],
    'Foreman, by name, without its URL' => [{ 'lock_name' => 'web', 'lock_server' => 'foreman' }, /foreman_url is missing/],
    'Foreman, without a certificate' => [REQUIRED.merge('client_crt' => 'none'), /client_crt can't be none: Foreman knows the host by its certificate/],
    'Foreman, with a name that is a number' => [REQUIRED.merge('lock_name' => '1web'), /lock_name '1web' .*must not begin with a digit/],
    'FleetLock, without its URL' => [FLEETLOCK.reject { |name, _| name == 'fleetlock_url' }, /lock_server fleetlock: fleetlock_url is missing/],
    'FleetLock, with a name of Foreman\'s' => [FLEETLOCK.merge('lock_name' => 'galera 1'), /lock_name 'galera 1' is no group; only letters, digits, \. and -/],
    'FleetLock, with a long name' => [FLEETLOCK.merge('lock_name' => 'x' * 256), /is no group.*255/],
    'FleetLock, with slots' => [FLEETLOCK.merge('lock_slots' => 1), /lock_slots has no place here: the server decides how many slots a group has/],
    'FleetLock, with a budget' => [FLEETLOCK.merge('max_failed' => 1), /max_failed has no place here: FleetLock has no way to look at a lock/],
    'FleetLock, with other locks' => [FLEETLOCK.merge('blocked_by' => ['db']), /blocked_by has no place here: FleetLock has no way to look at a lock/],
    'FleetLock, with a key without a certificate' =>
      [FLEETLOCK.merge('client_crt' => 'none', 'client_key' => '/etc/ssl/host.key'), /client_key has no place here: client_crt is none/],
    'FleetLock, with much that is wrong' =>
      [FLEETLOCK.merge('fleetlock_url' => :undef, 'lock_slots' => 2), /fleetlock_url is missing[^;]*; lock_slots has no place here/],
  }.each do |what, (given, why)|
    context "with #{what}" do
      let(:params) { given }

      it { is_expected.to compile.and_raise_error(why) }
    end
  end

  context 'without the fact about the agent' do
    context 'with Puppet\'s own packages' do
      let(:facts) { FACT_SETS['redhat-9'].reject { |name, _| name == 'foreman_dlm_updater_ssl' } }
      let(:node) { 'db1.example.com' }

      it { expect(ini).to include('client_crt = /etc/puppetlabs/puppet/ssl/certs/db1.example.com.pem') }
      it { expect(ini).to include('client_key = /etc/puppetlabs/puppet/ssl/private_keys/db1.example.com.pem') }
      it { expect(ini).to include('ca = /etc/puppetlabs/puppet/ssl/certs/ca.pem') }
    end

    context 'with a distribution\'s packages' do
      let(:facts) { FACT_SETS['debian-12-own-puppet'].reject { |name, _| name == 'foreman_dlm_updater_ssl' } }
      let(:node) { 'db1.example.com' }

      it { expect(ini).to include('client_crt = /var/lib/puppet/ssl/certs/db1.example.com.pem') }
    end
  end

  context 'with the system\'s trust store' do
    let(:params) { REQUIRED.merge('ca' => 'system') }

    it { expect(ini.grep(/^ca /)).to eq [] }
  end

  context 'without the package' do
    let(:params) { REQUIRED.merge('package_manage' => false, 'repo_manage' => true, 'repo_url' => 'https://packages.example.com', 'repo_key' => '/root/key') }

    it { is_expected.to compile.with_all_deps }
    it { is_expected.not_to contain_package('foreman-dlm-updater') }
  end

  ['1.2.0-1', 'latest', '1:2.0~rc1-1.el9'].each do |version|
    context "with package_ensure #{version}" do
      let(:params) { REQUIRED.merge('package_ensure' => version) }

      it { is_expected.to contain_package('foreman-dlm-updater').with_ensure(version) }
    end
  end

  context 'with the text of a key' do
    let(:text) { "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ==\n-----END PGP PUBLIC KEY BLOCK-----\n" }
    let(:params) { REQUIRED.merge('repo_manage' => true, 'repo_url' => 'file:/srv/repo', 'repo_key' => text) }

    it { is_expected.to contain_file('/etc/apt/keyrings/foreman-dlm-updater.asc').with_content(text).without_source }
  end

  context 'with a repository without a key' do
    let(:params) { REQUIRED.merge('repo_manage' => true, 'repo_url' => 'https://packages.example.com') }

    it { is_expected.to compile.and_raise_error(/repo_manage needs repo_url \(the repository\) and repo_key/) }
  end

  context 'with freezes' do
    let(:params) { REQUIRED.merge('freezes' => freezes) }
    let(:freezes) do
      { 'end of year' => '2026-12-18 .. 2027-01-06', 'nobody is here' => '2026-12-24 Europe/Berlin',
        'sale' => { 'from' => '2026-11-27 08:00', 'to' => '2026-11-30 20:00', 'zone' => 'Europe/Berlin' },
        'über Ostern' => { 'from' => '2027-03-26', 'to' => '2027-03-29', 'reason' => 'Easter: a/b test' } }
    end
    let(:file) { '/etc/foreman_dlm_updater/freeze.d/puppet' }

    it 'writes all of them to one file, which the program checks' do
      is_expected.to contain_file(file).with(ensure: 'file', owner: 'root', group: 'root', mode: '0644')
                                       .that_requires('Package[foreman-dlm-updater]').that_comes_before("File[#{CONFIG}]")
      is_expected.to contain_file('/etc/foreman_dlm_updater/freeze.d').with_ensure('directory').without_purge
      expect(catalogue.resource('file', file)[:content].lines(chomp: true).drop(1)).to eq [
        '2026-12-18 .. 2027-01-06 end of year', '2026-12-24 Europe/Berlin nobody is here',
        '2026-11-27 08:00 .. 2026-11-30 20:00 Europe/Berlin sale', '2027-03-26 .. 2027-03-29 Easter: a/b test'
      ]
    end

    it 'refuses only errors in the new file' do
      check = catalogue.resource('file', file)[:validate_cmd]
      {
        '' => true, 'error: /f/puppet2026:1: wrong' => false, 'error: /f/puppet:1: wrong' => true, 'error: unexpected argument window' => true,
      }.each do |said, good|
        File.write("#{MODULES}/stub", "#!/bin/sh\necho '#{said}' >&2\necho /f/puppet2026:1: fine\nexit 78\n", perm: 0o755)
        expect(system(check.sub('/usr/bin/foreman-dlm-updater', "#{MODULES}/stub").sub('%', '/f/puppet2026'), out: File::NULL)).to eq good
      end
    end

    context 'without any' do
      let(:freezes) { {} }

      it { is_expected.to contain_file(file).with_ensure('absent') }
    end

    context 'with another directory' do
      let(:params) { super().merge('freeze_d' => '/srv/freezes/') }

      it { is_expected.to contain_file('/srv/freezes/puppet').that_requires('File[/srv/freezes]') }
    end
  end

  context 'with a schedule' do
    let(:params) { REQUIRED.merge('timer_schedule' => ['Sat *-*-* 03:00', 'Sun *-*-* 03:00'], 'timer_spread' => '30m') }
    let(:dropin) { '/etc/systemd/system/foreman-dlm-updater.timer.d/puppet.conf' }

    it 'replaces the package\'s schedule' do
      is_expected.to contain_file(dropin)
        .with_content("# Managed by Puppet.\n[Timer]\nOnCalendar=\nOnCalendar=Sat *-*-* 03:00\n" \
                      "OnCalendar=Sun *-*-* 03:00\nRandomizedDelaySec=30m\n")
        .with_validate_cmd(/systemd-analyze calendar/).that_comes_before('Exec[foreman_dlm_updater: new schedule]')
      is_expected.to contain_exec('foreman_dlm_updater: new schedule').that_comes_before('Service[foreman-dlm-updater.timer]')
    end
  end

  context 'with a spread only' do
    let(:params) { REQUIRED.merge('timer_spread' => 600) }

    it 'keeps the package\'s schedule' do
      is_expected.to contain_file('/etc/systemd/system/foreman-dlm-updater.timer.d/puppet.conf')
        .with_content("# Managed by Puppet.\n[Timer]\nRandomizedDelaySec=600\n").without_validate_cmd
    end
  end

  context 'without the timer' do
    let(:params) { REQUIRED.merge('timer_enable' => false) }

    it { is_expected.to contain_service('foreman-dlm-updater.timer').with(ensure: 'stopped', enable: false) }
  end

  context 'while a run is under way' do
    let(:facts) { FACT_SETS['debian-12'].merge('foreman_dlm_updater' => { 'under_way' => true }) }
    let(:params) do
      REQUIRED.merge('repo_manage' => true, 'repo_url' => 'https://packages.example.com', 'repo_key' => '/root/key', 'timer_spread' => 1,
                     'hooks' => { 'update/apt' => { 'bundled' => true, 'settings' => { 'upgrade' => 'full' } } })
    end

    it 'changes nothing but the timer' do
      changing = catalogue.resources.select { |r| ['File', 'Package', 'Exec', 'Service'].include?(r.type) }
      expect(changing.reject { |r| r[:noop] }.map(&:ref)).to contain_exactly(
        'File[/etc/systemd/system/foreman-dlm-updater.timer.d]', 'File[/etc/systemd/system/foreman-dlm-updater.timer.d/puppet.conf]',
        'Exec[foreman_dlm_updater: new schedule]', 'Service[foreman-dlm-updater.timer]'
      )
    end
  end

  context 'with ensure absent' do
    let(:params) { REQUIRED.merge('ensure' => 'absent', 'timer_spread' => 1, 'hooks' => { 'update/apt' => { 'bundled' => true, 'settings' => {} } }) }

    it 'removes everything once no run is on record' do
      guard = 'Exec[foreman_dlm_updater: no run in progress]'
      is_expected.to contain_service('foreman-dlm-updater.timer').with(ensure: 'stopped', enable: false).that_requires(guard)
      is_expected.to contain_file('/etc/systemd/system/foreman-dlm-updater.timer.d').with(ensure: 'absent', force: true).that_requires(guard)
      [CONFIG, '/etc/foreman_dlm_updater/update.d/50-apt', '/etc/foreman_dlm_updater/hooks.conf.d/apt.conf'].each do |file|
        is_expected.to contain_file(file).with_ensure('absent').that_requires(guard).that_comes_before('Package[foreman-dlm-updater]')
      end
      is_expected.to contain_package('foreman-dlm-updater').with_ensure('purged').that_requires('Service[foreman-dlm-updater.timer]')
    end
  end

  {
    'foreman_url' => ['http://foreman.example.com', 'foreman.example.com'],
    'lock_name' => ['1web', '+1', '..', 'a/b', ' web', "web\nca = /tmp/ca", 'a%20b', ''],
    'lock_server' => ['Foreman', 'etcd', ''],
    'fleetlock_url' => ['lock.example.com', 'http://lock.example.com', 'http://127.0.0.1.example.com', 'http://localhost@example.com',
                        'http://10.0.0.1', "https://lock.example.com\nca = /tmp/ca", "http://localhost/\nca = /tmp/ca", ''],
    'fleetlock_id' => ['', 'a b', ' a', "a\nca = /tmp/ca", 'x' * 256],
    'package_ensure' => ['1.0; reboot', 'absent', ''],
    'repo_url' => ["https://packages.example.com/' ./\ndeb", 'ftp://packages.example.com'],
    'repo_key' => ['mQ=='],
    'timer_schedule' => ["daily\nExecStart=/bin/sh", [], ''],
    'timer_spread' => ['soon', -1],
    'client_crt' => ['certs/host.pem', 'None', 'system'],
    'client_key' => ['certs/host.pem', 'none'],
    'ca' => ['none'],
    'pre_update_d' => ['hooks', "/srv\nca = /tmp/ca"],
    'reboot_cmd' => ['', "reboot\nlog = /tmp/log", ' reboot'],
    'logretention' => [-1, 36_501],
    'log_level' => ['LOUD'],
    'log_format' => ['xml'],
    'lock_retry_interval' => [0, '0', '0s', 'soon', '-1s'],
    'lock_retry_jitter' => ['soon', -1],
    'http_retries' => [-1],
    'cannot_tell_exit' => [0, 126],
    'max_reboots' => [0],
    'window' => ['', 'always', '*-*-* 04:00', 'daily', ' Mon', 'Mon ', "Mon\nTue", '# Mon', [], ['Mon', '']],
    'window_last_start' => [-1, 'soon'],
    'freeze_d' => ['freezes'],
    'gate_d' => ['gates'],
    'gate_interval' => [0, '0s'],
    'lock_slots' => [0, 100, '2'],
    'max_failed' => [-1, 100],
    'freezes' => [{ 'x' => 'Christmas' }, { 'x' => '2026-12-24 08:00' }, { 'x' => '2026-12-18 .. 2027-01-06 reason' }, { 'x' => '2026-12-18 - 2027-01-06' },
                  { 'x' => { 'from' => '2026-12-18' } }, { 'x' => { 'from' => '2026-12-18', 'to' => "2027-01-06\n" } },
                  { "x\n2026-01-01" => '2026-12-18' }, { 'UTC days' => '2026-12-18' }, { 'Europe/Berlin' => '2026-12-18' }, { '' => '2026-12-18' },
                  { 'x' => { 'from' => '2026-12-18', 'to' => '2027-01-06', 'zone' => 'CET' } }],
    'blocked_by' => ['staging', [], ['a, b'], ['1web'], ["a\nb"]],
    'hooks' => [{ 'update/50-apt.bak' => 'bundled' }, { 'install/apt' => 'bundled' }, { 'update/apt' => 'enabled' }],
  }.each do |name, values|
    values.each do |value|
      context "with #{name} #{value.inspect}" do
        let(:params) { REQUIRED.merge(name => value) }

        it { is_expected.to compile.and_raise_error(/'?#{name}'?/) }
      end
    end
  end
end
