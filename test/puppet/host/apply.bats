# The README's example on a typical host, and the effect of changes.
load host

@test "a host with a Puppet agent, a service, and a package of an older version" {
    ssl=/var/lib/puppet/ssl
    install -d "$ssl"/{certs,private_keys} "$environment"/{data,manifests,modules/profile/files}
    install -m 0644 /given/ssl/cert.pem "$ssl/certs/web1.example.com.pem"
    install -m 0640 /given/ssl/key.pem "$ssl/private_keys/web1.example.com.pem"
    install -m 0644 /given/ssl/ca.pem "$ssl/certs/ca.pem"
    # This is not the host's own name, and `puppet apply` doesn't read this section.
    printf '[agent]\ncertname = web1.example.com\n' >/etc/puppet/puppet.conf

    ln -s /module "$environment/modules/foreman_dlm_updater"
    ln -s /stdlib "$environment/modules/stdlib"
    cp /given/www/apt/foreman-dlm-updater.asc "$environment/modules/profile/files/foreman-dlm-updater.asc"
    printf '{"version": 5, "hierarchy": [{"name": "all", "paths": ["changes.yaml", "common.yaml"]}]}' \
        >"$environment/hiera.yaml"
    block 1 yaml >"$environment/data/common.yaml"
    block 1 puppet >"$environment/manifests/site.pp"
    changes <<<'{}'

    install -m 0644 /given/ssl/ca.pem /etc/ssl/lab.pem
    echo 'Acquire::https::CaInfo "/etc/ssl/lab.pem";' >/etc/apt/apt.conf.d/90lab
    echo 'deb [trusted=yes] file:/given/ledger-1.0 ./' >/etc/apt/sources.list
    apt-get -q update
    apt-get -q -y install ledger
    printf '[Service]\nExecStart=/bin/sleep infinity\n' >/etc/systemd/system/nginx.service
    systemctl daemon-reload
    systemctl start nginx.service
}

@test "the README's example gives a working host" {
    find /etc /usr /var -xdev \( -path '*foreman*' -o -path '*/systemd/*' \) -not -path "$environment/*" -not -path '/var/cache/*' |
        sort >~/before
    applies 2
    is "$(dpkg-query -W -f '${Version}' foreman-dlm-updater)" 1.0.0-1
    is "$(systemctl is-enabled "$timer" foreman-dlm-updater-resume.service | xargs) $(systemctl is-active "$timer")" \
        "enabled enabled active"
    is "$(property "$service" InvocationID)" ""
    run -0 foreman-dlm-updater config check
    says 'ok: certificate: CN "web1.example.com"'
    says "Foreman: it knows this host"
    run -0 foreman-dlm-updater hooks list
    says "50-services-stop"
}

@test "the README's locks: created if they do not exist" {
    echo 'foreman_dlm_updater::foreman_locks::password: wrong' | changes
    sed "s/'locks'/'admin'/" <(block 3 puppet) >~/locks.pp
    applies 6 ~/locks.pp
    says "401"
    echo 'foreman_dlm_updater::foreman_locks::password: secret' | changes
    run -0 puppet apply --noop --verbose --show_diff ~/locks.pp
    says "create the lock web.slot2 in Foreman"
    [[ $output != *secret* ]]
    applies 2 ~/locks.pp
    for lock in web web.slot2 web.slot3 web.failed1 web.failed2 web.failed3 postgresql galera; do
        sed "s/^lock_name = .*/lock_name = $lock/" "$config" >~/lock.ini
        is "$(foreman-dlm-updater -c ~/lock.ini lock show)" "lock $lock is free"
    done
    is "$(stat -c '%a %U' /etc/foreman_dlm_updater-locks)" "600 root"
    applies 0 ~/locks.pp
    rm /etc/foreman_dlm_updater-locks # the class foreman_dlm_updater, whose end after.bats looks at, does not know it
    changes <<<'{}'
}

@test "a second run changes nothing" {
    applies 0
}

@test "the facts show the agent's certificate, and the host's state" {
    facts
    is "$(fact foreman_dlm_updater_ssl hostcert)" '"/var/lib/puppet/ssl/certs/web1.example.com.pem"'
    is "$(fact foreman_dlm_updater lock)" '"web"'
    is "$(fact foreman_dlm_updater in_progress)" false
    is "$(fact foreman_dlm_updater last_result)" '"none"'
}

