# frozen_string_literal: true

# Needs no puppetlabs_spec_helper and no facterdb: the fact sets are in fixtures/facts, one for each supported system, and
# stdlib is where `STDLIB` says (the directory that it is in; where Debian's package has it, if unset).
require 'rspec-puppet'
require 'tmpdir'
require 'yaml'
require 'json'
require 'English'
require 'fileutils'

MODULE = File.expand_path('..', __dir__)
FACT_SETS = Dir["#{__dir__}/fixtures/facts/*.yaml"].sort.to_h { |file| [File.basename(file, '.yaml'), YAML.safe_load(File.read(file))] }
REQUIRED = { 'foreman_url' => 'https://foreman.example.com', 'lock_name' => 'web' }.freeze

# Puppet looks for a module in a directory of the module's name.
MODULES = Dir.mktmpdir('foreman_dlm_updater-spec')
File.symlink(MODULE, "#{MODULES}/foreman_dlm_updater")
at_exit { FileUtils.rm_rf(MODULES) }

RSpec.configure do |config|
  config.module_path = [MODULES, ENV.fetch('STDLIB', '/usr/share/puppet/modules')].join(':')
  config.setup_fixtures = false
  config.strict_variables = true
  config.fail_if_no_examples = true
end
