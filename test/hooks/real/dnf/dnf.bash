# For the tests in this folder: a host with dnf as it is on EL. `prepare` of a test file calls fresh.
# shellcheck shell=bash
load ../../hook
load ../rpm
bats_require_minimum_version 1.5.0

# fresh: no test package, no repository but main, nothing cached; a host is shared by the tests of a file.
fresh() {
    [[ -z ${HOLDER:-} ]] || kill "$HOLDER" 2>/dev/null || true
    [[ -z ${SERVER:-} ]] || kill "$SERVER" 2>/dev/null || true
    local all; mapfile -t all < <(rpm -qa)
    ((!${#all[@]})) || quietly rpm -e --nodeps --noscripts "${all[@]}"
    rm -rf /srv/* /var/cache/dnf /etc/acme.conf* /run/cut /run/ran /etc/yum.repos.d
    mkdir -p /etc/yum.repos.d
    sed -i 's,^enabled.*,enabled = false,' /etc/dnf/plugins/local.conf # Debian has it on, and it wants signatures
    echo 9 >/etc/dnf/vars/releasever
    : >/etc/dnf/plugins/versionlock.list
    printf '%s\n' "[main]" gpgcheck=True installonly_limit=3 clean_requirements_on_remove=True best=False skip_if_unavailable=True \
        >/etc/dnf/dnf.conf # Debian's
    [[ ! -e /etc/acme.conf ]]
}
# repository NAME [LINE...]: /srv/NAME
repository() { printf '%s\n' "[$1-repo]" "name=$1" "baseurl=file:///srv/$1" gpgcheck=0 "${@:2}" >"/etc/yum.repos.d/$1.repo"; }
# offer NAME VERSION [TAG...]: /srv/main has it from now on.
offer() {
    package /srv/main "$@"
    publish /srv/main
}
# installing NAME...: these are, from /srv/main.
installing() { quietly dnf -y -q --refresh install "$@"; }
configured() { sed -i "s/^${1%%=*}=.*/$1/; t; \$a$1" /etc/dnf/dnf.conf; }