@test "changes of hooks and values converge" {
    changes <<'END'
foreman_dlm_updater::log_level: debug
foreman_dlm_updater::hook_timeout: 1h
foreman_dlm_updater::hooks:
  gate/disk-space: { bundled: true, settings: { SPACE: ["/:1", "/var:1"] } }
  needs_reboot/kernel-changed: absent
  needs_reboot/30-own: { content: "#!/bin/sh\nexit 1\n" }
END
    applies 2
    run foreman-dlm-updater config show
    says "debug"
    says "1h"
    run foreman-dlm-updater hooks list needs_reboot
    says "30-own"
    [[ ! -e $etc/needs_reboot.d/50-kernel-changed ]]
    is "$(. "$etc/hooks.conf.d/disk-space.conf"; echo "$SPACE")" "/:1 /var:1"
    applies 0
    foreman-dlm-updater config check --offline

    changes <<'END'
foreman_dlm_updater::hooks:
  needs_reboot/30-own: absent
END
    applies 2
    is "$(ls "$etc/needs_reboot.d")" 50-kernel-changed
    run ! grep -e debug -e hook_timeout "$config"
    applies 0
}

@test "purge_hooks removes hooks that Puppet does not know" {
    ln -s /usr/share/foreman-dlm-updater/hooks/update.d/apt-security "$etc/update.d/60-apt-security"
    echo SPACE=/:1 >"$etc/hooks.conf.d/disk-space.conf"
    applies 0
    echo 'foreman_dlm_updater::purge_hooks: true' | changes
    applies 2
    is "$(ls "$etc/update.d" "$etc/hooks.conf.d" | xargs)" "$etc/hooks.conf.d: services-stop.conf $etc/update.d: 50-apt"
    [[ -e /usr/share/foreman-dlm-updater/hooks/update.d/apt-security ]]
    applies 0
}

@test "a bad value fails, says why, and leaves the old file" {
    changes <<<'{}'
    applies 0
    cp -a "$config" /root/config.ini
    for bad in 'client_key: /etc/ssl/lab.pem' 'lock_retry_jitter: 5m'; do
        echo "foreman_dlm_updater::$bad" | changes
        applies 4
        says "foreman-dlm-updater: error: "
        says "${bad%%:*}"
        cmp "$config" /root/config.ini
        is "$(find "$etc" -newer "$config" -name 'config.ini?*')" ""
        is "$(systemctl is-active "$timer")" active
    done
    changes <<<'{}'
    applies 0
}

@test "a hook that somebody else could change keeps a new config.ini out" {
    printf '#!/bin/sh\n' >"$etc/update.d/70-strange"
    chmod 0777 "$etc/update.d/70-strange"
    echo 'foreman_dlm_updater::log_level: debug' | changes
    applies 4
    says "70-strange"
    rm "$etc/update.d/70-strange"
    chmod 0777 "$etc/update.d" # Puppet fixes this directory, and does so first
    applies 2
    is "$(stat -c %a "$etc/update.d")" 755
}

