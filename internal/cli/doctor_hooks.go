package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// halves are bundled hooks of which the second brings back what the first has stopped.
var halves = [][2]string{
	{"pre_update/services-stop", "post_update/services-start"},
	{"pre_update/postgresql-stop", "post_update/postgresql-start"},
	{"pre_update/mariadb-stop", "post_update/mariadb-start"},
	{"pre_update/keepalived-stop", "post_update/keepalived-start"},
	{"pre_update/haproxy-drain", "post_update/haproxy-ready"},
	{"pre_update/pacemaker-standby", "post_update/pacemaker-unstandby"},
	{"pre_update/puppet-disable", "post_update/puppet-enable"},
	{"pre_update/alertmanager-silence", "post_update/alertmanager-unsilence"},
}

// tools are the commands without which bundled hooks fail, by the beginning of a hook's name; of several, one is enough. packages have them, with
// apt, dnf and zypper. The comment at the head of each hook has all that it needs; what every host has is left out.
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

// hooks are those that would run, by stage. A stage whose directory is missing or refused is left out: checkHooks has said so.
func (s *surroundings) hooks(c *config.Config) map[state.Stage][]hook.Hook {
	found := map[state.Stage][]hook.Hook{}
	for _, stage := range workflow.HookStages {
		entries, err := hook.Entries(hooksDir(c, string(stage)))
		if err != nil {
			continue
		}
		found[stage] = []hook.Hook{}
		for _, e := range entries {
			if e.Skipped == "" && len(e.Offenders) == 0 {
				found[stage] = append(found[stage], e.Hook)
			}
		}
	}
	return found
}

// notifiers are those that would be called; none if their directory is refused, of which checkNotifiers tells.
func (s *surroundings) notifiers(c *config.Config) []hook.Hook {
	if c.NotifyDir == "" {
		return nil
	}
	found, err := hook.ListNotifiers(c.NotifyDir, hclog.NewNullLogger())
	if err != nil {
		return nil
	}
	return found
}

// bundled is STAGE/NAME for each of the library's hooks among these.
func (s *surroundings) bundled(hooks map[state.Stage][]hook.Hook) map[string]bool {
	names := map[string]bool{}
	for stage, list := range hooks {
		for _, h := range list {
			if name := s.library.Leads(string(stage), h.Path); name != "" {
				names[string(stage)+"/"+name] = true
			}
		}
	}
	return names
}

const enable = "foreman-dlm-updater hooks enable "

// checkStages looks for stages in which the lack of a hook means something, for bundled hooks in the wrong order, and
// for bundled hooks whose other half is missing.
func (s *surroundings) checkStages(_ *Process, c *config.Config) (string, error) {
	hooks := s.hooks(c)
	var found doubts
	for _, stage := range []struct {
		stage         state.Stage
		means, enable string
	}{
		{state.NeedsUpdate, "no run ever begins", s.platform("apt", "dnf", "zypper", "")},
		{state.Update, "a run installs nothing", s.platform("apt", "dnf", "zypper", "")},
		{state.NeedsReboot, "each update ends with a reboot",
			s.platform("kernel-changed", "dnf-needs-restarting", "zypper-needs-rebooting", "kernel-changed")},
	} {
		if list, readable := hooks[stage.stage]; !readable || len(list) > 0 {
			continue
		}
		fix := "foreman-dlm-updater hooks list " + string(stage.stage)
		if stage.enable != "" {
			fix = enable + string(stage.stage) + "/" + stage.enable
		}
		found.add(fmt.Sprintf("no hook is enabled in %s: %s", hooksDir(c, string(stage.stage)), stage.means), fix)
	}
	if s.onlyTheFlag(hooks[state.NeedsReboot]) && !s.writesFlag(c) {
		found.add("needs_reboot/reboot-required is the only hook of its stage, and nothing on this host writes the flag "+
			"that it looks for: no update ends with a reboot", enable+"needs_reboot/kernel-changed")
	}
	for _, stage := range []state.Stage{state.PreUpdate, state.PostUpdate} {
		s.checkOrder(&found, stage, hooks[stage])
	}
	bundled := s.bundled(hooks)
	for _, pair := range halves {
		switch {
		case bundled[pair[0]] && !bundled[pair[1]]:
			found.add(fmt.Sprintf("%s is enabled without %s: what it stops stays so", pair[0], pair[1]), enable+pair[1])
		case bundled[pair[1]] && !bundled[pair[0]]:
			found.add(fmt.Sprintf("%s is enabled without %s: it has nothing to bring back", pair[1], pair[0]), enable+pair[0])
		}
	}
	for _, stage := range workflow.HookStages {
		s.checkTwice(&found, string(stage), hooks[stage])
	}
	s.checkTwice(&found, notifyStage, s.notifiers(c))
	return "each has the hooks that it needs; no bundled hook is in the wrong order, without its other half, or enabled twice", found.orNone()
}

