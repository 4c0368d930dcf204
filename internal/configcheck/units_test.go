package configcheck

import (
	"os"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
)

// TestResumeUnit: a boot has to go on with this configuration, and not with another one.
func TestResumeUnit(t *testing.T) {
	const own = "foreman-dlm-updater-config-resume.service"
	enabled := func(exec ...string) host.Unit {
		return host.Unit{Load: "loaded", Active: "inactive", File: "enabled", Exec: exec}
	}
	disabled := func(u host.Unit) host.Unit {
		u.File = "disabled"
		return u
	}
	other := func(config string) string {
		return "units: foreman-dlm-updater-resume.service goes on with a run of " + config + ", not of this " +
			"configuration (DIR/config.ini): after a reboot the run waits, with the lock, for the next night; enable a " +
			"foreman-dlm-updater-config-resume.service that calls `foreman-dlm-updater --config DIR/config.ini run " +
			"--after-reboot` (see /usr/share/doc/foreman-dlm-updater/docs/install.md)"
	}
	h := newTestHost(t)
	h.write("config.ini", 0o600, "")
	h.write("weekly.ini", 0o600, "")
	if err := os.Symlink("config.ini", h.dir+"/link.ini"); err != nil {
		t.Fatal(err)
	}
	mine, weekly := h.Config.Path, h.dir+"/weekly.ini"
	tests := map[string]struct {
		resume, own host.Unit
		want        string
	}{
		"of the package": {resume: enabled(program, "run", "--after-reboot"), want: other(packagesConfig)},
		"of another": {resume: enabled(program, "-c", weekly, "run", "--after-reboot"),
			want: other("DIR/weekly.ini")},
		"of one that is gone": {resume: enabled(program, "-c", "/gone.ini", "run", "--after-reboot"),
			want: other("/gone.ini")},
		"of this":                        {resume: enabled(program, "-c", mine, "run", "--after-reboot")},
		"of this, by a link":             {resume: enabled(program, "-c", h.dir+"/link.ini", "run", "--after-reboot")},
		"by a wrapper":                   {resume: enabled("/bin/sh", "-c", "foreman-dlm-updater run --after-reboot")},
		"by a command that doesn't tell": {resume: enabled(program, "-c", "", "run", "--after-reboot")},
		"no command is known":            {resume: enabled()},
		"a unit of its own": {resume: enabled(program, "run", "--after-reboot"),
			own: enabled(program, "-c", mine, "run", "--after-reboot")},
		"a unit of its own instead": {resume: disabled(enabled(program, "run", "--after-reboot")),
			own: enabled(program, "-c", mine, "run", "--after-reboot")},
		"a unit of its own that is disabled": {resume: enabled(program, "run", "--after-reboot"),
			own: disabled(enabled(program, "-c", mine, "run", "--after-reboot")), want: other(packagesConfig)},
		"a unit of its own that begins runs": {resume: enabled(program, "run", "--after-reboot"),
			own: enabled(program, "-c", mine, "run"), want: other(packagesConfig)},
		"a unit of its own for the third": {resume: enabled(program, "run", "--after-reboot"),
			own: enabled(program, "-c", weekly, "run", "--after-reboot"), want: other(packagesConfig)},
	}
	h.units[resumeUnit] = tests["of the package"].resume
	c := h.Config
	h.Config = nil
	if got := h.advice(); len(got) > 0 {
		t.Errorf("where the configuration can't be read: %v", got)
	}
	h.Config = c
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h.units[resumeUnit], h.units[own] = test.resume, test.own
			if test.own.Load == "" {
				delete(h.units, own)
			}
			if got := strings.Join(h.advice(), "\n"); got != test.want {
				t.Errorf("config check:\ngot  %s\nwant %s", got, test.want)
			}
			h.Config.BootIDFile = config.KernelBootID
			h.Config.RebootCmd = []string{"/bin/true"}
			warnings, _ := h.beforeLock(t.Context()) // of the state see TestBeforeLockState
			got := strings.ReplaceAll(strings.Join(warnings, "\n"), h.dir, "DIR")
			if want := strings.TrimPrefix(test.want, "units: "); got != want {
				t.Errorf("run:\ngot  %s\nwant %s", got, want)
			}
		})
	}
}
