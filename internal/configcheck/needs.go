package configcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/workflow"
)

// tools are the commands that bundled hooks need, by the beginning of a hook's name. If there are several commands, one
// of them is enough. packages are the packages that have them, for apt, dnf and zypper. Commands that every host has
// are left out; the comment at the head of each hook names them all.
var tools = []struct {
	hook     string
	commands []string
	packages [3]string
}{
	{"gate/busy-units", systemctl, [3]string{}},
	{"gate/ceph", []string{"ceph", "cephadm"}, [3]string{"ceph-common", "ceph-common", "ceph-common"}},
	{"gate/disk-space", []string{"df"}, [3]string{}},
	{"gate/elasticsearch", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"gate/elasticsearch", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"gate/galera", mariadb, [3]string{"mariadb-client", "mariadb", "mariadb-client"}},
	{"gate/haproxy", []string{"socat"}, [3]string{"socat", "socat", "socat"}},
	{"gate/haproxy", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"gate/icinga2", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"gate/icinga2", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"gate/kubernetes", kubectl, [3]string{}},
	{"gate/logged-in", []string{"loginctl"}, [3]string{}},
	{"gate/pacemaker", []string{"crm_standby"}, pacemaker},
	{"gate/pacemaker", []string{"crm_mon"}, pacemaker},
	{"gate/pacemaker", []string{"crm_node"}, pacemaker},
	{"gate/pacemaker", []string{"crm_simulate"}, pacemaker},
	{"gate/pacemaker", []string{"cibadmin"}, pacemaker},
	{"gate/patroni", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"gate/patroni", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"gate/postgresql-replication", []string{"psql"}, [3]string{"postgresql-client", "postgresql", "postgresql"}},
	{"gate/postgresql-replication", systemctl, [3]string{}},
	{"gate/prometheus", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"gate/prometheus", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"gate/rabbitmq", []string{"rabbitmqctl"}, rabbitmq},
	{"gate/redis", redis, [3]string{"redis-tools", "redis", "redis"}},
	{"gate/snapper", snapper, [3]string{"snapper", "snapper", "snapper"}},
	{"gate/systemd-healthy", systemctl, [3]string{}},
	{"needs_update/apt", []string{"apt-get"}, [3]string{}},
	{"needs_update/bootc", []string{"bootc"}, [3]string{}},
	{"needs_update/dnf", dnf, [3]string{}},
	{"needs_update/reboot-pending", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"needs_update/rpm-ostree", []string{"rpm-ostree"}, [3]string{}},
	{"needs_update/transactional-update", transactional, [3]string{}},
	{"needs_update/zypper", []string{"zypper"}, [3]string{}},
	{"pre_update/alertmanager-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"pre_update/ceph-", []string{"ceph", "cephadm"}, [3]string{"ceph-common", "ceph-common", "ceph-common"}},
	{"pre_update/disk-space", []string{"df"}, [3]string{}},
	{"pre_update/elasticsearch-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"pre_update/elasticsearch-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"pre_update/galera-", mariadb, [3]string{"mariadb-client", "mariadb", "mariadb-client"}},
	{"pre_update/haproxy-", []string{"socat"}, [3]string{"socat", "socat", "socat"}},
	{"pre_update/haproxy-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"pre_update/keepalived-", systemctl, [3]string{}},
	{"pre_update/kubernetes-", kubectl, [3]string{}},
	{"pre_update/mariadb-", systemctl, [3]string{}},
	{"pre_update/pacemaker-", []string{"crm_standby"}, pacemaker},
	{"pre_update/pacemaker-", []string{"crm_mon"}, pacemaker},
	{"pre_update/pacemaker-", []string{"crm_node"}, pacemaker},
	{"pre_update/pacemaker-", []string{"crm_simulate"}, pacemaker},
	{"pre_update/pacemaker-", []string{"cibadmin"}, pacemaker},
	{"pre_update/patroni-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"pre_update/patroni-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"pre_update/postgresql-", systemctl, [3]string{}},
	{"pre_update/puppet-", puppet, [3]string{}},
	{"pre_update/rabbitmq-", []string{"rabbitmq-upgrade"}, rabbitmq},
	{"pre_update/redis-", redis, [3]string{"redis-tools", "redis", "redis"}},
	{"pre_update/services-", systemctl, [3]string{}},
	{"pre_update/snapper", snapper, [3]string{"snapper", "snapper", "snapper"}},
	{"update/apt", []string{"apt-get"}, [3]string{}},
	{"update/bootc", []string{"bootc"}, [3]string{}},
	{"update/dnf", dnf, [3]string{}},
	{"update/rpm-ostree", []string{"rpm-ostree"}, [3]string{}},
	{"update/transactional-update", transactional, [3]string{}},
	{"update/zypper", []string{"zypper"}, [3]string{}},
	{"needs_reboot/bootc", []string{"bootc"}, [3]string{}},
	{"needs_reboot/dnf-needs-restarting", []string{"dnf5", "dnf", "needs-restarting"}, [3]string{}},
	{"needs_reboot/kernel-changed", []string{"sort"}, [3]string{"coreutils", "coreutils", "coreutils"}},
	{"needs_reboot/livepatch", []string{"sort"}, [3]string{"coreutils", "coreutils", "coreutils"}},
	{"needs_reboot/livepatch", []string{"canonical-livepatch", "klp", "kpatch"},
		[3]string{"kpatch", "kpatch", "kernel-livepatch-tools"}},
	{"needs_reboot/needrestart", []string{"needrestart"}, [3]string{"needrestart", "needrestart", "needrestart"}},
	{"needs_reboot/rpm-ostree", []string{"rpm-ostree"}, [3]string{}},
	{"needs_reboot/transactional-update", []string{"btrfs"}, [3]string{"btrfs-progs", "btrfs-progs", "btrfsprogs"}},
	{"needs_reboot/zypper-needs-rebooting", []string{"zypper"}, [3]string{}},
	{"post_update/alertmanager-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"post_update/ceph-", []string{"ceph", "cephadm"}, [3]string{"ceph-common", "ceph-common", "ceph-common"}},
	{"post_update/elasticsearch-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"post_update/elasticsearch-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"post_update/galera-", mariadb, [3]string{"mariadb-client", "mariadb", "mariadb-client"}},
	{"post_update/haproxy-", []string{"socat"}, [3]string{"socat", "socat", "socat"}},
	{"post_update/haproxy-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"post_update/keepalived-", systemctl, [3]string{}},
	{"post_update/kubernetes-", kubectl, [3]string{}},
	{"post_update/mariadb-", systemctl, [3]string{}},
	{"post_update/pacemaker-", []string{"crm_standby"}, pacemaker},
	{"post_update/pacemaker-", []string{"crm_mon"}, pacemaker},
	{"post_update/pacemaker-", []string{"crm_node"}, pacemaker},
	{"post_update/patroni-", []string{"awk"}, [3]string{"mawk", "gawk", "gawk"}},
	{"post_update/patroni-", []string{"curl"}, [3]string{"curl", "curl", "curl"}},
	{"post_update/postgresql-", systemctl, [3]string{}},
	{"post_update/postgresql-replication", []string{"psql"}, [3]string{"postgresql-client", "postgresql", "postgresql"}},
	{"post_update/puppet-", puppet, [3]string{}},
	{"post_update/rabbitmq-", []string{"rabbitmq-upgrade"}, rabbitmq},
	{"post_update/redis-", redis, [3]string{"redis-tools", "redis", "redis"}},
	{"post_update/services-", systemctl, [3]string{}},
	{"post_update/snapper", snapper, [3]string{"snapper", "snapper", "snapper"}},
	{"post_update/systemd-healthy", systemctl, [3]string{}},
}

var (
	dnf           = []string{"dnf5", "dnf", "yum"}
	kubectl       = []string{"kubectl", "k3s"} // the setting kubectl may name another
	mariadb       = []string{"mariadb", "mysql"}
	systemctl     = []string{"systemctl"}
	redis         = []string{"redis-cli", "valkey-cli"}
	puppet        = []string{"puppet", "/opt/puppetlabs/bin/puppet"}
	pacemaker     = [3]string{"pacemaker-cli-utils", "pacemaker-cli", "pacemaker-cli"}
	snapper       = []string{"snapper"}
	transactional = []string{"transactional-update"}
	rabbitmq      = [3]string{"rabbitmq-server", "rabbitmq-server", "rabbitmq-server"}
)

// platform returns the argument for this host's package manager.
func (h *thisHost) platform(apt, dnf, zypper, other string) string {
	for _, one := range [][2]string{{"zypper", zypper}, {"dnf", dnf}, {"yum", dnf}, {"apt-get", apt}} {
		if h.has(one[0]) {
			return one[1]
		}
	}
	return other
}

// install returns the command that installs a package. names are its names for apt, dnf and zypper.
func (h *thisHost) install(names [3]string) string {
	return h.platform("apt-get install "+names[0], "dnf install "+names[1], "zypper install "+names[2], "")
}

func (h *thisHost) has(command string) bool {
	path, err := process.LookPath(command, h.env)
	return err == nil && exists(path) // LookPath returns a name with a slash as it is, without looking
}

// checkNeeds names missing commands and settings of bundled hooks, and missing interpreters of notifiers. Vetting looks
// for the interpreters of hooks.
func (h *thisHost) checkNeeds(_ context.Context, c *config.Config) (found Finding) {
	hooks, all := enabledHooks(c), 0
	for _, stage := range workflow.HookDirs() {
		for _, one := range hooks[stage] {
			all++
			if name := h.library.Leads(string(stage), one.Path); name != "" {
				h.adviseTools(&found, one.Path, string(stage)+"/"+name)
				adviseSettings(&found, c.SettingsDir(), string(stage)+"/"+name)
			}
		}
	}
	notifiers := enabledNotifiers(c)
	for _, n := range notifiers {
		if o, bad := hook.CheckInterpreter(n, h.env); bad {
			found.advise(o.String(), "")
		}
	}
	found.Fine = fmt.Sprintf("%s and %s have what they need", count(all, "hook"), count(len(notifiers), "notifier"))
	return found
}

// required are settings of gates. A gate says no for ever if none of its settings here is set.
var required = map[string][]string{
	"gate/busy-units": {"UNITS"},
	"gate/icinga2":    {"HOSTGROUP"},
	"gate/prometheus": {"ALERTS", "QUERY"},
}

// adviseSettings warns of a gate that certainly lacks a setting. Otherwise a gate that nobody has tried shows in the
// night, as a reason to wait.
func adviseSettings(found *Finding, settings, name string) {
	if required[name] == nil {
		return
	}
	conf := filepath.Join(settings, filepath.Base(name)+".conf")
	text, err := file.Read(conf, 1<<20)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || !leavesEmpty(string(text), required[name]) {
		return
	}
	found.advise(fmt.Sprintf("%s always says no, so no run begins: set %s in %s, or "+
		"`foreman-dlm-updater hooks disable %[1]s`", name, strings.Join(required[name], " or "), conf), "")
}

// adviseTools names the commands that a bundled hook calls and that are missing.
func (h *thisHost) adviseTools(found *Finding, path, name string) {
	for _, one := range tools {
		if !strings.HasPrefix(name, one.hook) || slices.ContainsFunc(one.commands, h.has) {
			continue
		}
		fix := "foreman-dlm-updater hooks disable " + name // the hook is for another system
		if one.packages[0] != "" {
			fix = h.install(one.packages)
		}
		found.advise(fmt.Sprintf("%s needs %s, which this host doesn't have", path, strings.Join(one.commands, " or ")), fix)
	}
}
