# For the tests in this directory: a host with dnf configured as on EL. Each test file's `prepare` calls fresh.
# shellcheck shell=bash
load ../../hook
load ../rpm
bats_require_minimum_version 1.5.0

# fresh: removes test packages, caches, and all repositories except main, because all tests of a file share one host.
fresh() {
    [[ -z ${HOLDER:-} ]] || kill "$HOLDER" 2>/dev/null || true
    [[ -z ${SERVER:-} ]] || kill "$SERVER" 2>/dev/null || true
    local all; mapfile -t all < <(rpm -qa)
    ((!${#all[@]})) || quietly rpm -e --nodeps --noscripts "${all[@]}"
    rm -rf /srv/* /var/cache/dnf* /etc/acme.conf* /run/cut /run/ran /etc/yum.repos.d
    mkdir -p /etc/yum.repos.d
    # Debian enables this plugin, which wants signatures.
    sed -i 's,^enabled.*,enabled = false,' /etc/dnf/plugins/local.conf
    echo 9 >/etc/dnf/vars/releasever
    : >/etc/dnf/plugins/versionlock.list
    printf '%s\n' "[main]" gpgcheck=True installonly_limit=3 clean_requirements_on_remove=True \
        best=False skip_if_unavailable=True >/etc/dnf/dnf.conf # Debian's
    [[ ! -e /etc/acme.conf ]]
}
# repository NAME [LINE...]: configures /srv/NAME.
repository() {
    printf '%s\n' "[$1-repo]" "name=$1" "baseurl=file:///srv/$1" gpgcheck=0 "${@:2}" >"/etc/yum.repos.d/$1.repo"
}
# offer NAME VERSION [TAG...]: adds the package to /srv/main.
offer() {
    package /srv/main "$@"
    publish /srv/main
}
# installing NAME...: installs these packages from /srv/main.
installing() { quietly dnf -y -q --refresh install "$@"; }
configured() { sed -i "s/^${1%%=*}=.*/$1/; t; \$a$1" /etc/dnf/dnf.conf; }
# serving: offers /srv/main by HTTP, with a password.
serving() {
    python3 -m http.server -d /srv -b 127.0.0.1 8000 >/dev/null 2>&1 3>&- &
    SERVER=$!
    until (: </dev/tcp/127.0.0.1/8000) 2>/dev/null; do kill -0 "$SERVER"; done
    sed -i 's,^baseurl=.*,baseurl=http://joe:s3cret@127.0.0.1:8000/main,' /etc/yum.repos.d/main.repo
}
