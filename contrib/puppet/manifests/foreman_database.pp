# @summary Guards the locks in Foreman's database: on the host of Foreman's PostgreSQL, or on one that can connect to it.
#
# Foreman's DLM plugin can give one lock to two hosts that ask at the same moment, and make two locks of one name. A
# trigger and a unique index keep it from that; docs/foreman-database.md of foreman-dlm-updater says what they change.
# Needs neither the package foreman-dlm-updater nor the rest of this module. The table has to be there: Foreman and its
# plugin come first.
#
# @example On the server with Foreman and its database
#   include foreman_dlm_updater::foreman_database
#
# @example An external database, from Foreman's server. The password is in ~foreman/.pgpass
#   class { 'foreman_dlm_updater::foreman_database':
#     user => 'foreman',
#     host => 'db.example.com',
#   }
#
# @param ensure
#   `absent` removes trigger, function and index from the database.
# @param database
#   The name of Foreman's database.
# @param user
#   The system's user who runs psql. PostgreSQL sees a role of this name, unless `role` is set. It has to be a superuser
#   or the owner of Foreman's tables.
# @param role
#   Another role to connect as.
# @param host
#   The host or the directory of the socket to connect to. Default: the local socket. PostgreSQL's passwords belong in
#   the file `.pgpass` of the user: psql is never given one, and never asks for one.
# @param port
#   The port to connect to.
# @param psql
#   PostgreSQL's client.
# @param directory
#   Where the SQL files are kept.
class foreman_dlm_updater::foreman_database (
  Enum['present', 'absent'] $ensure = 'present',
  Pattern[/\A[A-Za-z0-9_][A-Za-z0-9_.-]*\z/] $database = 'foreman',
  Pattern[/\A[a-z_][a-z0-9_.-]*\z/] $user = 'postgres',
  Optional[Pattern[/\A[A-Za-z0-9_][A-Za-z0-9_.-]*\z/]] $role = undef,
  Optional[Variant[Stdlib::Host, Stdlib::Unixpath]] $host = undef,
  Optional[Stdlib::Port] $port = undef,
  Stdlib::Unixpath $psql = '/usr/bin/psql',
  Stdlib::Unixpath $directory = '/usr/local/share/foreman-dlm-updater',
) {
  $names = ['lock-guard-check.sql', 'lock-guard-install.sql', 'lock-guard-remove.sql']
  file { $directory:
    ensure => directory,
    owner  => 'root',
    group  => 'root',
    mode   => '0755',
  }
  $names.each |$name| {
    file { "${directory}/${name}":
      ensure => file,
      owner  => 'root',
      group  => 'root',
      mode   => '0644',
      source => "puppet:///modules/foreman_dlm_updater/${name}",
    }
  }

  $connection = {
    'PGDATABASE' => $database,
    'PGUSER'     => $role,
    'PGHOST'     => $host,
    'PGPORT'     => $port,
  }.filter |$name, $value| { $value =~ NotUndef }
  $run = [$psql, '-X', '-w', '-v', 'ON_ERROR_STOP=1']
  [$check, $change, $what] = $ensure ? {
    'present' => [[], 'lock-guard-install.sql', 'guard the locks in Foreman\'s database'],
    'absent'  => [['-v', 'absent=yes'], 'lock-guard-remove.sql', 'remove the guard from Foreman\'s database'],
  }
  exec { "foreman_dlm_updater: ${what}":
    command     => shellquote($run, '-f', "${directory}/${change}"),
    unless      => shellquote($run, $check, '-f', "${directory}/lock-guard-check.sql"),
    environment => $connection.map |$name, $value| { "${name}=${value}" } + ['PGCONNECT_TIMEOUT=20'],
    user        => $user,
    cwd         => '/',
    logoutput   => true,
    require     => File[$names.map |$name| { "${directory}/${name}" }],
  }
}
