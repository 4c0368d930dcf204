# frozen_string_literal: true

# Where the Puppet agent has its certificate, its key and its CA.
# The agent's settings are asked for whatever runs: `puppet apply` and `facter -p` don't look into section [agent] by themselves.
Facter.add(:foreman_dlm_updater_ssl) do
  confine do
    defined?(Puppet) && Puppet.respond_to?(:settings) && Puppet.settings.app_defaults_initialized?
  end
  setcode do
    agent = Puppet.settings.values(Puppet[:environment].to_sym, :agent)
    ['hostcert', 'hostprivkey', 'localcacert'].to_h { |name| [name, agent.interpolate(name.to_sym)] }
  end
end
