package config

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzLoad: nothing panics, loading twice gives the same, and a configuration without errors keeps every promise
// that Config's comments make.
func FuzzLoad(f *testing.F) {
	original, err := os.ReadFile("testdata/original.ini")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(original)
	f.Add([]byte("[main]\nlock_name = web\n" + fleetLock))
	for _, s := range []string{
		"", minimal, "\ufeff" + minimal, "[Main]\n", "lock = x", minimal + "[main]\n",
		"  [main]\r\n  state = /a\r\n    b\r\n\r\n  c\r",
		minimal + "state = %(dir)s/%%\ndir = %(lock_name)s\n", minimal + "state = %(state)s\n", minimal + "state = %(",
		minimal + "state = `a\n\"\"\" = x\n- = 1\n[\n[]\n", minimal + "lock_settle = 0\nlock_retry_jitter = 2m\n",
		minimal + "loglevel = CRITICAL\nlog_format = json\ncannot_tell_exit = 75\nreboot_cmd = a 'b c' \\\n",
		minimal + "window = Mon..Fri 02:00-05:00; Sun#-1\n  Tue#2 UTC\nlock_slots = 2\nmax_failed = 1\nblocked_by = a, b\n",
	} {
		f.Add([]byte(s))
	}
	file := filepath.Join(f.TempDir(), "config.ini")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		c, problems, err := Load(file, hookStages)
		again, problemsAgain, errAgain := Load(file, hookStages)
		if diff := cmp.Diff(c, again, cmp.AllowUnexported(Config{}), sameWindows) +
			cmp.Diff(problems, problemsAgain); diff != "" || (err == nil) != (errAgain == nil) {
			t.Fatal("differs the second time: ", diff, err, errAgain)
		}
		if err == nil && (c == nil) != (&report{problems: problems}).failed() {
			t.Fatalf("config %v with problems %v", c, problems)
		}
		if c != nil {
			checkPromises(t, c)
		}
	})
}

// sane reports whether an address of a lock server is what the parser promises.
func sane(u *url.URL, plainLoopback bool) bool {
	return checkURL(u, u.String(), "", plainLoopback) == "" && !strings.HasSuffix(u.String(), "/")
}

func checkPromises(t *testing.T, c *Config) {
	t.Helper()
	foreman := c.LockServer == Foreman
	paths := []string{c.Path, c.State, c.Lock, c.BootIDFile, c.FreezeDir}
	if foreman {
		paths = append(paths, c.ClientCert, c.ClientKey)
	}
	for _, optional := range []string{c.CA, c.Log, c.ClientCert, c.ClientKey} {
		if optional != "" {
			paths = append(paths, optional)
		}
	}
	for _, stage := range hookStages {
		paths = append(paths, c.StageDirs[stage])
	}
	for _, p := range paths {
		if !filepath.IsAbs(p) || filepath.Clean(p) != p {
			t.Errorf("path %q is not absolute and clean", p)
		}
	}
	for name, ok := range map[string]bool{
		"lock_server": foreman || c.LockServer == FleetLock,
		"lock_name": c.LockName != "" && (!foreman || checkLockName(c.LockName) == nil) &&
			(foreman || fleetLockGroup().MatchString(c.LockName)),
		"foreman_url":   !foreman || sane(c.ForemanURL, false),
		"fleetlock_url": foreman || sane(c.FleetLockURL, true),
		"fleetlock_id":  !strings.ContainsAny(c.FleetLockID, " \t\n") && len(c.FleetLockID) <= maxID,
		"fleetlock": foreman || c.LockSlots == 1 && c.MaxFailed == 0 && c.BlockedBy == nil &&
			(c.ClientCert == "") == (c.ClientKey == ""),
		"stages":       len(c.StageDirs) == len(hookStages),
		"reboot_cmd":   len(c.RebootCmd) > 0 && c.RebootCmd[0] != "",
		"logretention": 0 <= c.LogRetention && c.LogRetention <= 36500,
		"loglevel":     levels[c.LogLevel] == c.LogLevel,
		"jitter":       0 <= c.LockRetryJitter && c.LockRetryJitter <= c.LockRetryInterval,
		"above 0":      min(c.LockRetryInterval, c.LockSettle, c.HTTPTimeout, c.RebootTimeout, c.GateInterval) > 0,
		"not below 0": min(c.LockTimeout, c.LockRefresh, c.ReleaseTimeout, c.HookTimeout, c.WindowLastStart,
			time.Duration(c.HTTPRetries)) >= 0,
		"cannot_tell": 0 <= c.CannotTellExit && c.CannotTellExit <= 125,
		"max_reboots": c.MaxReboots >= 1,
		"lock_slots":  1 <= c.LockSlots && c.LockSlots <= maxSlots,
		"max_failed":  0 <= c.MaxFailed && c.MaxFailed <= maxSlots,
		"blocked_by": !slices.ContainsFunc(c.BlockedBy, func(name string) bool {
			return name == "" || name == c.LockName || checkLockName(name) != nil
		}),
		"values":         len(c.Values()) == len(c.keys(hookStages)),
		"distinct files": c.State != c.Lock && c.State != c.Log && c.Lock != c.Log,
	} {
		if !ok {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