@test "windows, freezes, gates, slots" {
    changes <<'END'
foreman_dlm_updater::window: [Mon..Fri 04:00-06:00, 'Sun#-1 Europe/Berlin']
foreman_dlm_updater::window_last_start: 1h
foreman_dlm_updater::freezes:
  end of year: 2098-12-18 .. 2099-01-06
  sale: { from: 2098-11-27 08:00, to: '2098-11-30', zone: Europe/Berlin, reason: sales weekend }
foreman_dlm_updater::gate_interval: 10m
foreman_dlm_updater::lock_slots: 3
foreman_dlm_updater::max_failed: 1
foreman_dlm_updater::blocked_by: [staging.failed1, db]
foreman_dlm_updater::hooks:
  gate/disk-space: { bundled: true, settings: { SPACE: ["/:1"] } }
END
    applies 2
    applies 0
    is "$(sed -n 's/^window = //p' "$config")" "Mon..Fri 04:00-06:00; Sun#-1 Europe/Berlin"
    run -0 foreman-dlm-updater config check --offline
    says "2 freezes"
    run -0 foreman-dlm-updater hooks list gate
    says 50-disk-space

    echo "2098-05-01 Europe/Nowhere by hand" >"$etc/freeze.d/company" # Puppet fixes its own file all the same
    sed -i '/^  sale:/d; s/2099-01-06/2099-01-31/' "$environment/data/changes.yaml"
    applies 2
    is "$(grep -v '^#' "$etc/freeze.d/puppet")" "2098-12-18 .. 2099-01-31 end of year"
    rm "$etc/freeze.d/company"

    sed -i 's/2099-01-31/2099-02-30/' "$environment/data/changes.yaml"
    applies 4
    says '"2099-02-30" is no day of any calendar'
    is "$(ls "$etc/freeze.d")" puppet
    foreman-dlm-updater config check --offline

    changes <<<'{}'
    applies 2
    is "$(ls -A "$etc/freeze.d")" ""
    run ! grep -e window -e lock_slots "$config"
    rm "$etc/hooks.conf.d/disk-space.conf"
}

@test "the tasks pause and plan" {
    run -0 --separate-stderr /module/tasks/plan.sh
    is "$(ruby -rjson -e 'puts JSON.parse(ARGV[0])["begins"]' "$output")" false # there is nothing to do
    PT_reason='--it'\''s "broken"' PT_for=2d run -0 /module/tasks/pause.sh
    says "this host is paused"
    run -0 --separate-stderr /module/tasks/plan.sh
    answer=$(ruby -rjson -e 'puts JSON.parse(ARGV[0])["answers"][0].values_at("question", "answer", "why")' "$output")
    [[ $answer == $'pause\nno\npaused by root: --it\'s "broken" (until '* ]]
    facts
    is "$(fact foreman_dlm_updater pause reason)" '"--it'\''s \"broken\""'
    is "$(fact foreman_dlm_updater no question)" '"pause"'
    PT_unpause=true run -0 /module/tasks/pause.sh
    says "ended: paused"
    run -64 /module/tasks/pause.sh
    says "reason"
}

@test "the timer's schedule" {
    printf 'foreman_dlm_updater::timer_schedule: "2099-01-01"\nforeman_dlm_updater::timer_spread: 0\n' | changes
    applies 2
    says "new schedule"
    is "$(property "$timer" TimersCalendar | sed 's/ ;.*//')" "{ OnCalendar=2099-01-01 00:00:00"
    is "$(property "$timer" RandomizedDelayUSec)" 0

    # As if the last run was the day before yesterday: systemd would catch up on the runs that an hourly timer missed.
    systemctl stop "$timer"
    touch -d '2 days ago' "/var/lib/systemd/timers/stamp-$timer"
    systemctl start "$timer"
    printf 'foreman_dlm_updater::timer_schedule: [hourly, daily]\nforeman_dlm_updater::timer_spread: 0\n' | changes
    applies 2
    is "$(systemctl is-active "$timer")" active
    is "$(property "$service" InvocationID)" ""

    printf 'foreman_dlm_updater::timer_schedule: [hourly, someday]\n' | changes
    applies 4
    says someday
    is "$(grep -c hourly "/etc/systemd/system/$timer.d/puppet.conf")" 1

    printf 'foreman_dlm_updater::timer_enable: false\n' | changes
    applies 2
    is "$(systemctl is-enabled "$timer") $(systemctl is-active "$timer")" "disabled inactive"
    [[ ! -e /etc/systemd/system/$timer.d ]]
    applies 0
    changes <<<'{}'
    applies 2
    is "$(property "$service" InvocationID)" ""
}

@test "the tasks status and release" {
    run -0 /module/tasks/status.sh
    ruby -rjson -e 'exit JSON.parse(ARGV[0])["lock"]["seen"]' "$output"
    PT_offline=true run -0 /module/tasks/status.sh
    ruby -rjson -e 'exit !JSON.parse(ARGV[0])["lock"]["seen"]' "$output"
    run -0 /module/tasks/release.sh
    is "$output" "lock web is free; nothing to release"
    is "$(systemctl is-system-running)" running
}
