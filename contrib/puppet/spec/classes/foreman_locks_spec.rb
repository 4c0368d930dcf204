# frozen_string_literal: true

require 'spec_helper'

describe 'foreman_dlm_updater::foreman_locks' do
  let(:facts) { FACT_SETS['debian-12'] }
  let(:params) do
    { 'foreman_url' => 'https://foreman.example.com/prefix/', 'user' => 'locks', 'password' => sensitive('a "quoted\\ secret'),
      'locks' => { 'web' => { 'lock_slots' => 3, 'max_failed' => 1 }, 'db.1' => { 'max_failed' => 0 }, 'mail' => { 'max_failed' => 2 } } }
  end
  let(:file) { '/etc/foreman_dlm_updater-locks' }
  let(:execs) { catalogue.resources.select { |r| r.type == 'Exec' } }

  it { is_expected.to compile.with_all_deps }

  it 'creates slots and flags' do
    names = execs.map { |exec| exec.title[/create the lock (\S+) in Foreman/, 1] }
    expect(names).to eq ['web', 'web.slot2', 'web.slot3', 'web.failed1', 'web.failed2', 'web.failed3', 'db.1', 'mail', 'mail.failed1']
  end

  it 'creates only those that do not exist' do
    exec = catalogue.resource('exec', 'foreman_dlm_updater: create the lock web.slot2 in Foreman')
    expect(exec[:unless]).to end_with(' https://foreman.example.com/prefix/api/dlmlocks/web.slot2')
    expect(exec[:command]).to end_with(%q( --data '{"dlmlock":{"name":"web.slot2","type":"ForemanDlm::Dlmlock::Update"}}' https://foreman.example.com/prefix/api/dlmlocks))
  end

  it 'has the password in nothing but a file that only root can read' do
    credentials = catalogue.resource('file', file)
    expect(credentials.to_hash).to include(mode: '0600', owner: 'root', show_diff: false)
    expect(credentials.sensitive_parameters).to eq [:content]
    expect(execs.map(&:to_hash).to_s + catalogue.to_data_hash['classes'].to_s).not_to include('quoted')
    expect(credentials[:content]).to include(%q(user = "locks:a \"quoted\\\\ secret")).and include("cacert = \"#{facts['foreman_dlm_updater_ssl']['localcacert']}\"")
  end

  context 'with the system\'s trust store' do
    let(:params) { super().merge('ca' => 'system') }

    it { expect(catalogue.resource('file', file)[:content]).not_to include('cacert') }
  end

  context 'without the fact about the agent' do
    let(:facts) { super().reject { |name, _| name == 'foreman_dlm_updater_ssl' } }

    it { is_expected.to compile.and_raise_error(/set ca/) }
  end

  {
    'user' => ['a:b', "a\nb", ''],
    'locks' => [{ '1web' => {} }, { 'a b' => {} }, { "x'y" => {} }, { 'web' => { 'lock_slots' => 0 } }, { 'web' => { 'slots' => 2 } }],
    'foreman_url' => ['http://foreman.example.com'],
  }.each do |name, values|
    values.each do |value|
      context "with #{name} #{value.inspect}" do
        let(:params) { super().merge(name => value) }

        it { is_expected.to compile.and_raise_error(/'?#{name}'?/) }
      end
    end
  end

  ['', "a\nb"].each do |password|
    context "with the password #{password.inspect}" do
      let(:params) { super().merge('password' => sensitive(password)) }

      it { is_expected.to compile.and_raise_error(/password/) }
    end
  end
end
