# After the update, which rebooted the host.
load host

@test "the update is complete" {
    eventually test ! -e /var/lib/foreman_dlm_updater/state
    eventually test "$(property foreman-dlm-updater-resume.service ActiveState)" = inactive
    is "$(dpkg-query -W -f '${Version}' ledger)" 2.0
    is "$(systemctl is-active nginx.service)" active
    is "$(foreman-dlm-updater status)" "nothing to do: no run in progress; lock web is free"
    facts
    is "$(fact foreman_dlm_updater last_result)" '"success"'
    is "$(fact foreman_dlm_updater under_way)" false
    [[ ! -e $(puppet config print agent_disabled_lockfile) ]]
}

@test "the delayed changes are made now" {
    applies 2
    [[ ! -e $etc/post_update.d/50-services-start ]]
    is "$(sed -n 's/^lock_name = //p' "$config")" galera
    applies 0
}

@test "absent cleans up" {
    echo 'foreman_dlm_updater::ensure: absent' >>"$environment/data/changes.yaml"
    applies 2
    is "$(dpkg-query -W -f '${Status}' foreman-dlm-updater 2>&1 || true)" \
        "dpkg-query: no packages found matching foreman-dlm-updater"
    is "$(systemctl list-unit-files --no-legend 'foreman*')" ""
    is "$(systemctl list-units --all --no-legend 'foreman*')" ""
    find /etc /usr /var -xdev \( -path '*foreman*' -o -path '*/systemd/*' \) -not -path "$environment/*" -not -path '/var/cache/*' |
        sort >~/now
    diff ~/before ~/now
    applies 0
}
