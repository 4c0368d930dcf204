package configcheck

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// halves are pairs of bundled hooks: the second one brings back what the first one has stopped.
var halves = [][2]string{
	{"pre_update/services-stop", "post_update/services-start"},
	{"pre_update/postgresql-stop", "post_update/postgresql-start"},
	{"pre_update/mariadb-stop", "post_update/mariadb-start"},
	{"pre_update/keepalived-stop", "post_update/keepalived-start"},
	{"pre_update/haproxy-drain", "post_update/haproxy-ready"},
	{"pre_update/kubernetes-drain", "post_update/kubernetes-uncordon"},
	{"pre_update/ceph-noout", "post_update/ceph-noout"},
	{"pre_update/elasticsearch-allocation", "post_update/elasticsearch-allocation"},
	{"pre_update/pacemaker-standby", "post_update/pacemaker-unstandby"},
	{"pre_update/rabbitmq-drain", "post_update/rabbitmq-revive"},
	{"pre_update/puppet-disable", "post_update/puppet-enable"},
	{"pre_update/snapper", "post_update/snapper"},
	{"pre_update/alertmanager-silence", "post_update/alertmanager-unsilence"},
}

// enabledHooks returns the hooks that would run, by stage. It leaves out a stage whose directory is missing or refused:
// checkHooks reports that.
func enabledHooks(c *config.Config) map[state.Stage][]hook.Hook {
	found := map[state.Stage][]hook.Hook{}
	look := vet.NewSession()
	for _, stage := range workflow.HookDirs() {
		entries, err := hook.Entries(look, c.StageDirs[string(stage)])
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

// enabledNotifiers returns the notifiers that would be called: none if their directory is refused, which checkNotifiers
// reports.
func enabledNotifiers(c *config.Config) []hook.Hook {
	if c.NotifyDir == "" {
		return nil
	}
	found, err := hook.ListNotifiers(vet.NewSession(), c.NotifyDir, hclog.NewNullLogger())
	if err != nil {
		return nil
	}
	return found
}

// bundled returns STAGE/NAME for each bundled hook among hooks.
func (h *thisHost) bundled(hooks map[state.Stage][]hook.Hook) map[string]bool {
	names := map[string]bool{}
	for stage, list := range hooks {
		for _, one := range list {
			if name := h.library.Leads(string(stage), one.Path); name != "" {
				names[string(stage)+"/"+name] = true
			}
		}
	}
	return names
}

// notify stands for the notifiers' directory where other directories are named by their stage.
const notify = "notify"

const enable = "foreman-dlm-updater hooks enable "

// checkStages warns of stages without a hook, if that matters, of bundled hooks in the wrong order, and of bundled
// hooks whose other half is missing.
func (h *thisHost) checkStages(_ context.Context, c *config.Config) (found Finding) {
	hooks := enabledHooks(c)
	for _, stage := range []struct {
		stage         state.Stage
		means, enable string
	}{
		{state.NeedsUpdate, "no run ever begins", h.platform("apt", "dnf", "zypper", "")},
		{state.Update, "a run installs nothing", h.platform("apt", "dnf", "zypper", "")},
		{state.NeedsReboot, "each update ends with a reboot",
			h.platform("kernel-changed", "dnf-needs-restarting", "zypper-needs-rebooting", "kernel-changed")},
	} {
		if list, readable := hooks[stage.stage]; !readable || len(list) > 0 {
			continue
		}
		fix := "foreman-dlm-updater hooks list " + string(stage.stage)
		if stage.enable != "" {
			fix = enable + string(stage.stage) + "/" + stage.enable
		}
		found.advise(fmt.Sprintf("no hook is enabled in %s: %s", c.StageDirs[string(stage.stage)], stage.means), fix)
	}
	if h.onlyTheFlag(hooks[state.NeedsReboot]) && !h.writesFlag(c) {
		found.advise("needs_reboot/reboot-required is the only hook of its stage, and nothing on this host writes the flag "+
			"that it looks for: no update ends with a reboot", enable+"needs_reboot/kernel-changed")
	}
	for _, stage := range []state.Stage{state.PreUpdate, state.PostUpdate} {
		h.adviseOrder(&found, stage, hooks[stage])
	}
	bundled := h.bundled(hooks)
	for _, pair := range halves {
		switch {
		case bundled[pair[0]] && !bundled[pair[1]]:
			found.advise(fmt.Sprintf("%s is enabled without %s: nothing brings back what it stops or changes", pair[0], pair[1]),
				enable+pair[1])
		case bundled[pair[1]] && !bundled[pair[0]]:
			found.advise(fmt.Sprintf("%s is enabled without %s: it has nothing to bring back", pair[1], pair[0]), enable+pair[0])
		}
	}
	for _, stage := range workflow.HookDirs() {
		h.adviseTwice(&found, string(stage), hooks[stage])
	}
	h.adviseTwice(&found, notify, enabledNotifiers(c))
	found.Fine = "each has the hooks that it needs; no bundled hook is in the wrong order, without its other half, or " +
		"enabled twice"
	return found
}

// onlyTheFlag reports whether reboot-required is the only hook of needs_reboot.
func (h *thisHost) onlyTheFlag(hooks []hook.Hook) bool {
	return len(hooks) == 1 && h.library.Leads(string(state.NeedsReboot), hooks[0].Path) == "reboot-required"
}

// writesFlag reports whether something writes the flag file that reboot-required looks for: after a new kernel
// (unattended-upgrades, reboot-notifier and update-notifier-common bring a script for that), or when a package asks for
// a reboot. If the settings name another flag file, the administrator knows who writes it.
func (h *thisHost) writesFlag(c *config.Config) bool {
	const longest = 1 << 20 // the most that is read of a script, in bytes
	says := func(path, what string) bool {
		text, err := file.Read(path, longest)
		return err == nil && strings.Contains(string(text), what)
	}
	if says(filepath.Join(c.SettingsDir(), "reboot-required.conf"), "flag=") {
		return true
	}
	scripts, _ := filepath.Glob(h.root + "/etc/kernel/postinst.d/*") // fails only for a bad pattern
	for _, script := range scripts {
		if says(script, "reboot-required") {
			return true
		}
	}
	return exists(h.root + "/usr/share/update-notifier/notify-reboot-required")
}

// adviseOrder warns if the bundled hooks of a stage do not run in the order of their own numbers. The command of the
// advice gives them all their own numbers.
func (h *thisHost) adviseOrder(found *Finding, stage state.Stage, hooks []hook.Hook) {
	var before hook.Hook // the one with the highest number so far
	var highest, wrong string
	var moved []string
	for _, one := range hooks {
		name := h.library.Leads(string(stage), one.Path)
		if name == "" {
			continue
		}
		number := h.library.Number(string(stage), name)
		if number < highest && wrong == "" {
			wrong = fmt.Sprintf("%s runs before %s, which has to come first in %s", before.Name, one.Name, stage)
		}
		if number >= highest {
			before, highest = one, number
		}
		if one.Name != number+"-"+name {
			moved = append(moved, name)
		}
	}
	if wrong != "" {
		why := "hooks that can refuse come first, then those that take traffic away, then those that stop services"
		if stage == state.PostUpdate {
			why = "what is stopped first has to come back last"
		}
		found.advise(wrong+": "+why, fmt.Sprintf("for hook in %[1]s; do foreman-dlm-updater hooks disable %[2]s/$hook; "+
			"%[3]s%[2]s/$hook; done", strings.Join(moved, " "), stage, enable))
	}
}

// adviseTwice warns of bundled hooks that are linked into a stage under two names, as happens when somebody changes the
// number.
func (h *thisHost) adviseTwice(found *Finding, stage string, hooks []hook.Hook) {
	first := map[string]string{}
	for _, one := range hooks {
		name := h.library.Leads(stage, one.Path)
		other, twice := first[name]
		switch {
		case name == "":
		case twice:
			found.advise(fmt.Sprintf("%s/%s is enabled twice, as %s and as %s, and runs twice: disable the one that is "+
				"not wanted", stage, name, other, one.Name),
				fmt.Sprintf("foreman-dlm-updater hooks disable %s/%s", stage, one.Name))
		default:
			first[name] = one.Name
		}
	}
}
