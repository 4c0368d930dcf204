# @summary The package, and the repository that it comes from.
#
# Nothing is notified: the service may be the very process that upgrades this package.
#
# @api private
#
# @param package_gone
#   How a package is removed.
# @param repo_file
#   The file that names the repository.
# @param repo_key_file
#   The repository's key.
# @param repo_template
#   What is in the former.
# @param repo_learn
#   A command that makes the package manager look at the repository; undef where it does so by itself.
# @param repo_known
#   A command that says that it has; `%s` is the URL.
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
      fail('foreman_dlm_updater: repo_manage needs repo_url and repo_key: where the repository is, and the key that signs it')
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
      # Not on refresh, but until it is known: what failed is tried again.
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
