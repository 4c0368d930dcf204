# frozen_string_literal: true

require 'spec_helper'

# The tasks, with stubs for the updater and systemd that record how they were called. On a booted host the real ones
# run.
describe 'task' do
  around do |example|
    Dir.mktmpdir do |dir|
      @dir = dir
      ['foreman-dlm-updater', 'systemctl'].each do |name|
        File.write("#{dir}/#{name}", "#!/bin/sh\necho \"#{name} $*\"\n[ \"#{name} $*\" != \"$FAILS\" ] || exit 77\n", perm: 0o755)
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
    ['pause', { 'unpause' => true, 'reason' => 'x' }, ['foreman-dlm-updater unpause']],
    ['pause', { 'reason' => '--help; $(reboot) "x"' }, ['foreman-dlm-updater pause --reason=--help; $(reboot) "x"']],
    ['pause', { 'reason' => 'x', 'for' => '4h', 'unpause' => false }, ['foreman-dlm-updater pause --reason=x --for=4h']],
    ['pause', { 'reason' => 'x', 'until' => 'tomorrow 06:00' }, ['foreman-dlm-updater pause --reason=x --until=tomorrow 06:00']],
    ['plan', {}, ['foreman-dlm-updater plan --json']],
  ].each do |name, parameters, calls|
    it("#{name} with #{parameters}") { expect(task(name, parameters)).to eq [calls, 0] }
    it("#{name} with #{parameters}, which fails") { expect(task(name, parameters, calls.first)).to eq [calls.first(1), 77] }
  end

  { # what the updater prints and its exit code, and the task's
    'not now: there is a plan' => ['{"begins": false}', 75, 0],
    'no plan, because an invocation runs' => ['', 75, 75],
    'an error' => ['', 78, 78],
  }.each do |what, (prints, exit, code)|
    it("plan: #{what}") do
      File.write("#{@dir}/foreman-dlm-updater", "#!/bin/sh\nprintf %s '#{prints}'\nexit #{exit}\n")
      expect(task('plan', {})).to eq [[prints].reject(&:empty?), code]
    end
  end
end
