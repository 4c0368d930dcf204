# The class for Foreman's database, on a host that has one.
load host

as_postgres() { (cd / && runuser -u postgres -- "$@"); }
sql() { as_postgres psql -XAtq -v ON_ERROR_STOP=1 -d foreman -c "$1"; }
class() { # PARAMETERS: applies the class; exits with CODE
    echo "class { 'foreman_dlm_updater::foreman_database': $2 }" >/root/database.pp
    applies "$1" /root/database.pp
}
guarded() {
    run sql "UPDATE dlmlocks SET host_id = 2 WHERE name = 'web' AND host_id = 1"
    says "lock web is held by host 1, which has to release it first"
}

@test "a server with Foreman's database, and without the package foreman-dlm-updater" {
    install -d "$environment/modules"
    ln -s /module "$environment/modules/foreman_dlm_updater"
    ln -s /stdlib "$environment/modules/stdlib"
    eventually as_postgres psql -XAtqc 'SELECT 1'
    as_postgres psql -Xq -c "CREATE ROLE foreman LOGIN PASSWORD 'secret'" -c 'CREATE DATABASE foreman OWNER foreman'
    as_postgres psql -Xq -v ON_ERROR_STOP=1 -d foreman -c 'SET ROLE foreman' -f /given/plugin.sql
    sql "INSERT INTO dlmlocks (name, type, host_id) VALUES ('web', 'ForemanDlm::Dlmlock::Update', 1)"
}

@test "the README's example guards it; a second run changes nothing" {
    block 4 puppet >/root/example.pp
    applies 2 /root/example.pp
    says "created the trigger dlmlock_one_holder on public.dlmlocks"
    says "the guard is complete in the database foreman"
    guarded
    applies 0 /root/example.pp
}

@test "what somebody has switched off is switched on again" {
    sql "ALTER TABLE dlmlocks DISABLE TRIGGER dlmlock_one_holder"
    class 2 ""
    says "replaced the trigger"
    guarded
    class 0 ""
}

@test "absent removes it; a second run changes nothing" {
    class 2 "ensure => absent"
    says "dropped the trigger dlmlock_one_holder on public.dlmlocks"
    sql "UPDATE dlmlocks SET host_id = 2"
    sql "UPDATE dlmlocks SET host_id = 1"
    class 0 "ensure => absent"
}

@test "duplicate rows: the run fails, and lists them" {
    sql "INSERT INTO dlmlocks (name, type) VALUES ('web', 'ForemanDlm::Dlmlock::Update')"
    class 4 ""
    says "there are several locks of one name, which nobody can take"
    says "id 1: web, held by host 1, enabled, created"
    says "id 2: web, free, enabled, created"
    sql "UPDATE dlmlocks SET host_id = 2 WHERE id = 1" # nothing was changed
    sql "UPDATE dlmlocks SET host_id = 1 WHERE id = 1"
    sql "DELETE FROM dlmlocks WHERE id = 2"
    class 2 ""
    guarded
    class 2 "ensure => absent"
}

@test "the README's external database: another user, over TCP, with the password in .pgpass" {
    useradd --create-home --home-dir /usr/share/foreman foreman
    install -o foreman -m 0600 <(echo 'localhost:5432:foreman:foreman:secret') /usr/share/foreman/.pgpass
    block 5 puppet | sed 's/db\.example\.com/localhost/' >/root/external.pp
    applies 2 /root/external.pp
    guarded
    applies 0 /root/external.pp
    rm /usr/share/foreman/.pgpass
    class 4 "user => 'foreman', host => 'localhost'"
    says "no password supplied"
}

@test "the wrong database, and none" {
    class 4 "database => 'postgres'"
    says "the database postgres has no table dlmlocks"
    systemctl stop postgresql
    class 4 ""
    says "No such file or directory"
    systemctl start postgresql
    eventually sql 'SELECT 1'
    class 0 ""
}
