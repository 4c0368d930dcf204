# frozen_string_literal: true

require 'spec_helper'

describe 'foreman_dlm_updater::hook' do
  let(:facts) { FACT_SETS['debian-12'] }
  let(:pre_condition) { "class { 'foreman_dlm_updater': foreman_url => 'https://foreman.example.com', lock_name => 'web' }" }
  let(:title) { 'pre_update/50-postgresql-stop' }
  etc = '/etc/foreman_dlm_updater'
  library = '/usr/share/foreman-dlm-updater/hooks'

  { # title and order, and the file's name
    ['pre_update/50-postgresql-stop', nil] => 'pre_update.d/50-postgresql-stop',
    ['pre_update/postgresql-stop', nil] => 'pre_update.d/55-postgresql-stop',
    ['pre_update/postgresql-stop', 7] => 'pre_update.d/07-postgresql-stop',
    ['pre_update/007-postgresql-stop', nil] => 'pre_update.d/007-postgresql-stop',
  }.each do |(title, order), file|
    context "named #{title}, order #{order.inspect}" do
      let(:title) { title }
      let(:params) { { 'bundled' => true, 'order' => order }.compact }

      it { is_expected.to compile.with_all_deps }

      it 'is a link to the bundled hook' do
        is_expected.to contain_file("#{etc}/#{file}").with(ensure: 'link', target: "#{library}/pre_update.d/postgresql-stop")
                                                    .that_requires('Package[foreman-dlm-updater]').that_comes_before("File[#{etc}/config.ini]")
      end
    end
  end

  context 'that had number 50 before it had its own' do
    let(:title) { 'pre_update/postgresql-stop' }

    [{ 'bundled' => true }, { 'content' => "#!/bin/sh\n" }, { 'ensure' => 'absent' }].each do |how|
      context "now #{how}" do
        let(:params) { how }

        it { is_expected.to contain_file("#{etc}/pre_update.d/50-postgresql-stop").with_ensure('absent').that_comes_before("File[#{etc}/config.ini]") }
        it { is_expected.to contain_file("#{etc}/pre_update.d/55-postgresql-stop") }
      end
    end

    context 'and has another number now' do
      let(:params) { { 'bundled' => true, 'order' => 20 } }

      it { is_expected.not_to contain_file("#{etc}/pre_update.d/50-postgresql-stop") }
    end

    context 'and still has that number' do
      let(:title) { 'pre_update/services-stop' }
      let(:params) { { 'bundled' => true } }

      it { is_expected.to contain_file("#{etc}/pre_update.d/50-services-stop").with_ensure('link') }
    end
  end

  context 'from a source' do
    let(:params) { { 'source' => 'puppet:///modules/profile/hook' } }

    it { is_expected.to contain_file("#{etc}/#{title.sub('/', '.d/')}").with(ensure: 'file', source: 'puppet:///modules/profile/hook', mode: '0755', owner: 'root', group: 'root') }
  end

  context 'from content' do
    let(:params) { { 'content' => "#!/bin/sh\n" } }

    it { is_expected.to contain_file("#{etc}/#{title.sub('/', '.d/')}").with(ensure: 'file', content: "#!/bin/sh\n", mode: '0755') }
  end

  context 'from a template' do
    let(:params) { { 'template' => 'foreman_dlm_updater/apt.list.epp', 'template_parameters' => { 'url' => 'u', 'key_file' => '/k' } } }

    it { is_expected.to contain_file("#{etc}/#{title.sub('/', '.d/')}").with_content(/\[signed-by=\/k\] u/) }
  end

  context 'with another directory' do
    let(:pre_condition) { "class { 'foreman_dlm_updater': foreman_url => 'https://foreman.example.com', lock_name => 'web', pre_update_d => '/srv/hooks/' }" }
    let(:params) { { 'bundled' => true } }

    it { is_expected.to contain_file('/srv/hooks/50-postgresql-stop').that_requires('File[/srv/hooks]') }
  end

  context 'that is a notifier' do
    let(:title) { 'notify/mail' }
    let(:params) { { 'bundled' => true, 'settings' => { 'to' => 'ops@example.com' } } }

    it { is_expected.to compile.and_raise_error(/set foreman_dlm_updater::notify_d/) }

    context 'with a directory' do
      let(:pre_condition) { "class { 'foreman_dlm_updater': foreman_url => 'https://foreman.example.com', lock_name => 'web', notify_d => '/srv/n/' }" }

      it { is_expected.to contain_file('/srv/n/50-mail').with(ensure: 'link', target: "#{library}/notify.d/mail").that_requires('File[/srv/n]') }
      it { is_expected.to contain_file("#{etc}/hooks.conf.d/mail.conf").with_content(/^to='ops@example.com'$/) }
    end

    context 'absent, without a directory' do
      let(:params) { { 'ensure' => 'absent' } }

      it { is_expected.to contain_file("#{etc}/notify.d/50-mail").with_ensure('absent') }
    end
  end

  context 'that is a gate' do
    let(:title) { 'gate/prometheus' }
    let(:params) { { 'bundled' => true, 'settings' => { 'ALERTS' => 'severity="critical"' } } }

    it { is_expected.to contain_file("#{etc}/gate.d/50-prometheus").with(ensure: 'link', target: "#{library}/gate.d/prometheus").that_requires("File[#{etc}/gate.d]") }
    it { is_expected.to contain_file("#{etc}/hooks.conf.d/prometheus.conf").with_content(/^ALERTS='severity="critical"'$/) }

    context 'with a directory' do
      let(:pre_condition) { "class { 'foreman_dlm_updater': foreman_url => 'https://foreman.example.com', lock_name => 'web', gate_d => '/srv/g/' }" }

      it { is_expected.to contain_file('/srv/g/50-prometheus').with_ensure('link').that_requires('File[/srv/g]') }
    end
  end

  context 'absent' do
    let(:params) { { 'ensure' => 'absent', 'settings' => { 'a' => 1 } } }

    it { is_expected.to contain_file("#{etc}/pre_update.d/50-postgresql-stop").with_ensure('absent') }
    it { is_expected.to contain_file("#{etc}/hooks.conf.d/postgresql-stop.conf").with_ensure('absent') }
  end

  context 'without settings' do
    let(:params) { { 'bundled' => true } }

    it { is_expected.not_to contain_file("#{etc}/hooks.conf.d/postgresql-stop.conf") }
  end

  context 'with settings' do
    let(:values) do
      { 'SERVICES' => ['a.service', 'b@1.service'], 'download' => false, 'keep' => true, 'timeout' => 60, 'factor' => 1.5,
        'what' => "it's $(reboot); `x` \"y\" \\ end\nsecond line", 'none' => '' }
    end
    let(:params) { { 'bundled' => true, 'settings' => values } }
    let(:file) { "#{etc}/hooks.conf.d/postgresql-stop.conf" }

    it { is_expected.to contain_file(file).with(owner: 'root', group: 'root', mode: '0644').that_comes_before("File[#{etc}/pre_update.d/50-postgresql-stop]") }

    it 'gives the shell exactly these values' do
      conf = "#{MODULES}/settings.conf"
      File.write(conf, catalogue.resource('file', file)[:content])
      read = values.keys.to_h do |name|
        [name, IO.popen(['sh', '-euc', '. "$1"; eval "printf %s \"\$$2\""', 'sh', conf, name], &:read)]
      end
      expect(read).to eq(values.merge('SERVICES' => 'a.service b@1.service', 'download' => 'no', 'keep' => 'yes', 'timeout' => '60', 'factor' => '1.5'))
    end
  end

  context 'with purge_hooks' do
    let(:pre_condition) { "class { 'foreman_dlm_updater': foreman_url => 'https://foreman.example.com', lock_name => 'web', purge_hooks => true }" }
    let(:params) { { 'bundled' => true } }

    (HOOK_STAGES.map { |stage| "#{stage}.d" } + ['gate.d', 'hooks.conf.d']).each do |dir|
      it { is_expected.to contain_file("#{etc}/#{dir}").with(ensure: 'directory', purge: true, recurse: true, force: true) }
    end
  end

  { # what is wrong, and the error
    'no way' => [{}, /give one of bundled, source, content and template, not 0/],
    'two ways' => [{ 'bundled' => true, 'content' => 'x' }, /give one of bundled, source, content and template, not 2/],
    'two numbers' => [{ 'bundled' => true, 'order' => 10 }, /has a number already/],
    'an order beyond two digits' => [{ 'bundled' => true, 'order' => 100 }, /order/],
    'a setting that is no variable' => [{ 'bundled' => true, 'settings' => { 'a b' => 1 } }, /settings/],
    'a list of lists' => [{ 'bundled' => true, 'settings' => { 'a' => [[1]] } }, /settings/],
  }.each do |what, (params, message)|
    context "with #{what}" do
      let(:params) { params }

      it { is_expected.to compile.and_raise_error(message) }
    end
  end

  ['pre_update/50-postgresql-halt', 'needs_update/postgresql-stop'].each do |title|
    context "named #{title}, which is not bundled" do
      let(:title) { title }
      let(:params) { { 'bundled' => true } }

      it { is_expected.to compile.and_raise_error(/Bundled_hook/) }
    end
  end

  ['pre_update', 'pre_update/', 'pre_update/a/b', 'pre_update/.x', 'pre_update/x~', 'pre_update/x.dpkg-old', '/pre_update/x'].each do |title|
    context "named #{title}" do
      let(:title) { title }
      let(:params) { { 'content' => 'x' } }

      it { is_expected.to compile.and_raise_error(/Hook_name/) }
    end
  end

  context 'of no stage' do
    let(:title) { 'other/x' }
    let(:params) { { 'content' => 'x' } }

    it { is_expected.to compile.and_raise_error(/no stage other has hooks; those are needs_update, /) }
  end

  context 'without the class' do
    let(:pre_condition) { '' }
    let(:params) { { 'bundled' => true } }

    it { is_expected.to compile.and_raise_error(/declare the class foreman_dlm_updater first/) }
  end
end
