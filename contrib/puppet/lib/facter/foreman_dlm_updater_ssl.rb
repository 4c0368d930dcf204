# frozen_string_literal: true

# The paths of the Puppet agent's certificate, key and CA. The fact always reads the agent's settings: `puppet apply`
# and `facter -p` don't read section [agent] by themselves.
Facter.add(:foreman_dlm_updater_ssl) do
  confine do
    defined?(Puppet) && Puppet.respond_to?(:settings) && Puppet.settings.app_defaults_initialized?
  end
  setcode do
    agent = Puppet.settings.values(Puppet[:environment].to_sym, :agent)
    ['hostcert', 'hostprivkey', 'localcacert'].to_h { |name| [name, agent.interpolate(name.to_sym)] }
  end
end
