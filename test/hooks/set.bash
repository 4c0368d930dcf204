# For tests that follow a page of docs/bundled-hooks/ on a booted host: `load ../../set` beside hook. In such a test:
#
#   documented_hooks PAGE [SECTION]   follows "## Hooks to enable", or SECTION, of the page exactly as it stands
#   whole_run                         a whole run, with the lock of a stand-in for Foreman, that updates acme
#
# Neither touches what the page's service needs: the test sets that up. The host needs curl.
# shellcheck shell=bash disable=SC2154 # bats sets status and output

# documented_hooks PAGE [SECTION]: gives this host a configuration, as a package does, and runs the page's commands.
documented_hooks() {
    local block etc=/etc/foreman_dlm_updater
    block=$(awk -v section="## ${2:-Hooks to enable}" '/^## /{ ours = $0 == section }
        /^```/{ code = ours && $0 == "```sh"; next }
        code' "/docs/bundled-hooks/$1.md")
    [[ -n $block ]] || { echo "$1.md has no commands under \"${2:-Hooks to enable}\""; return 1; }
    rm -rf "$etc" /var/lib/foreman_dlm_updater /srv/ca
    mkdir -p "$etc"/{needs_update,gate,pre_update,update,needs_reboot,post_update,hooks.conf}.d /var/lib/foreman_dlm_updater
    {
        printf '%s\n' '[main]' 'lock_name = test' 'cannot_tell_exit = 75' 'lock_settle = 1s' 'lock_retry_interval = 1' \
            'gate_interval = 60' 'lock_timeout = 120'
        dlm-sandbox issue --dir /srv/ca "$(hostname)"
    } >"$etc/config.ini"
    sh -eu -c "$block"
}

# whole_run: fails unless the update of acme was installed, the run ended well, and the lock is free.
whole_run() {
    local server dir=/srv/acme held
    acme_package "$dir" 1
    dpkg -i "$dir/acme_1.deb" >/dev/null
    acme_package "$dir" 2
    acme_index "$dir"
    echo "deb [trusted=yes] file:$dir ./" >/etc/apt/sources.list
    dlm-sandbox serve --dir /srv/ca >/srv/sandbox.log 2>&1 3>&- &
    server=$!
    at_foreman -X POST --retry 20 --retry-connrefused \
        -d '{"dlmlock":{"name":"test","type":"ForemanDlm::Dlmlock::Update"}}' -o /dev/null || cat /srv/sandbox.log
    run env -i PATH="$PATH" foreman-dlm-updater run </dev/null 3>&- # without the DLM_* of the other tests
    # The stand-in lists no locks for administrators: ask for this one as the host does.
    held=$(curl -q -sS --cacert /srv/ca/ca.pem --cert "/srv/ca/$(hostname).pem" --key "/srv/ca/$(hostname).key" \
        https://127.0.0.1:8443/api/dlmlocks/test)
    kill "$server"
    wait "$server" || true
    [[ $status == 0 ]] || { printf 'exit %s\n%s\n' "$status" "$output"; return 1; }
    [[ $(dpkg-query -f '${Version}' -W acme) == 2 ]] || { printf 'acme was not updated\n%s\n' "$output"; return 1; }
    [[ $held == *'"name":"test"'* && $held == *'"host":null'* ]] ||
        { printf 'the lock is not free: %s\n%s\n' "$held" "$output"; return 1; }
}
at_foreman() { # OPTION...: what the options say, as an administrator
    curl -q -sS --cacert /srv/ca/ca.pem -u admin:changeme -H 'Content-Type: application/json' "$@" \
        https://127.0.0.1:8443/api/dlmlocks
}
acme_package() { # DIR VERSION
    mkdir -p "$1/$2/DEBIAN"
    printf '%s\n' 'Package: acme' "Version: $2" 'Architecture: all' 'Maintainer: Test <test@example.com>' \
        'Description: test' >"$1/$2/DEBIAN/control"
    dpkg-deb -b "$1/$2" "$1/acme_$2.deb" >/dev/null
}
acme_index() { # DIR: offers version 2
    cd "$1" || return
    {
        cat 2/DEBIAN/control
        printf 'Filename: ./acme_2.deb\nSize: %s\nSHA256: %s\n' "$(stat -c %s acme_2.deb)" "$(sha256 acme_2.deb)"
    } >Packages
    printf 'Date: %s\nSHA256:\n %s %s Packages\n' "$(date -Ru)" "$(sha256 Packages)" "$(stat -c %s Packages)" >Release
    cd / || return
}
sha256() { sha256sum "$1" | cut -d ' ' -f 1; }
