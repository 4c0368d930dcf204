# frozen_string_literal: true

require 'spec_helper'

# The tasks, with stubs for the updater and systemd that record how they were called. On a booted host the real ones
# run.
describe 'task' do
  around do |example|
    Dir.mktmpdir do |dir|
      @dir = dir
      ['foreman-dlm-updater', 'systemctl'].each do |name|
        File.write("#{dir}/#{name}", "#!/bin/sh\necho \"#{name} $*\"\ncase \"#{name} $*\" in \"$FAILS\") exit 77 ;; esac\n", perm: 0o755)
      end
      example.run
    end
  end

  def task(name, parameters, fails = 'none')
    environment = parameters.to_h { |key, value| ["PT_#{key}", value.to_s] }.merge('PATH' => "#{@dir}:/usr/bin:/bin", 'FAILS' => fails)
    said = IO.popen([environment, "#{MODULE}/tasks/#{name}.sh"], err: [:child, :out], &:read)
    [said.lines(chomp: true), $CHILD_STATUS.exitstatus]
  end

  offline = 'foreman-dlm-updater status --offline --json'
  release = 'foreman-dlm-updater lock release'
  [
    ['status', {}, ['foreman-dlm-updater status --json']],
    ['status', { 'offline' => false }, ['foreman-dlm-updater status --json']],
    ['status', { 'offline' => true }, ['foreman-dlm-updater status --json --offline']],
    ['run', {}, ['systemctl start --no-block foreman-dlm-updater.service', offline]],
    ['run', { 'wait' => true }, ['systemctl start --wait foreman-dlm-updater.service', offline]],
    ['release', {}, [release]],
    ['release', { 'forget_run' => true }, [release, 'foreman-dlm-updater state clear']],
  ].each do |name, parameters, calls|
    it("#{name} with #{parameters}") { expect(task(name, parameters)).to eq [calls, 0] }
    it("#{name} with #{parameters}, which fails") { expect(task(name, parameters, calls.first)).to eq [calls.first(1), 77] }
  end
end
