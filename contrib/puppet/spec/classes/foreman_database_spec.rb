# frozen_string_literal: true

require 'spec_helper'

describe 'foreman_dlm_updater::foreman_database' do
  let(:facts) { FACT_SETS['debian-12'] }
  let(:exec) { catalogue.resources.find { |r| r.type == 'Exec' } }
  let(:directory) { '/usr/local/share/foreman-dlm-updater' }
  let(:psql) { '/usr/bin/psql -X -w -v ON_ERROR_STOP=1' }

  FACT_SETS.each do |name, set|
    context "on #{name}" do
      let(:facts) { set }

      it { is_expected.to compile.with_all_deps }
    end
  end

  it 'needs nothing else of the module' do
    ours = catalogue.resources.reject { |r| ['Class', 'Stage'].include?(r.type) }
    expect(ours.map(&:type).tally).to eq('File' => 4, 'Exec' => 1)
    is_expected.not_to contain_class('foreman_dlm_updater')
  end

  it 'installs the guard as postgres over the local socket, unless it is complete' do
    expect(exec.title).to eq 'foreman_dlm_updater: guard the locks in Foreman\'s database'
    expect(exec.to_hash).to include(
      command: "#{psql} -f #{directory}/lock-guard-install.sql",
      unless: "#{psql} -f #{directory}/lock-guard-check.sql",
      environment: ['PGDATABASE=foreman', 'PGCONNECT_TIMEOUT=20'],
      user: 'postgres',
    )
  end

  it 'brings all SQL files, which anybody may read' do
    files = Dir["#{MODULE}/files/*.sql"].map { |file| File.basename(file) }
    expect(files.length).to eq 3
    files.each do |name|
      is_expected.to contain_file("#{directory}/#{name}").with(mode: '0644', owner: 'root', source: "puppet:///modules/foreman_dlm_updater/#{name}").that_comes_before("Exec[#{exec.title}]")
    end
  end

  context 'with everything set' do
    let(:params) do
      { 'database' => 'fm-1', 'user' => 'foreman', 'role' => 'fm', 'host' => 'db.example.com', 'port' => 5433,
        'psql' => '/opt/rh/my postgres/psql', 'directory' => '/srv/guard' }
    end

    it 'connects there, with a command that the shell reads as it is meant' do
      expect(exec[:command].shellsplit).to eq ['/opt/rh/my postgres/psql', '-X', '-w', '-v', 'ON_ERROR_STOP=1', '-f', '/srv/guard/lock-guard-install.sql']
      expect(exec[:environment]).to eq ['PGDATABASE=fm-1', 'PGUSER=fm', 'PGHOST=db.example.com', 'PGPORT=5433', 'PGCONNECT_TIMEOUT=20']
      expect(exec[:user]).to eq 'foreman'
    end
  end

  context 'with the directory of a socket' do
    let(:params) { { 'host' => '/run/postgresql' } }

    it { expect(exec[:environment]).to include('PGHOST=/run/postgresql') }
  end

  context 'with absent' do
    let(:params) { { 'ensure' => 'absent' } }

    it 'removes the guard, unless nothing of it is there' do
      expect(exec.title).to eq 'foreman_dlm_updater: remove the guard from Foreman\'s database'
      expect(exec[:command]).to eq "#{psql} -f #{directory}/lock-guard-remove.sql"
      expect(exec[:unless]).to eq "#{psql} -v absent=yes -f #{directory}/lock-guard-check.sql"
    end
  end

  {
    'ensure' => ['installed'],
    'database' => ['', 'a b', "a'b", '-x', 'host=db'],
    'user' => ['', 'Root', 'a b'],
    'role' => ['', 'a b'],
    'host' => ['a b', 'db/x'],
    'port' => [70_000, '5432'],
    'psql' => ['psql'],
    'directory' => ['here'],
  }.each do |name, values|
    values.each do |value|
      context "with #{name} #{value.inspect}" do
        let(:params) { { name => value } }

        it { is_expected.to compile.and_raise_error(/'?#{name}'?/) }
      end
    end
  end
end
