#!/bin/sh
# Puts in place what the package will bring, and what an administrator adds to it. Runs on the host, as root; takes all
# of it from /e2e. The package ledger is installed in its first version.
# usage: install.sh CN
set -eux
cn=$1 etc=/etc/foreman_dlm_updater ssl=/var/lib/puppet/ssl

install -m 0755 /e2e/bin/foreman-dlm-updater /usr/bin
ln -s foreman-dlm-updater /usr/bin/foreman_dlm_updater
install -d -m 0755 "$etc"
install -d -m 0700 /var/lib/foreman_dlm_updater
for stage in needs_update pre_update update needs_reboot post_update; do
    install -d -m 0755 "$etc/$stage.d"
    install -m 0755 /e2e/hooks/$stage.d/* "$etc/$stage.d"
    install -m 0755 /e2e/hooks/trace "$etc/$stage.d/00-trace"
    install -m 0755 /e2e/hooks/trace "$etc/$stage.d/99-trace"
done
install -m 0755 /e2e/reboot-later /usr/local/sbin

install -d -m 0755 "$ssl/certs"
install -d -m 0750 "$ssl/private_keys"
install -m 0644 "/e2e/ca/$cn.pem" "$ssl/certs/$cn.pem"
install -m 0600 "/e2e/ca/$cn.key" "$ssl/private_keys/$cn.pem"
install -m 0644 /e2e/ca/ca.pem "$ssl/certs/ca.pem"

install -m 0644 /e2e/units/*.service /etc/systemd/system
systemctl daemon-reload
systemctl enable foreman-dlm-updater-resume.service

echo 'deb [trusted=yes] file:/e2e/apt/old ./' >/etc/apt/sources.list
apt-get -q update
DEBIAN_FRONTEND=noninteractive apt-get -q -y install ledger
systemctl start ledger.service
