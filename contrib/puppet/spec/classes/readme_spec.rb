# frozen_string_literal: true

require 'spec_helper'

# The README's roles compile, each with its common data. (A test on a booted host applies its quick start.)
describe 'foreman_dlm_updater' do
  blocks = File.read("#{MODULE}/README.md").scan(/^```yaml\n# (\S+\.yaml).*?\n(.*?)^```/m).to_h
  levels = {
    'web' => ['role/web.yaml'],
    'PostgreSQL primary' => ['role/postgresql.yaml'],
    'PostgreSQL replica' => ['node/db2.example.com.yaml', 'role/postgresql.yaml'],
    'Galera' => ['role/galera.yaml'],
  }

  it 'has only data that are tested here' do
    expect(blocks.keys).to match_array(levels.values.flatten.uniq + ['common.yaml'])
  end

  levels.each do |role, files|
    context "for #{role}" do
      let(:facts) { FACT_SETS['debian-12'] }
      let(:data) { "#{MODULES}/#{role.delete(' ')}" }
      let(:hiera_config) { "#{data}/hiera.yaml" }

      before do
        paths = files + ['common.yaml']
        paths.each do |path|
          FileUtils.mkdir_p(File.dirname("#{data}/#{path}"))
          File.write("#{data}/#{path}", blocks.fetch(path))
        end
        File.write("#{data}/hiera.yaml", JSON.generate('version' => 5, 'hierarchy' => [{ 'name' => 'all', 'datadir' => data, 'paths' => paths }]))
      end

      it 'compiles, and has the hooks from all levels' do
        is_expected.to compile.with_all_deps
        hooks = (files + ['common.yaml']).flat_map { |path| YAML.safe_load(blocks[path]).fetch('foreman_dlm_updater::hooks', {}).keys }
        expect(catalogue.resources.select { |r| r.type == 'Foreman_dlm_updater::Hook' }.map(&:title)).to match_array(hooks)
      end
    end
  end

  { '## When a run may begin' => REQUIRED, '## Hooks' => REQUIRED, '## A site with FleetLock' => {} }.each do |section, required|
    context "with the data of the section #{section}" do
      let(:facts) { FACT_SETS['debian-12'] }
      let(:params) do
        data = YAML.safe_load(File.read("#{MODULE}/README.md")[/^##{section}$.*?^```yaml\n(.*?)^```/m, 1])
        required.merge(data.transform_keys { |key| key.sub('foreman_dlm_updater::', '') })
      end

      it { is_expected.to compile.with_all_deps }
    end
  end
end