// noServices is an error if services-stop is enabled in a directory of pre_update, and its settings certainly name no
// service: it would fail with the lock held.
func noServices(library hook.Library, dir, settings string) error {
	entries, _ := hook.Entries(dir) // what is wrong with the directory is said elsewhere
	for _, e := range entries {
		if e.Skipped != "" || library.Leads(string(state.PreUpdate), e.Path) != "services-stop" {
			continue
		}
		conf := filepath.Join(settings, "services-stop.conf")
		text, err := file.Read(conf, 1<<20)
		if (err == nil || errors.Is(err, fs.ErrNotExist)) && namesNoService(string(text)) {
			return &configError{fmt.Errorf("%s has no SERVICES, and would fail with the lock held: put SERVICES='NAME.service ...' into %s, or "+
				"`foreman-dlm-updater hooks disable pre_update/services-stop`", shown(e.Path), conf)}
		}
	}
	return nil
}

// assignment is a line of shell code that gives a variable a plain text.
var assignment = regexp.MustCompile(`^(\w+)=(?:'([^']*)'|"([^"$\\\x60]*)"|([\w./:@%+,-]*))\s*(?:#.*)?$`)

// namesNoService reports whether the settings of services-stop, which are shell code, certainly leave SERVICES empty:
// all that they do is to assign plain texts, to this variable blanks at most.
func namesNoService(settings string) bool {
	for line := range strings.Lines(settings) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		part := assignment.FindStringSubmatch(line)
		if part == nil || part[1] == "SERVICES" && strings.TrimSpace(part[2]+part[3]+part[4]) != "" {
			return false
		}
	}
	return true
}

// onlyTheFlag reports whether reboot-required is the only hook that is asked about a reboot.
func (s *surroundings) onlyTheFlag(hooks []hook.Hook) bool {
	return len(hooks) == 1 && s.library.Leads(string(state.NeedsReboot), hooks[0].Path) == "reboot-required"
}

// writesFlag reports whether something writes the flag that reboot-required looks for: after a new kernel
// (unattended-upgrades, reboot-notifier and update-notifier-common bring a script for that), or when a package asks for
// it. Another flag is an administrator's own affair.
func (s *surroundings) writesFlag(c *config.Config) bool {
	const longest = 1 << 20 // of a script, in bytes
	says := func(path, what string) bool {
		text, err := file.Read(path, longest)
		return err == nil && strings.Contains(string(text), what)
	}
	if says(filepath.Join(c.SettingsDir(), "reboot-required.conf"), "flag=") {
		return true
	}
	scripts, _ := filepath.Glob(s.root + "/etc/kernel/postinst.d/*") // an error would be about the pattern
	for _, script := range scripts {
		if says(script, "reboot-required") {
			return true
		}
	}
	return exists(s.root + "/usr/share/update-notifier/notify-reboot-required")
}

