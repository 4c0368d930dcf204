package configcheck

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"

	"github.com/google/go-cmp/cmp"
)

// testHost is a healthy host, until a test changes something.
type testHost struct {
	*thisHost
	t     *testing.T
	dir   string
	units map[string]host.Unit
	free  map[string]host.Space
}

func newTestHost(t *testing.T) *testHost {
	h := &testHost{t: t, dir: t.TempDir(), free: map[string]host.Space{}}
	c := &config.Config{Path: h.dir + "/config.ini", State: h.dir + "/state/state", StageDirs: map[string]string{}}
	h.units = map[string]host.Unit{
		timerUnit: {ID: timerUnit, Load: "loaded", Active: "active", File: "enabled"},
		resumeUnit: {ID: resumeUnit, Load: "loaded", Active: "inactive", File: "enabled",
			Exec: []string{program, "-c", c.Path, "run", "--after-reboot"}},
		// As on every Debian.
		"apt-daily-upgrade.timer": {ID: "apt-daily-upgrade.timer", Load: "loaded", Active: "active", File: "enabled"},
	}
	h.thisHost = &thisHost{
		Options: Options{Config: c, Resumes: resumes},
		library: hook.Library{Dir: h.dir + "/library"}, root: h.dir + "/root", env: []string{"PATH=" + h.dir + "/bin"},
		systemd: func(_ context.Context, names ...string) (map[string]host.Unit, error) {
			asked := map[string]host.Unit{}
			for _, name := range names {
				if strings.Contains(name, "*") {
					for known, unit := range h.units {
						if fits, _ := filepath.Match(name, known); fits && unit.Load != "not-found" {
							asked[known] = unit
						}
					}
					continue
				}
				asked[name] = host.Unit{ID: name, Load: "not-found", Active: "inactive"}
				if unit, known := h.units[name]; known {
					asked[name] = unit
				}
			}
			return asked, nil
		},
		init:         func() error { return nil },
		synchronised: func() (bool, error) { return true, nil },
		free: func(path string) (host.Space, error) {
			path = strings.TrimPrefix(path, h.dir)
			if space, known := h.free[path]; known {
				return space, nil
			}
			return host.Space{Device: uint64(len(path)), Bytes: 1000 * miB}, nil
		},
		now:     func() time.Time { return testNow },
		command: func(context.Context, string, ...string) (string, error) { return "enable='1'\nevery='0'\n", nil },
	}
	h.write("root/boot/vmlinuz", 0o600, "")
	for _, tool := range []string{"apt-get", "systemctl", "awk", "df"} {
		h.write("bin/"+tool, 0o755, "")
	}
	for _, stage := range []string{"needs_update", "pre_update", "update", "needs_reboot", "post_update"} {
		c.StageDirs[stage] = h.dir + "/" + stage + ".d"
		h.write(stage+".d/10-own", 0o755, "#!/bin/sh\n")
	}
	return h
}

// testNow is a Monday.
var testNow = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

const (
	program        = "/usr/bin/foreman-dlm-updater"
	packagesConfig = "/etc/foreman_dlm_updater/config.ini"
)

// resumes knows the command lines of the resume units below, in the place of the program's grammar.
func resumes(args []string) string {
	switch {
	case !slices.Contains(args, "--after-reboot"):
		return ""
	case args[0] == "-c":
		return args[1]
	}
	return packagesConfig
}

func (h *testHost) write(file string, mode os.FileMode, text string) {
	h.t.Helper()
	file = filepath.Join(h.dir, file)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), mode)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *testHost) remove(file string) {
	h.t.Helper()
	if err := os.Remove(filepath.Join(h.dir, file)); err != nil {
		h.t.Fatal(err)
	}
}

// enable links a bundled hook in.
func (h *testHost) enable(stage, name string) { h.t.Helper(); h.enableAs(stage, name, "50", "50") }

// enableAs links a bundled hook in under a number, which need not be its own.
func (h *testHost) enableAs(stage, name, own, number string) {
	h.t.Helper()
	h.write("library/"+stage+".d/"+name, 0o755, "#!/bin/sh\n# Does something.\n# Number: "+own+"\n# Stage: "+stage+".\n")
	dir := h.Config.StageDirs[stage]
	if stage == notify {
		dir = h.Config.NotifyDir
	}
	if err := h.library.Enable(stage, name, dir, number+"-"+name); err != nil {
		h.t.Fatal(err)
	}
}

// advice runs all checks of the host, and returns the advice of each.
func (h *testHost) advice() []string {
	h.t.Helper()
	all := []string{}
	for _, one := range h.hostChecks(h.t.Context()) {
		found := one.do(h.t.Context(), h.Config)
		switch {
		case found.Err != nil:
			h.t.Errorf("%s is an error, and a good configuration would be refused: %v", one.about, found.Err)
		case len(found.Advice) == 0 && found.Fine == "":
			h.t.Errorf("%s has found nothing wrong, and says nothing", one.about)
		}
		for _, advice := range found.Advice {
			all = append(all, strings.ReplaceAll(fmt.Sprintf("%s: %s", one.about, advice), h.dir, "DIR"))
		}
	}
	return all
}

func TestHealthyHost(t *testing.T) {
	if got := newTestHost(t).advice(); len(got) > 0 {
		t.Error(got)
	}
}

// TestWithoutConfiguration looks at the host all the same, and at nothing that a configuration would have named.
func TestWithoutConfiguration(t *testing.T) {
	h := newTestHost(t)
	h.Config = nil
	h.units[timerUnit] = host.Unit{ID: timerUnit, Load: "loaded", Active: "inactive", File: "disabled"}
	if got := h.advice(); len(got) != 1 || !strings.Contains(got[0], "systemctl enable --now foreman-dlm-updater.timer") {
		t.Error(got)
	}
}

// TestGivesUp: a check that hangs becomes advice, when its time is over.
func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		forever := make(chan struct{})
		hangs := within(patience, func(context.Context, *config.Config) Finding { <-forever; return Finding{} })
		found := hangs(t.Context(), nil)
		if len(found.Advice) != 1 || !strings.Contains(found.Advice[0].What, "no answer within 10s") ||
			time.Since(began) != patience {
			t.Errorf("%+v after %s", found, time.Since(began))
		}
		close(forever)
	})
}

// TestRun: findings come in order, each as soon as it is known, and whoever has heard enough is left alone.
func TestRun(t *testing.T) {
	h := newTestHost(t)
	h.Config.BootIDFile, h.Config.RebootCmd = h.dir+"/boot_id", []string{"/bin/true"}
	asked := false
	h.Options.Look = func(context.Context, string) (string, bool, error) { asked = true; return "", false, nil }
	h.Options.Certificate = func() (*x509.Certificate, error) { return nil, errors.New("no certificate") }
	tests := map[string]struct {
		change func(*Options)
		want   []string
	}{
		"all": {func(*Options) {},
			[]string{"hooks", "notifiers", "certificate", "reboot_cmd", "files", "boot identity", "Foreman"}},
		"offline": {func(o *Options) { o.Look = nil },
			[]string{"hooks", "notifiers", "certificate", "reboot_cmd", "files", "boot identity", "units"}},
		"no configuration": {func(o *Options) { o.Config = nil }, []string{"units"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			options := h.Options
			test.change(&options)
			asked = false
			var got []string
			for found := range Run(t.Context(), options) {
				if got = append(got, found.About); len(got) == len(test.want) {
					break
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" || asked != (name == "all") {
				t.Errorf("asked: %t\n%s", asked, diff)
			}
		})
	}
}
