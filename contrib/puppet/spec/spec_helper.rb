# frozen_string_literal: true

# Needs neither puppetlabs_spec_helper nor facterdb: fixtures/facts has one fact set for each supported system. `STDLIB`
# is the directory that contains stdlib; default: the one in Debian's package.
require 'rspec-puppet'
require 'tmpdir'
require 'yaml'
require 'json'
require 'English'
require 'fileutils'

MODULE = File.expand_path('..', __dir__)
FACT_SETS = Dir["#{__dir__}/fixtures/facts/*.yaml"].sort.to_h { |file| [File.basename(file, '.yaml'), YAML.safe_load(File.read(file))] }
REQUIRED = { 'foreman_url' => 'https://foreman.example.com', 'lock_name' => 'web' }.freeze
HOOK_STAGES = File.read("#{MODULE}/manifests/init.pp")[/\$hook_stages = \[(.*?)\]/m, 1].scan(/\w+/).freeze

# Puppet expects a module in a directory with the module's name.
MODULES = Dir.mktmpdir('foreman_dlm_updater-spec')
File.symlink(MODULE, "#{MODULES}/foreman_dlm_updater")
at_exit { FileUtils.rm_rf(MODULES) }

RSpec.configure do |config|
  config.module_path = [MODULES, ENV.fetch('STDLIB', '/usr/share/puppet/modules')].join(':')
  config.setup_fixtures = false
  config.strict_variables = true
  config.fail_if_no_examples = true
end
