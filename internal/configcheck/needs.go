package configcheck

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/workflow"
)

// tools are the commands without which bundled hooks fail, by the beginning of a hook's name; of several, one is
// enough. packages have them, with apt, dnf and zypper. The comment at the head of each hook has all that it needs;
// what every host has is left out.
var tools = []struct {
	hook     string
	commands []string
	packages [3]string
}{
	{"needs_update/apt", []string{"apt-get"}, [3]string{}},
	{"needs_update/dnf", dnf, [3]string{}},
	{"needs_update/zypper", []string{"zypper"}, [3]string{}},
	{"pre_update/alertmanager-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"pre_update/disk-space", []string{"df"}, [3]string{}},
	{"pre_update/galera-", mariadb, [3]string{"mariadb-client", "mariadb", "mariadb-client"}},
	{"pre_update/haproxy-", []string{"socat"}, [3]string{"socat", "socat", "socat"}},
	{"pre_update/haproxy-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"pre_update/keepalived-", systemctl, [3]string{}},
	{"pre_update/mariadb-", systemctl, [3]string{}},
	{"pre_update/pacemaker-", []string{"crm_standby"}, pacemaker},
	{"pre_update/pacemaker-", []string{"crm_mon"}, pacemaker},
	{"pre_update/pacemaker-", []string{"crm_node"}, pacemaker},
	{"pre_update/postgresql-", systemctl, [3]string{}},
	{"pre_update/puppet-", puppet, [3]string{}},
	{"pre_update/services-", systemctl, [3]string{}},
	{"update/apt", []string{"apt-get"}, [3]string{}},
	{"update/dnf", dnf, [3]string{}},
	{"update/zypper", []string{"zypper"}, [3]string{}},
	{"needs_reboot/dnf-needs-restarting", []string{"dnf5", "dnf", "needs-restarting"}, [3]string{}},
	{"needs_reboot/kernel-changed", []string{"sort"}, [3]string{"coreutils", "coreutils", "coreutils"}},
	{"needs_reboot/needrestart", []string{"needrestart"}, [3]string{"needrestart", "needrestart", "needrestart"}},
	{"needs_reboot/zypper-needs-rebooting", []string{"zypper"}, [3]string{}},
	{"post_update/alertmanager-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"post_update/galera-", mariadb, [3]string{"mariadb-client", "mariadb", "mariadb-client"}},
	{"post_update/haproxy-", []string{"socat"}, [3]string{"socat", "socat", "socat"}},
	{"post_update/haproxy-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"post_update/keepalived-", systemctl, [3]string{}},
	{"post_update/mariadb-", systemctl, [3]string{}},
	{"post_update/pacemaker-", []string{"crm_standby"}, pacemaker},
	{"post_update/pacemaker-", []string{"crm_mon"}, pacemaker},
	{"post_update/pacemaker-", []string{"crm_node"}, pacemaker},
	{"post_update/postgresql-", systemctl, [3]string{}},
	{"post_update/puppet-", puppet, [3]string{}},
	{"post_update/services-", systemctl, [3]string{}},
	{"post_update/systemd-healthy", systemctl, [3]string{}},
}

var (
	dnf       = []string{"dnf5", "dnf", "yum"}
	mariadb   = []string{"mariadb", "mysql"}
	systemctl = []string{"systemctl"}
	puppet    = []string{"puppet", "/opt/puppetlabs/bin/puppet"}
	pacemaker = [3]string{"pacemaker-cli-utils", "pacemaker-cli", "pacemaker-cli"}
)

// platform chooses by the package manager of this host.
func (h *thisHost) platform(apt, dnf, zypper, other string) string {
	for _, one := range [][2]string{{"zypper", zypper}, {"dnf", dnf}, {"yum", dnf}, {"apt-get", apt}} {
		if h.has(one[0]) {
			return one[1]
		}
	}
	return other
}

// install is the command that installs a package, by its names with apt, dnf and zypper.
func (h *thisHost) install(names [3]string) string {
	return h.platform("apt-get install "+names[0], "dnf install "+names[1], "zypper install "+names[2], "")
}

func (h *thisHost) has(command string) bool {
	path, err := process.LookPath(command, h.env)
	return err == nil && exists(path) // LookPath takes a name with a slash as a path
}

// checkNeeds looks for commands of bundled hooks, and for interpreters of notifiers, that are missing. A hook's
// interpreter is looked for where hooks are vetted.
func (h *thisHost) checkNeeds(_ context.Context, c *config.Config) (found Finding) {
	hooks, all := enabledHooks(c), 0
	for _, stage := range workflow.HookStages() {
		for _, one := range hooks[stage] {
			all++
			if name := h.library.Leads(string(stage), one.Path); name != "" {
				h.adviseTools(&found, one.Path, string(stage)+"/"+name)
			}
		}
	}
	notifiers := enabledNotifiers(c)
	for _, n := range notifiers {
		if o, bad := hook.CheckInterpreter(n, h.env); bad {
			found.advise(o.String(), "")
		}
	}
	found.Fine = fmt.Sprintf("what %s and %s need is there", count(all, "hook"), count(len(notifiers), "notifier"))
	return found
}

// adviseTools looks whether a bundled hook finds the commands that it calls.
func (h *thisHost) adviseTools(found *Finding, path, name string) {
	for _, one := range tools {
		if !strings.HasPrefix(name, one.hook) || slices.ContainsFunc(one.commands, h.has) {
			continue
		}
		fix := "foreman-dlm-updater hooks disable " + name // of another system
		if one.packages[0] != "" {
			fix = h.install(one.packages)
		}
		found.advise(fmt.Sprintf("%s needs %s, which this host doesn't have", path, strings.Join(one.commands, " or ")), fix)
	}
}
