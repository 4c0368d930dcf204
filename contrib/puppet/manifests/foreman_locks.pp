# @summary Creates the locks of clusters in Foreman: on one host that may use Foreman's API, such as Foreman itself.
#
# A lock that exists beforehand makes a mistyped name a warning of `config check` and of every run. Otherwise Foreman
# creates a lock for any name that it is asked for. Puppet creates a lock that does not exist. It neither changes nor
# removes one: hosts may hold it.
#
# @example A cluster of which three hosts update at once, until one has failed, and one with a single lock
#   class { 'foreman_dlm_updater::foreman_locks':
#     foreman_url => 'https://foreman.example.com',
#     user        => 'locks',
#     password    => Sensitive(lookup('foreman_locks_password')),
#     locks       => {
#       'web'    => { 'lock_slots' => 3, 'max_failed' => 1 },
#       'galera' => {},
#     },
#   }
#
# @param foreman_url
#   Foreman with the DLM plugin; a path prefix is allowed.
# @param user
#   A user of Foreman with the permissions view_dlmlocks and create_dlmlocks.
# @param password
#   The user's password, or a personal access token. Hiera may have it as plain text or encrypted.
# @param locks
#   The clusters' locks by name, with the largest `lock_slots` and `max_failed` of their hosts. Besides the lock NAME
#   itself that creates NAME.slot2 and so on, and with `max_failed` the flag of each slot, NAME.failed1 and so on.
# @param ca
#   The CA that vouches for Foreman's certificate; `system` for the system's trust store. Default: the Puppet agent's
#   CA.
# @param credentials_file
#   The file with the user's password for curl, which only root can read.
class foreman_dlm_updater::foreman_locks (
  Stdlib::HTTPSUrl $foreman_url,
  Pattern[/\A[^:[:cntrl:]]+\z/] $user,
  Sensitive[Pattern[/\A[^[:cntrl:]]+\z/]] $password,
  Hash[
    Foreman_dlm_updater::Foreman_lock,
    Struct[{ Optional[lock_slots] => Integer[1, 99], Optional[max_failed] => Integer[0, 99] }]
  ] $locks,
  Optional[Variant[Enum['system'], Stdlib::Unixpath]] $ca = undef,
  Stdlib::Unixpath $credentials_file = '/etc/foreman_dlm_updater-locks',
) {
  $agent_ca = $facts.dig('foreman_dlm_updater_ssl', 'localcacert')
  if $ca =~ Undef and $agent_ca =~ Undef {
    fail('foreman_dlm_updater::foreman_locks: set ca; the fact about the Puppet agent\'s CA does not exist yet')
  }
  $ca_option = $ca ? {
    'system' => [],
    default  => ["cacert = \"${pick($ca, $agent_ca)}\""],
  }
  $login = "${user}:${password.unwrap}".regsubst('["\\\\]', '\\\\\\0', 'G')
  $options = ['# Managed by Puppet; curl reads it.', "user = \"${login}\""] + $ca_option
  file { $credentials_file:
    ensure    => file,
    owner     => 'root',
    group     => 'root',
    mode      => '0600',
    show_diff => false,
    content   => Sensitive("${options.join("\n")}\n"),
  }

  $api = "${foreman_url.regsubst('/+\z', '')}/api/dlmlocks"
  $curl = "curl --silent --show-error --fail --max-time 60 --config ${credentials_file}"
  $locks.each |$lock, $how| {
    $slots = pick($how['lock_slots'], 1)
    $flags = pick($how['max_failed'], 0) ? {
      0       => [],
      default => Integer[1, $slots].map |$k| { "${lock}.failed${k}" },
    }
    $more = $slots ? {
      1       => [],
      default => Integer[2, $slots].map |$k| { "${lock}.slot${k}" },
    }
    ([$lock] + $more + $flags).each |$name| {
      $data = "{\"dlmlock\":{\"name\":\"${name}\",\"type\":\"ForemanDlm::Dlmlock::Update\"}}"
      exec { "foreman_dlm_updater: create the lock ${name} in Foreman":
        command => "${curl} --output /dev/null --header 'Content-Type: application/json' --data '${data}' ${api}",
        unless  => "${curl} --output /dev/null ${api}/${name}",
        path    => ['/usr/bin', '/bin'],
        require => File[$credentials_file],
      }
    }
  }
}
