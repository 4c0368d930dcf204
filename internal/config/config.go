// Package config turns config.ini into a validated [Config].
//
// It reads the file as Python's configparser did for the original program, so that an existing file keeps its meaning.
// It reports all problems of the file at once. It does not check whether hooks, keys and certificates exist and fit
// together; it only checks whether a path that looks like a mistake exists.
package config

import (
	"fmt"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"foreman-dlm-updater/internal/calendar"
)

// Config is a valid configuration. Every path in it is absolute and clean.
type Config struct {
	// Path is the file that was read.
	Path string

	// LockServer is the kind of server that has the lock.
	LockServer LockServer
	// LockName is the lock's name in Foreman, not percent-encoded; with FleetLock, the group.
	LockName string
	// ForemanURL is https, without user, query, fragment or trailing slash; it may have a path prefix. FleetLockURL is the
	// same, but http to a loopback address is possible. The one of the other lock server may be nil.
	ForemanURL, FleetLockURL *url.URL
	// FleetLockID is this host's name at a FleetLock server. If it is "", that is the CN of ClientCert or, without one, an
	// id derived from the machine's.
	FleetLockID string
	// ClientCert, ClientKey and CA name PEM files. If CA is "", the system's trust store is used. With FleetLock the first
	// two may both be "": no certificate is shown.
	ClientCert, ClientKey, CA string

	// StageDirs has the directory of each of the stages that [Load] got as hookStages.
	StageDirs map[string]string
	// NotifyDir is the directory of the notifiers. If it is "", there are none.
	NotifyDir string
	// RebootCmd is the reboot command, split into words. There is at least one.
	RebootCmd []string

	// State, Lock, History and Log are files. If History or Log is "", there is none.
	State, Lock, History, Log string
	// MetricsTextfile is the file for node_exporter's textfile collector. If it is "", there is none.
	MetricsTextfile string
	// LogRetention is in days, 0 to 36500; 0 keeps every file, as Python's TimedRotatingFileHandler does.
	LogRetention int
	// LogLevel is trace, debug, info, warn or error.
	LogLevel string
	// LogJSON makes each log line a JSON object.
	LogJSON bool

	// LockRetryInterval (above 0) and LockRetryJitter (at most the interval) set the wait between two tries.
	LockRetryInterval, LockRetryJitter time.Duration
	// LockTimeout is how long to wait for the lock; 0 means for ever.
	LockTimeout time.Duration
	// LockSettle is the time between claiming the lock and believing it, above 0.
	LockSettle time.Duration
	// LockRefresh is the time between two refreshes of a held lock; 0 means never.
	LockRefresh time.Duration
	// ReleaseTimeout is how long to try to release the lock; 0 means for ever.
	ReleaseTimeout time.Duration
	// HTTPTimeout limits one HTTP try as a whole, above 0.
	HTTPTimeout time.Duration
	// HookTimeout limits one hook; 0 means no limit.
	HookTimeout time.Duration
	// RebootTimeout is how long a reboot may take to begin, above 0.
	RebootTimeout time.Duration

	// HTTPRetries is how often a request is tried again, 0 or more.
	HTTPRetries int
	// CannotTellExit is the exit code, 1 to 125, that means "cannot tell" in a needs_* hook; 0 means that there is none.
	CannotTellExit int
	// CannotTellReboot makes "cannot tell" in a needs_reboot hook count as yes.
	CannotTellReboot bool
	// MaxReboots is how many reboots one run may ask for, 1 or more.
	MaxReboots int

	// Windows are the maintenance windows; empty: a run may begin at any time.
	Windows calendar.Windows
	// WindowsError is why there are no Windows although the file has some (LoadWithoutWindows); else nil.
	WindowsError error
	// WindowLastStart is how long before a window closes the last run may begin; 0 means until it closes.
	WindowLastStart time.Duration
	// FreezeDir is the directory of the freezes. It may be missing.
	FreezeDir string
	// GateInterval is the time after which a gate that said no is asked again, above 0.
	GateInterval time.Duration
	// LockSlots is how many hosts may update at once, 1 to 99. Slot 1 is LockName, slot k is LockName + ".slotK".
	LockSlots int
	// MaxFailed is how many failed hosts stop the others, 1 to 99; 0 means that there is no budget for failures, and that
	// no flags are used. The flag of slot k is the lock LockName + ".failedK".
	MaxFailed int
	// BlockedBy names other locks: while another host holds one of them, no run begins. None is a slot of LockName.
	BlockedBy []string

	// BootIDFile is the file with the kernel's boot id.
	BootIDFile string

	values []Value
}

// Value is one effective value, as config show prints it.
type Value struct {
	Key    string
	Value  string // in config.ini's syntax; "" where the key is unset
	Origin string // "default" or "FILE:LINE"
}

// SettingsDir is the directory of the bundled hooks' settings, beside the configuration file.
func (c *Config) SettingsDir() string { return filepath.Join(filepath.Dir(c.Path), "hooks.conf.d") }

// Values returns every key's effective value, in the order of the documentation.
func (c *Config) Values() []Value { return append([]Value(nil), c.values...) }

