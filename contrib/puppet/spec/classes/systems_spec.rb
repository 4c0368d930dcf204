# frozen_string_literal: true

require 'spec_helper'

# What differs between operating systems.
EXPECTED = {
  'Debian' => {
    repo: '/etc/apt/sources.list.d/foreman-dlm-updater.list',
    says: 'deb [signed-by=/etc/apt/keyrings/foreman-dlm-updater.asc] https://packages.example.com/updater ./',
    key: '/etc/apt/keyrings/foreman-dlm-updater.asc',
    learn: %r{\Aapt-get -q update -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/foreman-dlm-updater.list -o },
    known: "apt-cache policy foreman-dlm-updater | grep -F ' https://packages.example.com/updater '",
    gone: 'purged',
  },
  'RedHat' => {
    repo: '/etc/yum.repos.d/foreman-dlm-updater.repo',
    says: "[foreman-dlm-updater]\nname=foreman-dlm-updater\nbaseurl=https://packages.example.com/updater\nenabled=1\ngpgcheck=1\nrepo_gpgcheck=1\n" \
          "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-foreman-dlm-updater\n",
    key: '/etc/pki/rpm-gpg/RPM-GPG-KEY-foreman-dlm-updater',
    gone: 'absent',
  },
  'Suse' => {
    repo: '/etc/zypp/repos.d/foreman-dlm-updater.repo',
    says: "baseurl=https://packages.example.com/updater\nenabled=1\nautorefresh=1\ngpgcheck=1\n",
    key: '/etc/zypp/foreman-dlm-updater.asc',
    learn: 'zypper --non-interactive --gpg-auto-import-keys refresh foreman-dlm-updater',
    known: 'zypper --non-interactive --no-refresh search --match-exact --repo foreman-dlm-updater foreman-dlm-updater',
    gone: 'absent',
  },
}.freeze

describe 'foreman_dlm_updater' do
  FACT_SETS.each do |system, facts|
    context "on #{system}" do
      let(:facts) { facts }
      let(:params) do
        REQUIRED.merge('repo_manage' => true, 'repo_url' => 'https://packages.example.com/updater/', 'repo_key' => 'puppet:///modules/profile/key.asc',
                       'hooks' => { 'needs_reboot/kernel-changed' => 'bundled' }, 'timer_schedule' => '*-*-* 04:00')
      end
      let(:ssldir) { facts['aio_agent_version'] ? '/etc/puppetlabs/puppet/ssl' : '/var/lib/puppet/ssl' }
      expected = EXPECTED.fetch(facts['os']['family'])

      it { is_expected.to compile.with_all_deps }

      it 'sets up the repository, and installs from it' do
        is_expected.to contain_file(expected[:key]).with_source('puppet:///modules/profile/key.asc').that_comes_before('Package[foreman-dlm-updater]')
        is_expected.to contain_file(expected[:repo]).with_content(/#{Regexp.escape(expected[:says])}/).that_comes_before('Package[foreman-dlm-updater]')
        is_expected.to contain_package('foreman-dlm-updater').with_ensure('installed')
      end

      if expected[:learn]
        it 'makes the package manager read the repository once it is set up' do
          is_expected.to contain_exec('foreman_dlm_updater: learn of the repository')
            .with_command(expected[:learn]).with_unless(expected[:known])
            .that_requires(["File[#{expected[:repo]}]", "File[#{expected[:key]}]"]).that_comes_before('Package[foreman-dlm-updater]')
        end
      else
        it { is_expected.not_to contain_exec('foreman_dlm_updater: learn of the repository') }
      end

      it 'uses the agent\'s certificate' do
        is_expected.to contain_file('/etc/foreman_dlm_updater/config.ini')
          .with_content(%r{^client_crt = #{ssldir}/certs/web1.example.com.pem$})
          .with_content(%r{^client_key = #{ssldir}/private_keys/web1.example.com.pem$})
          .with_content(%r{^ca = #{ssldir}/certs/ca.pem$})
      end

      it 'manages no service but the timer, and notifies nothing' do
        expect(catalogue.resources.select { |r| r.type == 'Service' }.map(&:title)).to eq ['foreman-dlm-updater.timer']
        notifying = catalogue.resources.select { |r| r[:notify] || r[:subscribe] }
        expect(notifying.map(&:ref)).to eq []
      end

      context 'with ensure absent' do
        let(:params) { super().merge('ensure' => 'absent') }

        it { is_expected.to compile.with_all_deps }
        it { is_expected.to contain_package('foreman-dlm-updater').with_ensure(expected[:gone]) }
        it { is_expected.to contain_file(expected[:repo]).with_ensure('absent') }
        it { is_expected.to contain_file(expected[:key]).with_ensure('absent') }
        it { is_expected.not_to contain_exec('foreman_dlm_updater: learn of the repository') }
      end
    end
  end
end
