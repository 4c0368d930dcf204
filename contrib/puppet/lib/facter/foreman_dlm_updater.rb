# frozen_string_literal: true

require 'json'

# Where this host stands in its updates. The fact writes nothing and does not ask the lock server.
#   code            where the host stands: one of the codes in status.schema.json, without what only the server knows
#   lock            the lock's name; with FleetLock, the group
#   in_progress     whether a run is on record
#   under_way       whether that run is between pre_update and post_update, and has not failed
#   running         whether an invocation of the updater is running now
#   stage, run, began   the stage, the id and the beginning of the run on record
#   error           why its stage failed: stage, hook, message, time
#   reboot_pending  whether the host was told to reboot and has not done so yet
#   reboot_due      set if the last run could not find out whether a reboot is needed: since, hook, message
#   pause           set if an operator has paused this host: reason, by, since, until
#   no              set if no run may begin now, or a run waits for something other than the lock: question (pause,
#                   freeze, window and so on), why, since, until
#   last_result     how the last run ended: success, failed, not_now, interrupted (by a signal, with the host out of
#                   service), refused, bad_configuration, or systemd's word for a unit that was killed; none if no run
#                   has ended yet
#   problem         if the updater can't tell: why; then only this and last_result are set
Facter.add(:foreman_dlm_updater) do
  program = '/usr/bin/foreman-dlm-updater'
  guarded = ['pre_update', 'update', 'needs_reboot', 'reboot', 'post_update']
  exits = { '0' => 'success', '1' => 'failed', '75' => 'not_now', '77' => 'refused', '78' => 'bad_configuration' }

  confine kernel: 'Linux'
  confine { File.executable?(program) }

  # Returns what a command prints; empty if it fails or takes too long for a fact.
  ask = lambda do |command|
    Facter::Core::Execution.execute("#{command} 2>/dev/null", on_fail: '', timeout: 5).to_s
  end

  # If the unit that ended last was killed, systemd's word counts. Otherwise it is the result that the updater recorded.
  # An earlier version recorded none: then it is the exit status that systemd knows.
  last_exit = lambda do |last_run|
    properties = 'Result,ExecMainStatus,ExecMainExitTimestampMonotonic'
    services = 'foreman-dlm-updater.service foreman-dlm-updater-resume.service'
    shown = ask.call("systemctl show --property=#{properties} #{services}")
    units = shown.split("\n\n").map { |unit| unit.lines.to_h { |line| line.chomp.split('=', 2) } }
    last = units.max_by { |unit| unit['ExecMainExitTimestampMonotonic'].to_i }
    ended = !last.nil? && last['ExecMainExitTimestampMonotonic'].to_i.positive?
    next last['Result'] if ended && !['success', 'exit-code'].include?(last['Result'])
    next 'interrupted' if last_run && last_run['result'] == 'interrupted'
    next exits.fetch(last_run['exit'].to_s, 'failed') if last_run

    ended ? exits.fetch(last['ExecMainStatus'], 'failed') : 'none'
  end

  setcode do
    status = begin
      JSON.parse(ask.call("#{program} status --offline --json"))
    rescue JSON::ParserError
      nil
    end
    if status.nil?
      problem = "its state can't be read: `foreman-dlm-updater status` says why"
      { 'problem' => problem, 'last_result' => last_exit.call(nil) }
    else
      stage, error = status.values_at('stage', 'error')
      {
        'code'           => status['code'],
        'lock'           => status['lock']['name'],
        'in_progress'    => stage != '',
        'under_way'      => guarded.include?(stage) && error.nil?,
        'running'        => status['running'],
        'reboot_pending' => stage == 'reboot' || status.key?('reboot_pending_since'),
        'reboot_due'     => status['reboot_due'],
        'pause'          => status['pause'],
        'no'             => status['no'],
        'last_result'    => error && status['last'].nil? ? 'failed' : last_exit.call(status['last']),
        'stage'          => stage,
        'run'            => status['run'],
        'began'          => status['began'],
        'error'          => error,
      }.reject { |_, value| value.nil? || value == '' }
    end
  end
end
