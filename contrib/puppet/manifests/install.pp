# @summary The package and its repository.
#
# Nothing is notified: the service may be the process that upgrades this package.
#
# @api private
#
# @param package_gone
#   The `ensure` that removes a package.
# @param repo_file
#   The file that defines the repository.
# @param repo_key_file
#   The file with the repository's key.
# @param repo_template
#   The template of `repo_file`.
# @param repo_learn
#   A command that makes the package manager read the repository; undef if it does so by itself.
# @param repo_known
#   A command that succeeds if it has read it; `%s` is the URL.
class foreman_dlm_updater::install (
  Enum['absent', 'purged'] $package_gone,
  Stdlib::Unixpath $repo_file,
  Stdlib::Unixpath $repo_key_file,
  String[1] $repo_template,
  Optional[String[1]] $repo_learn = undef,
  String[1] $repo_known = 'true',
) {
  assert_private()

  $present = $foreman_dlm_updater::ensure == 'present'
  $noop = $foreman_dlm_updater::under_way
  $package = $foreman_dlm_updater::package_manage ? {
    true    => Package['foreman-dlm-updater'],
    default => undef,
  }

  if $foreman_dlm_updater::repo_manage {
    $url = $foreman_dlm_updater::repo_url.then |$url| { $url.regsubst('/+\z', '') }
    $key = $foreman_dlm_updater::repo_key
    unless $url and $key {
      fail('foreman_dlm_updater: repo_manage needs repo_url (the repository) and repo_key (the key that signs it)')
    }
    $key_from = $key ? {
      /\A-----BEGIN/ => { 'content' => $key },
      default        => { 'source' => $key },
    }

    file {
      default:
        ensure => stdlib::ensure($present, 'file'),
        owner  => 'root',
        group  => 'root',
        mode   => '0644',
        noop   => $noop,
        before => $package,
        ;
      $repo_key_file:
        * => $key_from,
        ;
      $repo_file:
        content => epp($repo_template, { 'url' => $url, 'key_file' => $repo_key_file }),
        ;
    }
    if $repo_learn and $present {
      # Not refreshonly: if the command fails, the next Puppet run tries it again.
      exec { 'foreman_dlm_updater: learn of the repository':
        command  => $repo_learn,
        unless   => sprintf($repo_known, $url),
        path     => ['/usr/sbin', '/usr/bin', '/sbin', '/bin'],
        provider => 'shell',
        noop     => $noop,
        require  => File[$repo_key_file, $repo_file],
        before   => $package,
      }
    }
  }

  if $foreman_dlm_updater::package_manage {
    $ensure = $present ? {
      true    => $foreman_dlm_updater::package_ensure,
      default => $package_gone,
    }
    package { 'foreman-dlm-updater':
      ensure => $ensure,
      noop   => $noop,
    }
  }
}
