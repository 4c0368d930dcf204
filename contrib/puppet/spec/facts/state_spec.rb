# frozen_string_literal: true

require 'spec_helper'
require 'facter'

describe 'fact foreman_dlm_updater' do
  program = '/usr/bin/foreman-dlm-updater'
  error = { 'time' => '2026-11-22T02:14:03+01:00', 'stage' => 'update', 'hook' => '50-apt', 'message' => 'exit 100' }
  idle = { 'version' => 2, 'code' => 'idle', 'stage' => '', 'running' => false, 'lock' => { 'name' => 'web', 'seen' => false } }
  begun = idle.merge('run' => 'r1', 'began' => '2026-11-22T02:00:00+01:00')

  pause = { 'reason' => 'tests', 'by' => 'ann', 'since' => '2026-11-22T01:00:00+01:00', 'until' => '2026-11-22T06:00:00+01:00' }
  no = { 'question' => 'pause', 'why' => 'paused by ann: tests', 'until' => '2026-11-22T06:00:00+01:00' }

  def unit(result, status, ended)
    "Result=#{result}\nExecMainStatus=#{status}\nExecMainExitTimestampMonotonic=#{ended}\n"
  end
  never = ['success', 0, 0]

  before do
    Facter.clear
    allow(File).to receive(:executable?).and_call_original
    allow(File).to receive(:executable?).with(program).and_return(true)
  end

  after { Facter.clear }

  # Returns the fact if the program prints STATUS and systemd knows UNITS of the two units.
  def fact(status, *units)
    answers = {
      '/usr/bin/foreman-dlm-updater status --offline --json' => status,
      'systemctl show --property=Result,ExecMainStatus,ExecMainExitTimestampMonotonic ' \
      'foreman-dlm-updater.service foreman-dlm-updater-resume.service' => units.map { |u| unit(*u) }.join("\n"),
    }
    allow(Facter::Core::Execution).to receive(:execute).and_call_original
    answers.each do |command, answer|
      allow(Facter::Core::Execution).to receive(:execute).with("#{command} 2>/dev/null", on_fail: '', timeout: 5).and_return(answer)
    end
    load "#{MODULE}/lib/facter/foreman_dlm_updater.rb"
    Facter.value(:foreman_dlm_updater)
  end

  base = { 'code' => 'idle', 'lock' => 'web', 'in_progress' => false, 'under_way' => false, 'running' => false, 'reboot_pending' => false, 'last_result' => 'none' }
  run = { 'in_progress' => true, 'run' => 'r1', 'began' => '2026-11-22T02:00:00+01:00' }
  {
    'a run that waits' => [{ 'code' => 'waiting', 'stage' => 'lock_get', 'running' => true }, {}],
    'a run in the middle' => [{ 'code' => 'running', 'stage' => 'update', 'running' => true }, { 'under_way' => true }],
    'a run that was cut short' => [{ 'code' => 'interrupted', 'stage' => 'pre_update' }, { 'under_way' => true }],
    'a run that failed' => [{ 'code' => 'failed', 'stage' => 'update', 'error' => error }, { 'last_result' => 'failed' }],
    'a reboot to ask for' => [{ 'code' => 'running', 'stage' => 'reboot', 'running' => true }, { 'under_way' => true, 'reboot_pending' => true }],
    'a reboot that was asked for' => [{ 'code' => 'reboot_pending', 'stage' => 'post_update', 'reboot_pending_since' => '2026-11-22T02:20:00+01:00' },
                                      { 'under_way' => true, 'reboot_pending' => true }],
    'a run that could not ask Foreman' => [{ 'code' => 'not_now', 'stage' => 'lock_get', 'error' => error, 'last' => { 'exit' => 75 } }, { 'last_result' => 'not_now' }],
    'a reboot that may be due' => [{ 'code' => 'idle', 'stage' => 'post_update', 'reboot_due' => { 'hook' => '50-x' } }, { 'under_way' => true }],
    'a pause, and that nothing begins' => [{ 'code' => 'not_now', 'stage' => 'lock_get', 'pause' => pause, 'no' => no }, {}],
    'a release' => [{ 'code' => 'running', 'stage' => 'lock_release', 'running' => true }, {}],
  }.each do |what, (status, value)|
    taken = status.reject { |name, _| ['reboot_pending_since', 'last'].include?(name) }
    it("tells of #{what}") { expect(fact(JSON.generate(begun.merge(status)), never, never)).to eq base.merge(run, taken, value) }
  end

  it('tells of no run') { expect(fact(JSON.generate(idle), never, never)).to eq base }

  it 'tells of a lock that nobody can look at' do
    lock = { 'lock' => { 'name' => 'web', 'seen' => false, 'no_look' => true }, 'stage' => 'update', 'code' => 'running' }
    expect(fact(JSON.generate(begun.merge(lock)), never, never)).to eq base.merge(run, 'stage' => 'update', 'code' => 'running', 'under_way' => true)
  end

  {
    'success' => [['success', 0, 10], never],
    'failed' => [['exit-code', 1, 10], never],
    'not_now' => [['success', 75, 10], never],
    'refused' => [['exit-code', 77, 10], never],
    'bad_configuration' => [['exit-code', 78, 20], ['success', 0, 10]],
    'signal' => [['success', 0, 10], ['signal', 9, 20]],
    'none' => [],
  }.each do |result, units|
    it("tells of a last result, #{result}") { expect(fact(JSON.generate(idle), *units)['last_result']).to eq result }
  end

  {
    'not_now' => [75, [['exit-code', 1, 10], never]], # by hand, after the unit
    'success' => [0, [never, never]], # before the last boot
    'oom-kill' => [0, [['oom-kill', 9, 10], never]],
    'failed' => [9, []],
    'refused' => [77, []],
  }.each do |result, (exit, units)|
    it("tells of a run on record that ended with #{exit}: #{result}") do
      expect(fact(JSON.generate(idle.merge('last' => { 'exit' => exit })), *units)['last_result']).to eq result
    end
  end

  it 'reports a run that a signal stopped while the host is out of service' do
    stopped = { 'exit' => 75, 'result' => 'interrupted' }
    expect(fact(JSON.generate(begun.merge('code' => 'interrupted', 'stage' => 'update', 'last' => stopped)), never, never)['last_result']).to eq 'interrupted'
  end

  ['', "{\n", 'no JSON'].each do |printed|
    it "tells that #{printed.inspect} is no status" do
      expect(fact(printed, ['exit-code', 78, 1], never))
        .to eq('problem' => "its state can't be read: `foreman-dlm-updater status` says why", 'last_result' => 'bad_configuration')
    end
  end

  it 'does not exist without the program' do
    allow(File).to receive(:executable?).with(program).and_return(false)
    expect(fact(JSON.generate(idle))).to be_nil
  end
end
