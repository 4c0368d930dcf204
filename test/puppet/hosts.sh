# shellcheck shell=bash disable=SC2154 # sourced by run.sh
# Applies the README's example to a booted host, unchanged, and takes the host through an update. The names come from
# the example: foreman.example.com and lock.example.com are sandboxes, packages.example.com has the repositories. All of
# them, and the host, have certificates from a Puppet CA.
: "${BOOT_LAB_NET:=10.92.0}" "${BOOT_LAB_DIR:=$work/lab}"
export BOOT_LAB_NET BOOT_LAB_DIR GNUPGHOME=$work/gnupg
lab=../lab/boot-lab.sh
servers=()
finish() {
    trap '' INT TERM
    "$lab" destroy
    ((${#servers[@]} == 0)) || kill "${servers[@]}" || true
    gpgconf --kill all
    rm -rf --one-file-system "$work"
}
trap finish EXIT
if [[ $(id -u) != 0 ]] || ! "$lab" deps || ! "$lab" net true; then
    not_tested "the Puppet module on booted hosts: none can be booted here (root and systemd-nspawn are needed)"
fi
ruby -rpuppetserver/ca/cli -e '' ||
    not_tested "the Puppet module on booted hosts: ruby-puppetserver-ca-cli is not installed"
echo "puppet: applying the README's example to a booted host, and an update of it (2 to 4 min)" |
    tee -a "${PROGRESS:-/dev/null}"
given=$work/given ca=$work/ca
mkdir -p "$given"/{www,ssl} "$ca"

# The CA, made by `puppetserver ca` without a server. Its certificate is an intermediate one, below a root.
ca() {
    RUBYOPT=-W0 ruby -rpuppetserver/ca/cli -e 'exit Puppetserver::Ca::Cli.run(ARGV)' -- "$@" \
        --config "$ca/puppet.conf" >&2
}
cat >"$ca/puppet.conf" <<END
[main]
confdir = $ca
ssldir = $ca/ssl
cadir = $ca/ca
vardir = $ca/var
certname = foreman.example.com
keylength = 2048
END
ca setup --subject-alt-names foreman.example.com,packages.example.com,lock.example.com
ca generate --ca-client --force --certname web1.example.com
cp "$ca/ssl/certs/ca.pem" "$given/ssl/ca.pem"
cp "$ca/ssl/certs/web1.example.com.pem" "$given/ssl/cert.pem"
cp "$ca/ssl/private_keys/web1.example.com.pem" "$given/ssl/key.pem"

# The updater's package in its signed repository, and a package with a newer version that asks for a reboot.
mkdir -m 0700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-generate-key packages@example.com rsa3072 sign never
export VERSION=1.0.0 DIST=$work/dist
../../packaging/package.sh "$work/foreman-dlm-updater" "$(dpkg --print-architecture)"
SIGNING_KEY=packages@example.com ../../packaging/repo.sh
mv "$DIST/repo/apt" "$given/www/apt"
for version in 1.0 2.0; do
    cp -R ../e2e/ledger "$work/ledger-$version"
    sed -i "s/@VERSION@/$version/" "$work/ledger-$version/DEBIAN/control"
    mkdir "$given/ledger-$version"
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$work/ledger-$version" "$given/ledger-$version" >/dev/null
    (cd "$given/ledger-$version" && dpkg-scanpackages . >Packages 2>/dev/null)
done

# Three addresses, because all servers use the port of https://.
"$lab" net ip addr add "$BOOT_LAB_NET.2/24" dev br0
"$lab" net ip addr add "$BOOT_LAB_NET.3/24" dev br0
printf '%s\n' "127.0.0.1 localhost" "$BOOT_LAB_NET.1 server foreman.example.com" \
    "$BOOT_LAB_NET.2 packages.example.com" "$BOOT_LAB_NET.3 lock.example.com" >"$BOOT_LAB_DIR/etc-hosts"
certificate=("$ca/ssl/certs/foreman.example.com.pem" "$ca/ssl/private_keys/foreman.example.com.pem")
echo secret >"$work/password"
"$lab" net "$work/dlm-sandbox" serve --listen "$BOOT_LAB_NET.1:443" --ca "$given/ssl/ca.pem" \
    --cert "${certificate[0]}" --key "${certificate[1]}" \
    --admin-password-file "$work/password" --record "$work/record" >"$work/sandbox.log" 2>&1 &
servers+=($!)
"$lab" net "$work/puppet" "$given/www" "$BOOT_LAB_NET.2:443" "${certificate[@]}" 2>"$work/serve.log" &
servers+=($!)
"$lab" net "$work/dlm-sandbox" serve --fleetlock --listen "$BOOT_LAB_NET.3:443" --ca "$given/ssl/ca.pem" \
    --cert "${certificate[0]}" --key "${certificate[1]}" \
    --record "$work/fleetlock-record" >"$work/fleetlock.log" 2>&1 &
servers+=($!)
for address in "$BOOT_LAB_NET".{1,2,3}; do
    timeout 300 "$lab" net bash -c "until : </dev/tcp/$address/443; do sleep 0.1; done" 2>/dev/null
done

export BOOT_LAB_PKGS=bats,puppet-agent,curl # as in ../hooks/real.sh, to share its root filesystem
BOOT_LAB_NSPAWN="--bind-ro=$given:/given --bind-ro=$PWD/host:/test --bind-ro=$STDLIB/stdlib:/stdlib"
BOOT_LAB_NSPAWN="$BOOT_LAB_NSPAWN --bind-ro=$(readlink -f ../../contrib/puppet):/module"
export BOOT_LAB_NSPAWN
"$lab" up web1
on_host() { timeout 3600 "$lab" exec "$1" bats --tap --print-output-on-failure "/test/$2"; }
on_host web1 apply.bats
on_host web1 fleetlock.bats
taken=$(sed -E 's/.*"kind":"([a-z]+)".*"host":"([^"]*)","by":"([^"]*)".*/\1 \2 \3/' "$work/fleetlock-record" | xargs)
[[ $taken == "acquire web1.example.com web1.example.com release web1.example.com web1.example.com" ]] ||
    { echo "FAILED: what happened to the lock: $taken"; cat "$work/fleetlock.log"; exit 1; } >&2
on_host web1 middle.bats # leaves the host in an update that ends with a reboot
"$lab" wait web1 2
on_host web1 after.bats
got=$(tail -n 2 "$work/record" | sed -E 's/.*"kind":"([a-z]+)".*"host":"([^"]*)".*/\1 \2/' | xargs)
[[ $got == "acquire web1.example.com release web1.example.com" ]] ||
    { echo "FAILED: what happened to the lock: $got"; cat "$work/record"; exit 1; } >&2

# The server with Foreman's database, and nothing else of Foreman.
echo "puppet: guarding a database of Foreman's on a booted host (1 min)" | tee -a "${PROGRESS:-/dev/null}"
cp ../foreman/plugin.sql "$given/plugin.sql"
BOOT_LAB_PKGS=bats,puppet-agent,postgresql "$lab" up foreman
on_host foreman database.bats
