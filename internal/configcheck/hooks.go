package configcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
	"github.com/kballard/go-shellquote"
)

// checkHooks vets all hooks as a run does before it asks for the lock. It also names files that never run, as after a
// forgotten chmod +x.
func (h *thisHost) checkHooks(_ context.Context, c *config.Config) (found Finding) {
	var counts []string
	look := vet.NewSession()
	refused := []error{hook.VetSettings(look, c.SettingsDir()),
		VetServicesStop(look, h.library, c.StageDirs[string(state.PreUpdate)], c.SettingsDir())}
	for _, stage := range workflow.HookDirs() {
		dir := c.StageDirs[string(stage)]
		if workflow.Optional(stage) && hook.Missing(dir) {
			continue
		}
		hooks, err := hook.List(look, dir, hclog.NewNullLogger())
		if err != nil {
			refused = append(refused, err)
		}
		counts = append(counts, fmt.Sprintf("%s %d", stage, len(hooks)))
		found.adviseNotRun(look, dir)
	}
	if err := errors.Join(refused...); err != nil {
		return unusable(err)
	}
	found.Fine = strings.Join(counts, ", ")
	return found
}

// checkNotifiers vets the notifiers as a run does.
func checkNotifiers(_ context.Context, c *config.Config) Finding {
	if c.NotifyDir == "" {
		return fine("notify.d is not set, so nobody is notified")
	}
	look := vet.NewSession()
	notifiers, err := hook.ListNotifiers(look, c.NotifyDir, hclog.NewNullLogger())
	if err != nil {
		return unusable(err)
	}
	if len(notifiers) == 0 {
		return advise(c.NotifyDir+" has no notifiers, so nobody is notified", "foreman-dlm-updater hooks list notify")
	}
	found := fine(fmt.Sprintf("%d", len(notifiers)))
	found.adviseNotRun(look, c.NotifyDir)
	return found
}

// adviseNotRun names the files of a directory that never run although somebody may want them to. Others have reported
// problems of dir itself.
func (f *Finding) adviseNotRun(look *vet.Session, dir string) {
	entries, _ := hook.Entries(look, dir)
	for _, e := range entries {
		switch {
		case e.Disabled():
			f.advise(file.Shown(e.Path)+" never runs: it is not executable (keep files that are no hooks elsewhere)",
				"chmod +x "+shellquote.Join(e.Path))
		case e.Forgotten:
			f.advise(file.Shown(e.Path)+" never runs, though it is executable: it has "+e.Skipped+"; rename or remove it", "")
		}
	}
}

// VetServicesStop returns a *config.Error if services-stop is enabled in dir, the directory of pre_update, and its
// settings certainly name no service: then it would fail with the lock held. settings is the directory of the bundled
// hooks' settings.
func VetServicesStop(look *vet.Session, library hook.Library, dir, settings string) error {
	leads := func(path string) bool { return library.Leads(string(state.PreUpdate), path) == "services-stop" }
	names, _ := os.ReadDir(dir) // checkHooks, or the run, reports an error of the directory
	if !slices.ContainsFunc(names, func(name fs.DirEntry) bool { return leads(filepath.Join(dir, name.Name())) }) {
		return nil // no need to vet the whole directory
	}
	entries, _ := hook.Entries(look, dir)
	for _, e := range entries {
		if e.Skipped != "" || !leads(e.Path) {
			continue
		}
		conf := filepath.Join(settings, "services-stop.conf")
		text, err := file.Read(conf, 1<<20)
		if (err == nil || errors.Is(err, fs.ErrNotExist)) && leavesEmpty(string(text), []string{"SERVICES"}) {
			return &config.Error{Err: fmt.Errorf("%s has no SERVICES, and would fail with the lock held: put "+
				"SERVICES='NAME.service ...' (with quotes, no blanks around =) into %s, or `foreman-dlm-updater hooks "+
				"disable pre_update/services-stop`", file.Shown(e.Path), conf)}
		}
	}
	return nil
}

// assignment matches a line of shell code that sets a variable to plain text.
var assignment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\w+)=(?:'([^']*)'|"([^"$\\\x60]*)"|([\w./:@%+,-]*))\s*(?:#.*)?$`)
})

// noAssignment matches a line that was meant to set a variable, with blanks around "=" or without quotes around several
// words. The shell takes a part of it for a command, and does not set the variable.
var noAssignment = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(\w+)(?:\s+=|=[\w.@:-]+(?:\s+[\w.@:-]+)+\s*(?:#.*)?$)`)
})

// leavesEmpty reports whether the settings of a bundled hook, which are shell code, certainly leave all of names empty:
// they only set variables to plain text, and those to blanks at most, or try to set those in a way that fails.
func leavesEmpty(settings string, names []string) bool {
	for line := range strings.Lines(settings) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if part := noAssignment().FindStringSubmatch(line); part != nil && slices.Contains(names, part[1]) {
			continue
		}
		part := assignment().FindStringSubmatch(line)
		if part == nil || slices.Contains(names, part[1]) && strings.TrimSpace(part[2]+part[3]+part[4]) != "" {
			return false
		}
	}
	return true
}