// key describes one key of section [main].
type key struct {
	name     string
	fallback string // the value if the file does not have the key
	empty    empty
	set      parser
	doc      string // what a value looks like, for people
}

// empty says what a key without a value means.
type empty int

const (
	refused     empty = iota // an error; the original failed on it too
	unset                    // the same as a missing key
	required                 // an error, and so is a missing key
	ifForeman                // the same, but only with lock_server = foreman; else as unset
	ifFleetLock              // the same, but only with lock_server = fleetlock; else as unset
)

// resolve says what a key without a value means with this lock server.
func (c *Config) resolve(e empty) empty {
	switch {
	case e == ifForeman && c.LockServer == Foreman, e == ifFleetLock && c.LockServer == FleetLock:
		return required
	case e == ifForeman, e == ifFleetLock:
		return unset
	}
	return e
}

// KernelBootID is the default of boot_id_file: the kernel's own (random(4)). With another file, reboots are simulated.
const KernelBootID = "/proc/sys/kernel/random/boot_id"

// keys is the one list of the keys of [main], bound to the fields of c. Each of hookStages has a key.
func (c *Config) keys(hookStages []string) []key {
	return slices.Concat([]key{
		{"lock_server", string(Foreman), refused, c.lockServer, "foreman or fleetlock"},
		{"lock_name", "", required, c.lockName, "the lock's name in Foreman, or the group of the FleetLock server"},
		{"foreman_url", "", ifForeman, serverURL(&c.ForemanURL, "Foreman knows the host by its certificate", false),
			"a URL such as https://foreman.example.com"},
		{"fleetlock_url", "", ifFleetLock, serverURL(&c.FleetLockURL, "its host is not a loopback address", true),
			"a URL such as https://lock.example.com"},
		{"fleetlock_id", "", unset, c.fleetLockID, "this host's name at the FleetLock server"},
		{"client_crt", "", ifForeman, path(&c.ClientCert), "the host's Puppet certificate, a PEM file"},
		{"client_key", "", ifForeman, path(&c.ClientKey), "the host's Puppet key, a PEM file"},
		{"ca", "", unset, path(&c.CA), "a PEM file"},
	}, c.stageKeys(hookStages), []key{
		{"notify.d", "", unset, path(&c.NotifyDir), "a directory"},
		{"reboot_cmd", "/usr/sbin/reboot", refused, words(&c.RebootCmd), "a command"},
		{"state", "/var/lib/foreman_dlm_updater/state", refused, path(&c.State), "a file"},
		{"lock", "/run/foreman_dlm_updater.lock", refused, path(&c.Lock), "a file"},
		{"history", besideState, refused, c.history, "a file, or none"},
		{"metrics_textfile", "", unset, promFile(&c.MetricsTextfile), "a file whose name ends with .prom"},
		{"log", "", unset, path(&c.Log), "a file"},
		{"logretention", "7", refused, number(&c.LogRetention, 0, 36500), "a number of days"},
		{"loglevel", "INFO", refused, logLevel(&c.LogLevel), "a level such as INFO"},
		{"log_format", "text", refused, logFormat(&c.LogJSON), "text or json"},
		{"lock_retry_interval", "60s", refused, duration(&c.LockRetryInterval, 1), aTime},
		{"lock_retry_jitter", "0", refused, duration(&c.LockRetryJitter, 0), aTime},
		{"lock_timeout", "0", refused, duration(&c.LockTimeout, 0), aTime},
		{"lock_settle", "2s", refused, duration(&c.LockSettle, 1), aTime},
		{"lock_refresh", "1h", refused, duration(&c.LockRefresh, 0), aTime},
		{"release_timeout", "0", refused, duration(&c.ReleaseTimeout, 0), aTime},
		{"http_timeout", "30s", refused, duration(&c.HTTPTimeout, 1), aTime},
		{"http_retries", "3", refused, number(&c.HTTPRetries, 0, math.MaxInt), "a number"},
		{"hook_timeout", "0", refused, duration(&c.HookTimeout, 0), aTime},
		{"cannot_tell_exit", "", unset, number(&c.CannotTellExit, 1, 125), "an exit code, 1 to 125"},
		{"cannot_tell_reboot", "no", refused, yesNo(&c.CannotTellReboot), "yes or no"},
		{"reboot_timeout", "15m", refused, duration(&c.RebootTimeout, 1), aTime},
		{"max_reboots", "3", refused, number(&c.MaxReboots, 1, math.MaxInt), "a number"},
		{"window", "", unset, windows(&c.Windows), "a window such as Mon..Fri 02:00-05:00"},
		{"window_last_start", "30m", refused, duration(&c.WindowLastStart, 0), aTime},
		{"freeze.d", "/etc/foreman_dlm_updater/freeze.d/", refused, path(&c.FreezeDir), "a directory"},
		{"gate_interval", "5m", refused, duration(&c.GateInterval, 1), aTime},
		{"lock_slots", "1", refused, number(&c.LockSlots, 1, maxSlots), "a number"},
		{"max_failed", "0", refused, number(&c.MaxFailed, 0, maxSlots), "a number"},
		{"blocked_by", "", unset, lockNames(&c.BlockedBy), "names of locks, separated by commas"},
		{"boot_id_file", KernelBootID, refused, path(&c.BootIDFile), "a file"},
	})
}

