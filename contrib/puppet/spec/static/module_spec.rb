# frozen_string_literal: true

require 'spec_helper'
require 'puppet/module_tool/metadata'

describe 'the module' do
  let(:metadata) { JSON.parse(File.read("#{MODULE}/metadata.json")) }

  describe 'metadata.json' do
    it 'is valid for Puppet' do
      parsed = Puppet::ModuleTool::Metadata.new.update(metadata.dup)
      expect(parsed.full_module_name).to eq 'foremandlmupdater-foreman_dlm_updater'
      expect(parsed.name).to eq 'foreman_dlm_updater'
      expect(metadata.keys).to include('version', 'author', 'summary', 'license', 'source', 'dependencies', 'requirements', 'operatingsystem_support')
      expect(metadata['summary'].length).to be < 145 # the Forge's limit
    end

    it 'has the newest version in CHANGELOG.md' do
      expect(File.read("#{MODULE}/CHANGELOG.md")[/^## (\S+)/, 1]).to eq metadata['version']
    end

    it 'depends on stdlib only' do
      expect(metadata['dependencies'].map { |d| d['name'] }).to eq ['puppetlabs/stdlib']
    end

    it 'has closed version ranges, which include the versions that the tests run with' do
      ranges = (metadata['dependencies'] + metadata['requirements']).to_h { |d| [d['name'], d['version_requirement']] }
      expect(ranges.keys).to eq ['puppetlabs/stdlib', 'puppet', 'openvox']
      expect(ranges.values).to all(match(/\A>= \d+\.\d+\.\d+ < \d+\.0\.0\z/))
      stdlib = JSON.parse(File.read("#{ENV.fetch('STDLIB', '/usr/share/puppet/modules')}/stdlib/metadata.json"))['version']
      { 'puppetlabs/stdlib' => [stdlib, '9.7.0'], 'puppet' => [Puppet.version, '8.10.0'], 'openvox' => ['8.24.1'] }.each do |name, versions|
        range = SemanticPuppet::VersionRange.parse(ranges[name])
        versions.each { |version| expect(range).to be_include(SemanticPuppet::Version.parse(version)) }
      end
    end

    it 'supports exactly the systems that have a fact set' do
      supported = metadata['operatingsystem_support'].flat_map { |s| s['operatingsystemrelease'].map { |r| [s['operatingsystem'], r] } }
      sets = FACT_SETS.values.map { |facts| [facts['os']['name'], facts['os']['release'][facts['os']['name'] == 'Ubuntu' ? 'full' : 'major']] }
      expect(sets.uniq).to match_array(supported)
    end
  end

  it 'has valid YAML' do
    files = Dir["#{MODULE}/{hiera.yaml,data/**/*.yaml}"]
    expect(files.length).to be > 3
    files.each { |file| expect(YAML.safe_load(File.read(file))).to be_a(Hash) }
  end

  it 'has data for existing parameters only' do
    manifests = Dir["#{MODULE}/manifests/*.pp"].to_h do |file|
      name = ['foreman_dlm_updater', File.basename(file, '.pp')].uniq.join('::').sub(/::init\z/, '')
      [name, Puppet::Pops::Parser::Parser.new.parse_file(file).model.definitions.first.parameters.map(&:name)]
    end
    keys = Dir["#{MODULE}/data/**/*.yaml"].flat_map { |file| YAML.safe_load(File.read(file)).keys } - ['lookup_options']
    keys.each do |key|
      klass, _, parameter = key.rpartition('::')
      expect(manifests.fetch(klass)).to include(parameter)
    end
  end

  it 'knows all bundled hooks' do
    bundled = Dir.chdir("#{MODULE}/../hooks") { Dir['*.d/*'] }.map { |file| file.sub('.d/', '/') }
    expect(File.read("#{MODULE}/types/bundled_hook.pp").scan(/'(.+)'/).flatten).to match_array(bundled)
  end

  it 'has the SQL files for Foreman\'s database as they are in contrib/foreman' do
    names = ->(dir) { Dir["#{dir}/*.sql"].map { |file| File.basename(file) } }
    expect(names["#{MODULE}/files"]).to match_array(names["#{MODULE}/../foreman"]).and have_attributes(length: 3)
    names["#{MODULE}/files"].each do |name|
      expect(File.read("#{MODULE}/files/#{name}")).to eq(File.read("#{MODULE}/../foreman/#{name}")), "cp contrib/foreman/#{name} contrib/puppet/files/"
    end
  end

  describe 'tasks' do
    Dir["#{MODULE}/tasks/*.json"].sort.each do |file|
      name = File.basename(file, '.json')
      script = file.sub(/json\z/, 'sh')
      task = JSON.parse(File.read(file))

      it "#{name} is described" do
        expect(task.keys - ['description', 'puppet_task_version', 'supports_noop', 'input_method', 'private', 'parameters']).to eq []
        expect(task).to include('puppet_task_version' => 1, 'input_method' => 'environment', 'description' => /\.\z/)
        task['parameters'].each_value do |parameter|
          expect(parameter['description']).to match(/\.\z/)
          type = Puppet::Pops::Types::TypeParser.singleton.parse(parameter['type'])
          expect(type).to be_instance(parameter['default'])
        end
      end

      it "#{name} reads the parameters that it has" do
        expect(File).to be_executable(script)
        expect(File.read(script).scan(/PT_(\w+)/).flatten.uniq).to match_array(task['parameters'].keys)
      end
    end

    it('are five') { expect(Dir["#{MODULE}/tasks/*.sh"].map { |f| File.basename(f, '.sh') }).to match_array(['status', 'run', 'release', 'pause', 'plan']) }
  end
end
