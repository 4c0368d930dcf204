# frozen_string_literal: true

require 'spec_helper'
require 'facter'

# The fact reads Puppet's own settings, here with each kind of puppet.conf.
describe 'fact foreman_dlm_updater_ssl' do
  around do |example|
    Dir.mktmpdir do |dir|
      @dir = dir
      example.run
    end
  end

  after { Facter.clear }

  # fact RUN_MODE, PUPPET.CONF, ARGUMENT...: returns the fact's value in a new Puppet process.
  def fact(run_mode, conf, *arguments)
    File.write("#{@dir}/puppet.conf", conf)
    script = <<~'RUBY'
      require 'puppet'
      require 'facter'
      require 'json'
      run_mode, fact, *arguments = ARGV
      Puppet.settings.preferred_run_mode = run_mode
      Puppet.initialize_settings(arguments)
      load fact
      puts JSON.generate(Facter.value(:foreman_dlm_updater_ssl))
    RUBY
    output = IO.popen(['ruby', '-W0', '-e', script, run_mode, "#{MODULE}/lib/facter/foreman_dlm_updater_ssl.rb", '--confdir', @dir, *arguments],
                      err: [:child, :out], &:read)
    JSON.parse(output.lines.last)
  end

  def paths(ssldir, certname)
    { 'hostcert' => "#{ssldir}/certs/#{certname}.pem", 'hostprivkey' => "#{ssldir}/private_keys/#{certname}.pem",
      'localcacert' => "#{ssldir}/certs/ca.pem" }
  end

  own = "[main]\nssldir = /srv/ssl\ncertname = main.example.com\n[agent]\ncertname = agent.example.com\n[server]\ncertname = server.example.com\n"
  ['agent', 'user', 'server'].each do |run_mode|
    it "is the agent's where Puppet runs as #{run_mode}" do
      expect(fact(run_mode, own)).to eq paths('/srv/ssl', 'agent.example.com')
    end
  end

  it 'follows the agent\'s ssldir' do
    expect(fact('user', "[main]\ncertname = web1\n[agent]\nssldir = $confdir/keys\n")).to eq paths("#{@dir}/keys", 'web1')
  end

  it 'follows the command line' do
    expect(fact('agent', own, '--certname', 'other')).to eq paths('/srv/ssl', 'other')
  end

  it 'follows the setting of each file' do
    conf = "[agent]\nhostcert = /k/c.pem\nhostprivkey = /k/k.pem\nlocalcacert = /k/ca.pem\n"
    expect(fact('user', conf)).to eq('hostcert' => '/k/c.pem', 'hostprivkey' => '/k/k.pem', 'localcacert' => '/k/ca.pem')
  end

  it 'does not exist without Puppet' do
    output = IO.popen(['facter', '--custom-dir', "#{MODULE}/lib/facter", '--json', 'foreman_dlm_updater_ssl'], err: File::NULL, &:read)
    expect(JSON.parse(output)['foreman_dlm_updater_ssl']).to be_nil
  end
end