// checkOrder looks for bundled hooks of a stage that run in another order than their own numbers say. The command gives
// all of the stage their own numbers.
func (s *surroundings) checkOrder(found *doubts, stage state.Stage, hooks []hook.Hook) {
	var before hook.Hook // the one with the highest number so far
	var highest, wrong string
	var moved []string
	for _, h := range hooks {
		name := s.library.Leads(string(stage), h.Path)
		if name == "" {
			continue
		}
		number := s.library.Number(string(stage), name)
		if number < highest && wrong == "" {
			wrong = fmt.Sprintf("%s runs before %s, which has to come first in %s", before.Name, h.Name, stage)
		}
		if number >= highest {
			before, highest = h, number
		}
		if h.Name != number+"-"+name {
			moved = append(moved, name)
		}
	}
	if wrong != "" {
		why := "what refuses comes first, then traffic goes away, then services stop"
		if stage == state.PostUpdate {
			why = "what is stopped first has to come back last"
		}
		found.add(wrong+": "+why, fmt.Sprintf("for hook in %[1]s; do foreman-dlm-updater hooks disable %[2]s/$hook; %[3]s%[2]s/$hook; done",
			strings.Join(moved, " "), stage, enable))
	}
}

// checkTwice looks for bundled hooks that are linked into a stage under two names, as happens when the number is
// changed.
func (s *surroundings) checkTwice(found *doubts, stage string, hooks []hook.Hook) {
	first := map[string]string{}
	for _, h := range hooks {
		name := s.library.Leads(stage, h.Path)
		other, twice := first[name]
		switch {
		case name == "":
		case twice:
			found.add(fmt.Sprintf("%s/%s is enabled twice, as %s and as %s, and runs twice: disable the one that is not wanted",
				stage, name, other, h.Name),
				fmt.Sprintf("foreman-dlm-updater hooks disable %s/%s", stage, h.Name))
		default:
			first[name] = h.Name
		}
	}
}

// platform chooses by the package manager of this host.
func (s *surroundings) platform(apt, dnf, zypper, other string) string {
	for _, one := range [][2]string{{"zypper", zypper}, {"dnf", dnf}, {"yum", dnf}, {"apt-get", apt}} {
		if s.has(one[0]) {
			return one[1]
		}
	}
	return other
}

// install is the command that installs a package, by its names with apt, dnf and zypper.
func (s *surroundings) install(names [3]string) string {
	return s.platform("apt-get install "+names[0], "dnf install "+names[1], "zypper install "+names[2], "")
}

func (s *surroundings) has(command string) bool {
	path, err := hook.LookPath(command, s.env)
	return err == nil && exists(path) // LookPath takes a name with a slash as a path
}

// checkNeeds looks for commands of bundled hooks, and for interpreters of notifiers, that are missing. A hook's
// interpreter is looked for where hooks are vetted.
func (s *surroundings) checkNeeds(_ *Process, c *config.Config) (string, error) {
	var found doubts
	hooks, all := s.hooks(c), 0
	for _, stage := range workflow.HookStages {
		for _, h := range hooks[stage] {
			all++
			if name := s.library.Leads(string(stage), h.Path); name != "" {
				s.checkTools(&found, h.Path, string(stage)+"/"+name)
			}
		}
	}
	notifiers := s.notifiers(c)
	for _, n := range notifiers {
		if o, bad := hook.CheckInterpreter(n, s.env); bad {
			found.add(o.String(), "")
		}
	}
	return fmt.Sprintf("what %s and %s need is there", count(all, "hook"), count(len(notifiers), "notifier")), found.orNone()
}

// checkTools looks whether a bundled hook finds the commands that it calls.
func (s *surroundings) checkTools(found *doubts, path, name string) {
	for _, one := range tools {
		if !strings.HasPrefix(name, one.hook) || slices.ContainsFunc(one.commands, s.has) {
			continue
		}
		fix := "foreman-dlm-updater hooks disable " + name // of another system
		if one.packages[0] != "" {
			fix = s.install(one.packages)
		}
		found.add(fmt.Sprintf("%s needs %s, which this host doesn't have", path, strings.Join(one.commands, " or ")), fix)
	}
}
