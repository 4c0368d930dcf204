# The README's site with FleetLock, and a run there. Afterwards the host asks Foreman again.
load host

@test "the README's site with FleetLock: the host takes and releases the lock with its certificate" {
    cat <(block 2 yaml) - <<'END' | changes
foreman_dlm_updater::hooks:
  needs_update/10-yes: { content: "#!/bin/sh\nexit 1\n" }
  update/10-look: { content: "#!/bin/sh\nforeman-dlm-updater status --json >/run/looked\n" }
  needs_reboot/kernel-changed: absent
  needs_reboot/10-no: { content: "#!/bin/sh\nexit 0\n" }
END
    applies 2
    run -0 foreman-dlm-updater config check
    says 'FleetLock server: this host is "web1.example.com" there'
    facts
    is "$(fact foreman_dlm_updater lock)" '"web"'
    is "$(fact foreman_dlm_updater code)" '"idle"'

    PT_wait=true run -0 --separate-stderr /module/tasks/run.sh
    is "$(json last result)" '"finished"'
    output=$(cat /run/looked)
    is "$(json stage)" '"update"'
    is "$(json lock no_look)" true
    is "$(json lock seen)" false
    is "$(systemctl is-active nginx.service)" active
    facts
    is "$(fact foreman_dlm_updater last_result)" '"success"'
    is "$(fact foreman_dlm_updater in_progress)" false
}

@test "what FleetLock can't do fails before anything changes" {
    cp -a "$config" /root/config.ini
    cat <(block 2 yaml) - <<<'foreman_dlm_updater::max_failed: 1' | changes
    applies 1
    says "lock_server fleetlock: max_failed has no place here: FleetLock has no way to look at a lock"
    cmp "$config" /root/config.ini
}

@test "back to Foreman" {
    echo 'foreman_dlm_updater::purge_hooks: true' | changes
    applies 2
    run ! grep fleetlock "$config"
    run -0 foreman-dlm-updater config check
    says "Foreman: it knows this host"
    changes <<<'{}'
    applies 0
}