func (c *Config) stageKeys(hookStages []string) (keys []key) {
	for _, stage := range hookStages {
		name := stage + ".d"
		keys = append(keys, key{name, "/etc/foreman_dlm_updater/" + name + "/", refused, c.stageDir(stage), "a directory"})
	}
	return keys
}

// Load reads, interpolates and validates the file. hookStages are the stages that have a directory of hooks. It returns
// every problem that it finds, in the order of the file. The Config is nil if one of them is an error, not a warning.
// The error is for a file that can't be read at all, and wraps the file system's error.
func Load(path string, hookStages []string) (*Config, []Problem, error) {
	return loadFile(path, hookStages, nil)
}

// LoadWithoutWindows is Load, but does not look at the windows; why is the error that Load has found in them. Only a
// run that has the lock may use this Config.
func LoadWithoutWindows(path string, hookStages []string, why error) (*Config, []Problem, error) {
	return loadFile(path, hookStages, why)
}

func loadFile(path string, hookStages []string, windowsError error) (*Config, []Problem, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, fmt.Errorf("read config %s: %w", path, err)
	}
	r := &report{file: abs}
	data, err := readFile(abs, r)
	if err != nil {
		return nil, nil, fmt.Errorf("read config %s: %w", abs, err)
	}
	c := &Config{Path: abs, StageDirs: map[string]string{}, WindowsError: windowsError}
	if doc := readINI(data, r); doc != nil {
		c.assign(doc, c.keys(hookStages), r)
	}
	sort.SliceStable(r.problems, func(i, j int) bool { return r.problems[i].Line < r.problems[j].Line })
	if r.failed() {
		return nil, r.problems, nil
	}
	return c, r.problems, nil
}

// assign sets every field of c from doc or its default, and reports values that are wrong.
func (c *Config) assign(doc *document, keys []key, r *report) {
	lines, good := map[string]int{}, map[string]bool{}
	for _, k := range keys {
		if k.name == "window" && c.WindowsError != nil {
			continue
		}
		k.empty = c.resolve(k.empty)
		e, found := doc.lookup(k.name)
		lines[k.name] = e.line
		text := k.fallback
		if text == besideState {
			text = c.defaultHistory()
		}
		if found {
			var ok bool
			if text, ok = doc.value(e, k, r); !ok {
				continue
			}
		}
		shown := ""
		switch {
		case text != "":
			if shown, good[k.name] = r.parse(k, e.line, text); !good[k.name] {
				continue
			}
		case k.empty == required && !found:
			r.errorf(0, k.name, "is missing; add %s = VALUE to [%s], where VALUE is %s", k.name, mainSection, k.doc)
			continue
		}
		c.values = append(c.values, Value{k.name, shown, r.origin(e.line)})
	}
	c.checkTogether(lines, good, r)
	doc.warnUnknown(keys, r)
}

// checkTogether reports values that are right by themselves and wrong together.
func (c *Config) checkTogether(lines map[string]int, good map[string]bool, r *report) {
	if good["lock_retry_interval"] && c.LockRetryInterval < time.Second {
		r.warnf(lines["lock_retry_interval"], "lock_retry_interval",
			"%s makes every waiting host ask the lock server all the time; 60s would be right", c.LockRetryInterval)
	}
	if good["lock_retry_jitter"] && good["lock_retry_interval"] && c.LockRetryJitter > c.LockRetryInterval {
		r.errorf(lines["lock_retry_jitter"], "lock_retry_jitter",
			"%s is more than lock_retry_interval, %s; at most the interval would be right",
			c.LockRetryJitter, c.LockRetryInterval)
	}
	c.checkLockServer(lines, r)
	c.checkBegin(lines, good, r)
	c.checkFiles(lines, r)
}

// checkFiles reports files that are the same.
func (c *Config) checkFiles(lines map[string]int, r *report) {
	owner := map[string]string{c.Path: "the configuration"}
	for _, f := range []struct{ key, path string }{{"client_crt", c.ClientCert}, {"client_key", c.ClientKey},
		{"ca", c.CA}} {
		if f.path != "" { // one PEM file may hold all three
			owner[f.path] = f.key
		}
	}
	if c.State != "" {
		owner[c.State+".lock"] = "the lock that is kept beside state"
		owner[c.State+".pause"] = "the pause that is kept beside state"
		owner[c.State+".by-hand"] = "the by-hand record that is kept beside state"
	}
	for _, f := range []struct{ key, path string }{{"state", c.State}, {"lock", c.Lock}, {"history", c.History},
		{"metrics_textfile", c.MetricsTextfile}, {"log", c.Log}} {
		if f.path == "" {
			continue
		}
		if other, taken := owner[f.path]; taken {
			r.errorf(lines[f.key], f.key, "%q is also %s; give it a file of its own", f.path, other)
			continue
		}
		owner[f.path] = f.key
	}
}
