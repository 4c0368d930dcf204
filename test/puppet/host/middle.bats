# Applies catalogues in the middle of an update.
load host

# The package ledger asks for a reboot with the flag, because the host shares the machine's kernel.
wait_hook='  needs_reboot/reboot-required: bundled
  update/10-wait: { content: "#!/bin/sh\ntouch /run/waits\nuntil [ -e /run/go-on ]; do sleep 0.1; done\n" }'

written() { (cd "$etc" && { find . -type f -exec grep -H '' {} +; find . -type l -printf '%p -> %l\n'; } | sort); }

untouched() {
    diff /root/written <(written)
    is "$(property "$service" InvocationID)" "$(cat /root/invocation)"
    is "$(property "$service" ActiveState)" active
    is "$(systemctl is-active nginx.service)" inactive
    is "$(dpkg-query -W -f '${Status}' foreman-dlm-updater)" "install ok installed"
}

@test "the task run begins an update" {
    printf 'foreman_dlm_updater::hooks:\n%s\n' "$wait_hook" | changes
    applies 2
    written >/root/written
    echo 'deb [trusted=yes] file:/given/ledger-2.0 ./' >/etc/apt/sources.list
    run -0 /module/tasks/run.sh
    eventually test -e /run/waits
    property "$service" InvocationID >/root/invocation
    is "$(systemctl is-active nginx.service)" inactive
    facts
    is "$(fact foreman_dlm_updater under_way)" true
    is "$(fact foreman_dlm_updater stage)" '"update"'
}

@test "the same catalogue changes nothing" {
    applies 0
    untouched
}

@test "another catalogue waits until the run is over" {
    cat - <(echo "$wait_hook") <<'END' | changes
foreman_dlm_updater::lock_name: galera
foreman_dlm_updater::log_level: debug
foreman_dlm_updater::package_ensure: latest
foreman_dlm_updater::purge_hooks: true
foreman_dlm_updater::hooks:
  post_update/services-start: absent
END
    applies 0
    says "50-services-start]/ensure: current_value 'link', should be 'absent' (noop)"
    untouched
}

@test "nothing is removed" {
    cp "$environment/data/changes.yaml" /root/changes.yaml
    cat - <(printf 'foreman_dlm_updater::hooks:\n%s\n' "$wait_hook") <<<'foreman_dlm_updater::ensure: absent' | changes
    applies 4
    says "A run of foreman-dlm-updater is in progress"
    untouched
    is "$(systemctl is-active "$timer")" active
    run /module/tasks/release.sh
    is "$status" 75
    cp /root/changes.yaml "$environment/data/changes.yaml"
}

@test "the update goes on" {
    touch /run/go-on
}
