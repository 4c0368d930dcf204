package config

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/calendar"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// minimal is the shortest valid file. What a test adds begins in line 6.
const minimal = `[main]
lock_name = web
foreman_url = https://foreman.example.com
client_crt = /etc/crt.pem
client_key = /etc/key.pem
`

// fleetLock is what makes minimal a configuration for a FleetLock server.
const fleetLock = "lock_server = fleetlock\nfleetlock_url = https://lock.example.com\n"

// hookStages are those of the original.
var hookStages = []string{"needs_update", "pre_update", "update", "needs_reboot", "post_update"}

// write makes a config.ini that nobody else can write.
func write(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.ini")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// load reads text as config.ini. Warnings are marked, and the file is called FILE.
func load(t testing.TB, text string) (*Config, []string) {
	t.Helper()
	file := write(t, text)
	c, problems, err := Load(file, hookStages)
	if err != nil {
		t.Fatal(err)
	}
	return c, texts(file, problems)
}

func texts(file string, problems []Problem) (all []string) {
	for _, p := range problems {
		s := strings.ReplaceAll(p.String(), file, "FILE")
		if p.Warning {
			s = "warning: " + s
		}
		all = append(all, s)
	}
	return all
}

var ignoreInternals = cmp.Options{cmpopts.IgnoreUnexported(Config{}), sameWindows}

var sameWindows = cmp.Comparer(func(a, b calendar.Windows) bool { return a.String() == b.String() })

func TestExampleOfTheOriginal(t *testing.T) {
	text, err := os.ReadFile("testdata/original.ini")
	if err != nil {
		t.Fatal(err)
	}
	file := write(t, string(text))
	c, problems, err := Load(file, hookStages)
	if err != nil || len(problems) > 0 {
		t.Fatalf("problems %v, error %v; want none", problems, err)
	}
	const etc = "/etc/foreman_dlm_updater/"
	want := defaults()
	want.Path = file
	want.LockName = "this_is_the_lock_name"
	want.ForemanURL = &url.URL{Scheme: "https", Host: "foreman.example.com"}
	want.ClientCert = "/etc/puppetlabs/puppet/ssl/certs/host.example.com.pem"
	want.ClientKey = "/etc/puppetlabs/puppet/ssl/private_keys/host.example.com.pem"
	want.CA = "/etc/ipa/ca.crt"
	want.Log, want.LogLevel = "/var/log/foreman_dlm_updater.log", "debug"
	want.Lock, want.State, want.History = etc+"file.lock", etc+"state", etc+"history.jsonl"
	if diff := cmp.Diff(want, c, ignoreInternals); diff != "" {
		t.Error(diff)
	}
}

// defaults is what the documentation's table promises.
func defaults() *Config {
	const etc = "/etc/foreman_dlm_updater/"
	return &Config{
		LockServer: Foreman,
		LockName:   "web",
		ForemanURL: &url.URL{Scheme: "https", Host: "foreman.example.com"},
		ClientCert: "/etc/crt.pem", ClientKey: "/etc/key.pem",
		StageDirs: map[string]string{
			"needs_update": etc + "needs_update.d", "pre_update": etc + "pre_update.d", "update": etc + "update.d",
			"needs_reboot": etc + "needs_reboot.d", "post_update": etc + "post_update.d",
		},
		RebootCmd: []string{"/usr/sbin/reboot"},
		State:     "/var/lib/foreman_dlm_updater/state", Lock: "/run/foreman_dlm_updater.lock",
		History:      "/var/lib/foreman_dlm_updater/history.jsonl",
		LogRetention: 7, LogLevel: "info",
		LockRetryInterval: time.Minute, LockSettle: 2 * time.Second, LockRefresh: time.Hour,
		HTTPTimeout: 30 * time.Second, RebootTimeout: 15 * time.Minute,
		HTTPRetries: 3, MaxReboots: 3, BootIDFile: "/proc/sys/kernel/random/boot_id",
		WindowLastStart: 30 * time.Minute, FreezeDir: etc + "freeze.d", GateInterval: 5 * time.Minute, LockSlots: 1,
	}
}

func TestDefaults(t *testing.T) {
	c, problems := load(t, minimal)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := defaults()
	want.Path = c.Path
	if diff := cmp.Diff(want, c, ignoreInternals); diff != "" {
		t.Error(diff)
	}
}

func TestValues(t *testing.T) {
	c, problems := load(t, "[DEFAULT]\nbase = /d\nstate = %(base)s/state\n"+minimal+
		"lock_timeout = 90\nlock_refresh = 000\nreboot_cmd: shutdown  -r +1\nloglevel = Critical\nlog_format = JSON\nlog =\n"+
		"cannot_tell_exit = 075\nwindow =\n  Sat 22:00-02:00\n\tTue#2 01:00-04:00 UTC\nblocked_by = staging.failed1 ,db\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var got []string
	for _, v := range c.Values() {
		got = append(got, fmt.Sprintf("%s = %s (%s)", v.Key, v.Value, strings.ReplaceAll(v.Origin, c.Path, "FILE")))
	}
	want := strings.Split(`lock_server = foreman (default)
lock_name = web (FILE:5)
foreman_url = https://foreman.example.com (FILE:6)
fleetlock_url =  (default)
fleetlock_id =  (default)
client_crt = /etc/crt.pem (FILE:7)
client_key = /etc/key.pem (FILE:8)
ca =  (default)
needs_update.d = /etc/foreman_dlm_updater/needs_update.d (default)
pre_update.d = /etc/foreman_dlm_updater/pre_update.d (default)
update.d = /etc/foreman_dlm_updater/update.d (default)
needs_reboot.d = /etc/foreman_dlm_updater/needs_reboot.d (default)
post_update.d = /etc/foreman_dlm_updater/post_update.d (default)
notify.d =  (default)
reboot_cmd = shutdown  -r +1 (FILE:11)
state = /d/state (FILE:3)
lock = /run/foreman_dlm_updater.lock (default)
history = /d/history.jsonl (default)
metrics_textfile =  (default)
log =  (FILE:14)
logretention = 7 (default)
loglevel = error (FILE:12)
log_format = json (FILE:13)
lock_retry_interval = 60s (default)
lock_retry_jitter = 0 (default)
lock_timeout = 90s (FILE:9)
lock_settle = 2s (default)
lock_refresh = 0 (FILE:10)
release_timeout = 0 (default)
http_timeout = 30s (default)
http_retries = 3 (default)
hook_timeout = 0 (default)
cannot_tell_exit = 75 (FILE:15)
cannot_tell_reboot = no (default)
reboot_timeout = 15m (default)
max_reboots = 3 (default)
window = Sat 22:00-02:00; Tue#2 01:00-04:00 UTC (FILE:16)
window_last_start = 30m (default)
freeze.d = /etc/foreman_dlm_updater/freeze.d (default)
gate_interval = 5m (default)
lock_slots = 1 (default)
max_failed = 0 (default)
blocked_by = staging.failed1, db (FILE:19)
boot_id_file = /proc/sys/kernel/random/boot_id (default)`, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// with replaces or adds one line of minimal; a replaced line stays where it is.
func with(line string) (text string, n int) {
	key := strings.TrimSpace(strings.FieldsFunc(line, func(c rune) bool { return c == '=' || c == ':' })[0])
	lines := strings.SplitAfter(minimal, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, key+" ") {
			lines[i] = line + "\n"
			return strings.Join(lines, ""), i + 1
		}
	}
	return minimal + line + "\n", 6
}

func TestValid(t *testing.T) {
	cwd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	tested := map[string]bool{}
	for _, tt := range []struct {
		line string
		get  func(*Config) any
		want any
	}{
		{"lock_name = a 1.b_ü;#'\"%%", func(c *Config) any { return c.LockName }, "a 1.b_ü;#'\"%"},
		{"lock_name = -a1", func(c *Config) any { return c.LockName }, "-a1"},
		{"lock_name = ...", func(c *Config) any { return c.LockName }, "..."},
		{"lock_name = " + strings.Repeat("n", 7000), func(c *Config) any { return len(c.LockName) }, 7000},
		{"foreman_url = HTTPS://F.example.com:8443/a/b//", func(c *Config) any { return c.ForemanURL.String() },
			"https://F.example.com:8443/a/b"},
		{"foreman_url = https://[::1]/", func(c *Config) any { return c.ForemanURL.String() }, "https://[::1]"},
		{"lock_server = FleetLock\nfleetlock_url = https://l", func(c *Config) any { return c.LockServer }, FleetLock},
		{"lock_server = foreman", func(c *Config) any { return c.LockServer }, Foreman},
		{"fleetlock_url = https://lock.example.com/web//\nlock_server = fleetlock",
			func(c *Config) any { return c.FleetLockURL.String() }, "https://lock.example.com/web"},
		{"fleetlock_url = http://127.0.0.1:9090\nlock_server = fleetlock",
			func(c *Config) any { return c.FleetLockURL.String() }, "http://127.0.0.1:9090"},
		{"fleetlock_url = http://[::1]\nlock_server = fleetlock",
			func(c *Config) any { return c.FleetLockURL.String() }, "http://[::1]"},
		{"fleetlock_url = http://localhost/\nlock_server = fleetlock",
			func(c *Config) any { return c.FleetLockURL.String() }, "http://localhost"},
		{"fleetlock_url = http://LocalHost\nlock_server = fleetlock",
			func(c *Config) any { return c.FleetLockURL.String() }, "http://LocalHost"},
		{"fleetlock_id = web1.example.com\n" + fleetLock, func(c *Config) any { return c.FleetLockID }, "web1.example.com"},
		{"fleetlock_id =\n" + fleetLock, func(c *Config) any { return c.FleetLockID }, ""},
		{"lock_name = 1st-floor.A\n" + fleetLock, func(c *Config) any { return c.LockName }, "1st-floor.A"},
		{"max_failed = 0\n" + fleetLock, func(c *Config) any { return c.MaxFailed }, 0},
		{"client_crt = /a//b/../c", func(c *Config) any { return c.ClientCert }, "/a/c"},
		{"client_key = /a b", func(c *Config) any { return c.ClientKey }, "/a b"},
		{"ca = /etc/ipa/ca.crt", func(c *Config) any { return c.CA }, "/etc/ipa/ca.crt"},
		{"needs_update.d = /h/", func(c *Config) any { return c.StageDirs["needs_update"] }, "/h"},
		{"pre_update.d = /h/", func(c *Config) any { return c.StageDirs["pre_update"] }, "/h"},
		{"update.d = /h/", func(c *Config) any { return c.StageDirs["update"] }, "/h"},
		{"needs_reboot.d = /h/", func(c *Config) any { return c.StageDirs["needs_reboot"] }, "/h"},
		{"post_update.d = /h/", func(c *Config) any { return c.StageDirs["post_update"] }, "/h"},
		{"notify.d = /h/", func(c *Config) any { return c.NotifyDir }, "/h"},
		{`reboot_cmd = shutdown -r +1 "patching now" a\ b '$x'`, func(c *Config) any { return c.RebootCmd },
			[]string{"shutdown", "-r", "+1", "patching now", "a b", "$x"}},
		{`reboot_cmd = shutdown -r '&&' a'>'b "<b>" x&y`, func(c *Config) any { return c.RebootCmd },
			[]string{"shutdown", "-r", "&&", "a>b", "<b>", "x&y"}},
		{`reboot_cmd = sh -c "sync && reboot > /dev/null &"`, func(c *Config) any { return c.RebootCmd },
			[]string{"sh", "-c", "sync && reboot > /dev/null &"}},
		{`reboot_cmd = sh -c "sync ; reboot # now"`, func(c *Config) any { return c.RebootCmd },
			[]string{"sh", "-c", "sync ; reboot # now"}},
		{"state = /s", func(c *Config) any { return c.State }, "/s"},
		{"lock = /l", func(c *Config) any { return c.Lock }, "/l"},
		{"history = /h", func(c *Config) any { return c.History }, "/h"},
		{"history = none", func(c *Config) any { return c.History }, ""},
		{"state = /s/state", func(c *Config) any { return c.History }, "/s/history.jsonl"},
		// one for each state in a directory
		{"state = /s/weekly", func(c *Config) any { return c.History }, "/s/weekly.history.jsonl"},
		{"metrics_textfile = /m.prom", func(c *Config) any { return c.MetricsTextfile }, "/m.prom"},
		{"metrics_textfile =", func(c *Config) any { return c.MetricsTextfile }, ""},
		{"log = /var/log/u.log", func(c *Config) any { return c.Log }, "/var/log/u.log"},
		{"log =", func(c *Config) any { return c.Log }, ""},
		{"logretention = 0", func(c *Config) any { return c.LogRetention }, 0},
		{"logretention = 36500", func(c *Config) any { return c.LogRetention }, 36500},
		{"loglevel = DEBUG", func(c *Config) any { return c.LogLevel }, "debug"},
		{"loglevel = info", func(c *Config) any { return c.LogLevel }, "info"},
		{"loglevel = WARNING", func(c *Config) any { return c.LogLevel }, "warn"},
		{"loglevel = Warn", func(c *Config) any { return c.LogLevel }, "warn"},
		{"loglevel = ERROR", func(c *Config) any { return c.LogLevel }, "error"},
		{"loglevel = CRITICAL", func(c *Config) any { return c.LogLevel }, "error"},
		{"loglevel = FATAL", func(c *Config) any { return c.LogLevel }, "error"},
		{"loglevel = NOTSET", func(c *Config) any { return c.LogLevel }, "warn"},
		{"loglevel = trace", func(c *Config) any { return c.LogLevel }, "trace"},
		{"log_format = json", func(c *Config) any { return c.LogJSON }, true},
		{"log_format = TEXT", func(c *Config) any { return c.LogJSON }, false},
		{"lock_retry_interval = 90", func(c *Config) any { return c.LockRetryInterval }, 90 * time.Second},
		{"lock_retry_interval = 1", func(c *Config) any { return c.LockRetryInterval }, time.Second},
		{"lock_retry_jitter = 60", func(c *Config) any { return c.LockRetryJitter }, time.Minute},
		{"lock_retry_jitter = 15s", func(c *Config) any { return c.LockRetryJitter }, 15 * time.Second},
		{"lock_timeout = 4h", func(c *Config) any { return c.LockTimeout }, 4 * time.Hour},
		{"lock_timeout = 9223372036", func(c *Config) any { return c.LockTimeout }, 9223372036 * time.Second},
		{"lock_timeout = 0", func(c *Config) any { return c.LockTimeout }, time.Duration(0)},
		{"lock_settle = 300ms", func(c *Config) any { return c.LockSettle }, 300 * time.Millisecond},
		{"lock_refresh = 0s", func(c *Config) any { return c.LockRefresh }, time.Duration(0)},
		{"lock_refresh = 1h30m", func(c *Config) any { return c.LockRefresh }, 90 * time.Minute},
		{"release_timeout = 15m", func(c *Config) any { return c.ReleaseTimeout }, 15 * time.Minute},
		{"http_timeout = 5s", func(c *Config) any { return c.HTTPTimeout }, 5 * time.Second},
		{"http_retries = 0", func(c *Config) any { return c.HTTPRetries }, 0},
		{"hook_timeout = 2h", func(c *Config) any { return c.HookTimeout }, 2 * time.Hour},
		{"cannot_tell_exit = 1", func(c *Config) any { return c.CannotTellExit }, 1},
		{"cannot_tell_exit = 125", func(c *Config) any { return c.CannotTellExit }, 125},
		{"cannot_tell_exit =", func(c *Config) any { return c.CannotTellExit }, 0},
		{"cannot_tell_reboot = yes", func(c *Config) any { return c.CannotTellReboot }, true},
		{"reboot_timeout = 30m", func(c *Config) any { return c.RebootTimeout }, 30 * time.Minute},
		{"max_reboots = 1", func(c *Config) any { return c.MaxReboots }, 1},
		{"window = Mon..Fri 02:00-05:00; Sun#-1", func(c *Config) any { return c.Windows.String() },
			"Mon..Fri 02:00-05:00; Sun#-1"},
		{"window = Mon 02:00-05:00\n  Tue 02:00-05:00\n\n  # and\n  Wed 02:00-05:00\n",
			func(c *Config) any { return c.Windows.String() }, "Mon 02:00-05:00; Tue 02:00-05:00; Wed 02:00-05:00"},
		{"window = Mon 02:00-02:30", func(c *Config) any { return c.Windows.String() }, "Mon 02:00-02:30"},
		{"window = Mon 02:00-02:15; Mon 02:15-02:30", func(c *Config) any { return c.Windows.Empty() }, false},
		{"window = Mon 02:00-02:20; Tue#5 02:00-05:00", func(c *Config) any { return c.Windows.Empty() }, false},
		{"window = 00:00-24:00", func(c *Config) any { return c.Windows.Empty() }, false},
		{"window =", func(c *Config) any { return c.Windows.Empty() }, true},
		{"window_last_start = 0", func(c *Config) any { return c.WindowLastStart }, time.Duration(0)},
		{"window_last_start = 1h", func(c *Config) any { return c.WindowLastStart }, time.Hour},
		{"freeze.d = /f/", func(c *Config) any { return c.FreezeDir }, "/f"},
		{"gate_interval = 90", func(c *Config) any { return c.GateInterval }, 90 * time.Second},
		{"lock_slots = 99", func(c *Config) any { return c.LockSlots }, 99},
		{"max_failed = 0", func(c *Config) any { return c.MaxFailed }, 0},
		{"max_failed = 1", func(c *Config) any { return c.MaxFailed }, 1},
		{"blocked_by = staging.failed1, db, web.slots, web.slot0", func(c *Config) any { return c.BlockedBy },
			[]string{"staging.failed1", "db", "web.slots", "web.slot0"}},
		{"blocked_by =", func(c *Config) any { return c.BlockedBy }, []string(nil)},
		{"boot_id_file = /tmp/id", func(c *Config) any { return c.BootIDFile }, "/tmp/id"},
	} {
		key, _, _ := strings.Cut(tt.line, " ")
		tested[key] = true
		text, _ := with(tt.line)
		c, problems := load(t, text)
		if len(problems) > 0 {
			t.Errorf("%s: %v", tt.line, problems)
			continue
		}
		if diff := cmp.Diff(tt.want, tt.get(c)); diff != "" {
			t.Errorf("%s: %s", tt.line, diff)
		}
	}
	c, problems := load(t, minimal+"state = var/./state\n")
	if want := filepath.Join(cwd, "var/state"); c == nil || c.State != want {
		t.Fatalf("state is not %s, problems %v", want, problems)
	}
	for _, v := range c.Values() {
		if !tested[v.Key] {
			t.Errorf("%s: say here what a good value becomes", v.Key)
		}
	}
	want := []string{fmt.Sprintf(`warning: FILE:6: state: "var/./state" is relative, and is taken for %q; `+
		`write it from / on`, filepath.Join(cwd, "var/state"))}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
}

func TestInvalid(t *testing.T) {
	const (
		isTime  = " is not a time, or too long; 90s, 15m, 4h, or a number of seconds would be right"
		aboveIt = "0 is refused; a time above 0, such as 30s, would be right"
		isURL   = "; https://HOST, perhaps with a port and a path, would be right"
		quoted  = " begins with a quote, which belongs to the value; leave the quotes out"
		comment = " belongs to the value; a comment needs a line of its own"
		isGroup = " is no group of a FleetLock server; only letters, digits, . and - would be right"
		noLook  = " with lock_server = fleetlock: it needs a lock that can be looked at, and FleetLock has no way to look; " +
			"take the line out"
		digit = " begins with a digit, and Foreman takes such a name for the numeric id of another lock; " +
			"begin it with a letter"
	)
	//bad:Configuration: line want
	for _, tt := range []struct{ line, want string }{
		{"lock_name =", "is empty; give the lock's name in Foreman, or the group of the FleetLock server"},
		{"lock_name = 12", `"12"` + digit},
		{"lock_name = 1st-floor", `"1st-floor"` + digit},
		{"lock_name = +1", `"+1"` + digit},
		{"lock_name = -1", `"-1"` + digit},
		{"lock_name = a/b", `"a/b" has a /, which Foreman's web server refuses; use another character`},
		{"lock_name = .", `"." means a directory in a URL; use a name with letters`},
		{"lock_name = ..", `".." means a directory in a URL; use a name with letters`},
		{"lock_name = a\tb", `"a\tb" has a control character, or is not UTF-8; use printable characters`},
		{"lock_name = a\x1bb", `"a\x1bb" has a control character; take it out`},
		{"lock_name = a%%20b", `"a%20b" is percent-encoded; write the name as Foreman shows it, perhaps "a b"`},
		{"lock_name = %(nothing)s 1\nnothing =",
			`" 1" has white space at an end, which Foreman strips when it makes a lock but not when it looks for one; ` +
				`take it out`},
		{"lock_name = " + strings.Repeat("ü", 1167), "is 7002 bytes long when percent-encoded; at most 7000 would be right"},
		{"lock_name = `web`", "\"`web`\" begins with a quote, which belongs to the value; leave the quotes out"},
		{`lock_name = "web"`, `"\"web\""` + quoted},
		{"lock_name = 'web'", `"'web'"` + quoted},
		{"lock_name = “web”", `"“web”"` + quoted},
		{"lock_name = web # the cluster", `"# the cluster"` + comment},
		{"lock_name = web;1 ; the cluster", `"; the cluster"` + comment},
		{"lock_name = # the cluster", `"# the cluster"` + comment},
		{"lock_name = web # the cluster", `"# the cluster"` + comment},
		{`foreman_url = "https://f.example.com"`, `"\"https://f.example.com\""` + quoted},
		{"foreman_url = https://f.example.com # ours", `"# ours"` + comment},
		{"foreman_url = https://f.example.com/a ; ours", `"; ours"` + comment},
		{"lock_server =", "is empty; give foreman or fleetlock, or remove the line for the default, foreman"},
		{"lock_server = etcd", `"etcd" is no lock server; foreman or fleetlock would be right`},
		{"lock_server = fleetlock # for now", `"# for now"` + comment},
		{"lock_name = a_b\n" + fleetLock, `"a_b"` + isGroup},
		{"lock_name = \"web\"\n" + fleetLock, `"\"web\""` + isGroup},
		{"lock_name = web # all\n" + fleetLock, `"web # all"` + isGroup},
		{"lock_name = " + strings.Repeat("n", 256) + "\n" + fleetLock, "is 256 bytes long; at most 255 would be right"},
		{"fleetlock_url =\nlock_server = fleetlock", "is empty; give a URL such as https://lock.example.com"},
		{"fleetlock_url = http://lock.example.com\nlock_server = fleetlock",
			`"http://lock.example.com" is not https, and its host is not a loopback address` + isURL},
		{"fleetlock_url = http://localhost.example.com\nlock_server = fleetlock",
			`"http://localhost.example.com" is not https, and its host is not a loopback address` + isURL},
		{"fleetlock_url = https://u@l\nlock_server = fleetlock", `"https://u@l" has a user name` + isURL},
		{"fleetlock_id = web 1\n" + fleetLock, `"web 1" has white space, or is not UTF-8; one word would be right`},
		{"fleetlock_id = 'web1'\n" + fleetLock, `"'web1'"` + quoted},
		{"fleetlock_id = " + strings.Repeat("n", 256) + "\n" + fleetLock,
			"is 256 bytes long; at most 255 would be right"},
		{"client_key =\n" + fleetLock, "can't be left out: client_crt is set, and a certificate needs its key"},
		{"lock_slots = 1\n" + fleetLock, "can't be used with lock_server = fleetlock: the server decides how many slots a " +
			"group has; take the line out"},
		{"max_failed = 1\n" + fleetLock, "can't be used" + noLook},
		{"blocked_by = db\n" + fleetLock, "can't be used" + noLook},
		{"foreman_url =", "is empty; give a URL such as https://foreman.example.com"},
		{"foreman_url = http://f.example.com",
			`"http://f.example.com" is not https, and Foreman knows the host by its certificate` + isURL},
		{"foreman_url = f.example.com",
			`"f.example.com" is not https, and Foreman knows the host by its certificate` + isURL},
		{"foreman_url = https:///x", `"https:///x" has no host` + isURL},
		{"foreman_url = https://", `"https://" has no host` + isURL},
		{"foreman_url = https:f.example.com", `"https:f.example.com" has no host` + isURL},
		{"foreman_url = https://:443", `"https://:443" has no host` + isURL},
		{"foreman_url = https://f:", `"https://f:" has no valid port` + isURL},
		{"foreman_url = https://f:70000", `"https://f:70000" has no valid port` + isURL},
		{"foreman_url = https://u:p@f", `"https://u:p@f" has a user name` + isURL},
		{"foreman_url = https://f/?", `"https://f/?" has a query or a fragment` + isURL},
		{"foreman_url = https://f?a=b", `"https://f?a=b" has a query or a fragment` + isURL},
		{"foreman_url = https://f/#x", `"https://f/#x" has a query or a fragment` + isURL},
		{"foreman_url = https://f g/", `"https://f g/" is not a URL; https://HOST would be right`},
		{"client_crt =", "is empty; give the host's Puppet certificate, a PEM file"},
		{"client_key =", "is empty; give the host's Puppet key, a PEM file"},
		{"ca = /a\x00b", `"/a\x00b" has a control character; take it out`},
		{`client_key = "/no/such/key.pem"`, `"\"/no/such/key.pem\""` + quoted},
		{"ca = /no/such/ca.pem # ours", `"# ours"` + comment},
		{"update.d = '/no/such/update.d'", `"'/no/such/update.d'"` + quoted},
		{"state = /no/such/state ; the state", `"; the state"` + comment},
		{"history = none # no history", `"# no history"` + comment},
		{"log = # the journal", `"# the journal"` + comment},
		{"needs_update.d =",
			"is empty; give a directory, or remove the line for the default, /etc/foreman_dlm_updater/needs_update.d/"},
		{"pre_update.d =",
			"is empty; give a directory, or remove the line for the default, /etc/foreman_dlm_updater/pre_update.d/"},
		{"update.d =", "is empty; give a directory, or remove the line for the default, /etc/foreman_dlm_updater/update.d/"},
		{"needs_reboot.d =",
			"is empty; give a directory, or remove the line for the default, /etc/foreman_dlm_updater/needs_reboot.d/"},
		{"post_update.d =",
			"is empty; give a directory, or remove the line for the default, /etc/foreman_dlm_updater/post_update.d/"},
		{"reboot_cmd =", "is empty; give a command, or remove the line for the default, /usr/sbin/reboot"},
		{"reboot_cmd = ''", `"''" names no command; /usr/sbin/reboot would be right`},
		{"reboot_cmd = shutdown 'now",
			`"shutdown 'now" has a quote that is not closed, or a backslash at its end; quote it as for a shell`},
		{"reboot_cmd = sleep 5 && reboot",
			`"&&" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'sleep 5 && reboot' would be right`},
		{"reboot_cmd = sync ; reboot",
			`";" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'sync ; reboot' would be right`},
		{"reboot_cmd = sync; reboot",
			`"sync;" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'sync; reboot' would be right`},
		{"reboot_cmd = reboot || true",
			`"||" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'reboot || true' would be right`},
		{"reboot_cmd = reboot | logger",
			`"|" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'reboot | logger' would be right`},
		{"reboot_cmd = reboot > /dev/null",
			`">" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'reboot > /dev/null' would be right`},
		{"reboot_cmd = reboot >/dev/null",
			`">/dev/null" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'reboot >/dev/null' would be right`},
		{"reboot_cmd = reboot 2>&1",
			`"2>&1" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'reboot 2>&1' would be right`},
		{"reboot_cmd = reboot < /dev/null",
			`"<" is for a shell, and none reads this: the command would get it as an argument; ` +
				`sh -c 'reboot < /dev/null' would be right`},
		{"reboot_cmd = reboot &",
			`"&" is for a shell, and none reads this: the command would get it as an argument; sh -c 'reboot &' would be right`},
		{"reboot_cmd = reboot\n  now",
			"goes on in line 7, which is indented; put the value on one line, or take the indentation away"},
		{"state =", "is empty; give a file, or remove the line for the default, /var/lib/foreman_dlm_updater/state"},
		{"state = /s\n\n\n  lock = /l",
			"goes on in line 9, which is indented; put the value on one line, or take the indentation away"},
		{"lock =", "is empty; give a file, or remove the line for the default, /run/foreman_dlm_updater.lock"},
		{"lock = /var/lib/foreman_dlm_updater/state",
			`"/var/lib/foreman_dlm_updater/state" is also state; give it a file of its own`},
		{"history =", "is empty; give a file, or none, or remove the line for the default, history.jsonl beside state"},
		{"history = /var/lib/foreman_dlm_updater/state",
			`"/var/lib/foreman_dlm_updater/state" is also state; give it a file of its own`},
		{"metrics_textfile = /m.txt",
			`"/m.txt" does not end with .prom, and node_exporter reads no other files; /m.txt.prom would be right`},
		{"log = /run//foreman_dlm_updater.lock", `"/run/foreman_dlm_updater.lock" is also lock; give it a file of its own`},
		{"logretention =", "is empty; give a number of days, or remove the line for the default, 7"},
		{"logretention = -1", `"-1" won't do; a whole number from 0 to 36500 would be right`},
		{"logretention = 7d", `"7d" won't do; a whole number from 0 to 36500 would be right`},
		{"logretention = 36501", `"36501" won't do; a whole number from 0 to 36500 would be right`},
		{"loglevel =", "is empty; give a level such as INFO, or remove the line for the default, INFO"},
		{"loglevel = INFO # quiet", `"# quiet"` + comment},
		{"log_format = 'json'", `"'json'"` + quoted},
		{"logretention = 7 ; days", `"; days"` + comment},
		{"loglevel = loud", `"loud" is not a level; TRACE, DEBUG, INFO, WARNING, ERROR or CRITICAL would be right`},
		{"log_format =", "is empty; give text or json, or remove the line for the default, text"},
		{"log_format = xml", `"xml" is not a format; text or json would be right`},
		{"lock_retry_interval = 0", aboveIt},
		{"lock_retry_interval = 0h0m", aboveIt},
		{"lock_retry_interval =",
			"is empty; give a time such as 90s, 15m, 4h, or a number of seconds, or remove the line for the default, 60s"},
		{"lock_retry_interval = -5", `"-5"` + isTime},
		{"lock_retry_jitter = 61s", "1m1s is more than lock_retry_interval, 1m0s; at most the interval would be right"},
		{"lock_retry_jitter = -1s", `"-1s"` + isTime},
		{`lock_timeout = "4h"`, `"\"4h\""` + quoted},
		{"lock_timeout = 4h # at night", `"# at night"` + comment},
		{"lock_timeout = 4 h", `"4 h"` + isTime},
		{"lock_timeout = 1d", `"1d"` + isTime},
		{"lock_timeout = 4H", `"4H"` + isTime},
		{"lock_timeout = 1.5", `"1.5"` + isTime},
		{"lock_timeout = +5", `"+5"` + isTime},
		{"lock_timeout = 9223372037", `"9223372037"` + isTime},
		{"lock_timeout = 99999999999999999999", `"99999999999999999999"` + isTime},
		{"lock_timeout = 2562048h", `"2562048h"` + isTime},
		{"lock_settle = 0", aboveIt},
		{"lock_settle = 0s", aboveIt},
		{"lock_refresh = never", `"never"` + isTime},
		{"release_timeout = x", `"x"` + isTime},
		{"http_timeout = 0", aboveIt},
		{"http_timeout = 30x", `"30x"` + isTime},
		{"http_retries = -1", `"-1" won't do; a whole number of 0 or more would be right`},
		{"http_retries = three", `"three" won't do; a whole number of 0 or more would be right`},
		{"http_retries = 99999999999999999999",
			`"99999999999999999999" won't do; a whole number of 0 or more would be right`},
		{"hook_timeout = -1h", `"-1h"` + isTime},
		{"cannot_tell_exit = 0", `"0" won't do; a whole number from 1 to 125 would be right`},
		{"cannot_tell_exit = 126", `"126" won't do; a whole number from 1 to 125 would be right`},
		{"reboot_timeout = 0", aboveIt},
		{"max_reboots = 0", `"0" won't do; a whole number of 1 or more would be right`},
		{"window = tonight", `window "tonight": "tonight" is not a weekday; Mon, Mon..Fri or Mon,Wed,Sun would be right`},
		{"window = Mon 02:00-05:00\n  lock = /l",
			`window "lock = /l": "lock" is not a weekday; Mon, Mon..Fri or Mon,Wed,Sun would be right`},
		{"window = Mon 02:00-02:20; Tue 02:00-02:29", "no run ever begins: each window is shorter than window_last_start, " +
			"30m0s; a longer window or a shorter time would be right"},
		{"window_last_start = -1h", `"-1h"` + isTime},
		{"window_last_start =",
			"is empty; give a time such as 90s, 15m, 4h, or a number of seconds, or remove the line for the default, 30m"},
		{"freeze.d =", "is empty; give a directory, or remove the line for the default, /etc/foreman_dlm_updater/freeze.d/"},
		{"gate_interval = 0", aboveIt},
		{"lock_slots = 0", `"0" won't do; a whole number from 1 to 99 would be right`},
		{"lock_slots = 100", `"100" won't do; a whole number from 1 to 99 would be right`},
		{"max_failed = -1", `"-1" won't do; a whole number from 0 to 99 would be right`},
		{"max_failed = none", `"none" won't do; a whole number from 0 to 99 would be right`},
		{"blocked_by = web", `"web" is lock_name, which a run waits for anyway; name locks of other clusters`},
		{"blocked_by = db, web.slot2",
			`"web.slot2" is a slot of lock_name, which a run waits for anyway; name locks of other clusters`},
		{"blocked_by = db,, mail", `"db,, mail" has a comma with no name on one of its sides; take the comma out`},
		{"blocked_by = db,", `"db," has a comma with no name on one of its sides; take the comma out`},
		{"blocked_by = db, mail, db", `"db" is there twice; once would be right`},
		{"blocked_by = db, 1st-floor", `"1st-floor"` + digit},
		{"blocked_by = db, a/b", `"a/b" has a /, which Foreman's web server refuses; use another character`},
		{"blocked_by = db # the database", `"# the database"` + comment},
		{"boot_id_file =", "is empty; give a file, or remove the line for the default, /proc/sys/kernel/random/boot_id"},
		{"state = %(ca)", `"%(ca)" is no %(key)s; write %% for a plain %`},
		{"state = 100%", `"%" is no %(key)s; write %% for a plain %`},
		{"state = %(nope)s", "%(nope)s refers to a key that is not there; add the key, or write %% for a plain %"},
		{"state = %(state)s", "%(state)s goes round in a circle, or more than 10 keys deep; write the value out"},
	} {
		text, n := with(tt.line)
		key := strings.Fields(tt.line)[0]
		c, problems := load(t, text)
		if diff := cmp.Diff([]string{fmt.Sprintf("FILE:%d: %s: %s", n, key, tt.want)}, problems); diff != "" || c != nil {
			t.Errorf("%q: config %v, %s", tt.line, c, diff)
		}
	}
}

// TestOddPathsThatExist: an original's file goes on working where its quotes and signs name something.
func TestOddPathsThatExist(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a # b", "\"c\""} {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := load(t, minimal+"state = "+dir+"/a # b\nlog = \"c\"\n")
	want := []string{
		`warning: FILE:6: state: "# b" belongs to the value; a comment needs a line of its own ` +
			`("DIR/a # b" exists, and is used)`,
		`warning: FILE:7: log: "\"c\"" begins with a quote, which belongs to the value; ` +
			`leave the quotes out ("DIR/\"c\"" exists, and is used)`,
	}
	if diff := cmp.Diff(want,
		strings.Split(strings.ReplaceAll(strings.Join(problems, "\n"), dir, "DIR"), "\n")); diff != "" || c == nil {
		t.Error(c, diff)
	}
}

func TestTheConfigurationIsNoLog(t *testing.T) {
	file := write(t, "")
	if err := os.WriteFile(file, []byte(minimal+"log = "+file+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems, err := Load(file, hookStages)
	want := []string{`FILE:6: log: "FILE" is also the configuration; give it a file of its own`}
	if diff := cmp.Diff(want, texts(file, problems)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestWarnings(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"fleetlock_url = https://lock.example.com",
			"fleetlock_url: has no effect with lock_server = foreman; lock_server = fleetlock would use it"},
		{"fleetlock_id = web1",
			"fleetlock_id: has no effect with lock_server = foreman; lock_server = fleetlock would use it"},
		{"lock_tiemout = 4h", "lock_tiemout: is no known key, and is ignored; the nearest known key is lock_timeout"},
		{"foreman-url = x", "foreman-url: is no known key, and is ignored; the nearest known key is foreman_url"},
		{"clientcrt = %d", "clientcrt: is no known key, and is ignored; the nearest known key is client_crt"},
		{"\x1b[1m = x", `"\x1b[1m": is no known key, and is ignored; the nearest known key is ca`},
		{"ca =", "ca: is empty, so the system's trust store verifies the server; name a PEM file, or remove the line"},
		{"reboot_cmd = reboot # now", `reboot_cmd: "#" is a word of the command; a comment needs a line of its own`},
		{"max_failed = 2", "max_failed: 2 failures are never reached with lock_slots 1, since a failed host keeps its " +
			"slot: no failure stops the other hosts; at most 1 would be right"},
		{"blocked_by = web.failed1", `blocked_by: "web.failed1" is a flag of this cluster, which only max_failed uses; ` +
			"max_failed = 1 would be right"},
		{"[other]", `section "other" is ignored; only [main] and [DEFAULT] are read`},
		{"[Main]", `section "Main" is ignored; only [main] and [DEFAULT] are read`},
	} {
		c, problems := load(t, minimal+tt.line+"\n")
		if diff := cmp.Diff([]string{"warning: FILE:6: " + tt.want}, problems); diff != "" || c == nil {
			t.Errorf("%q: config %v, %s", tt.line, c, diff)
		}
	}
	c, problems := load(t, minimal+"window = Mon 02:00-05:00\nSat 22:00-02:00 Europe/Berlin\nSun 22:00-2:00\n")
	want := []string{
		"warning: FILE:7: sat 22: is no known key, and is ignored; " +
			"if it belongs to window, indent it, or put it into that key's line, behind a ;",
		"warning: FILE:8: sun 22: is no known key, and is ignored; " +
			"if it belongs to window, indent it, or put it into that key's line, behind a ;",
	}
	if diff := cmp.Diff(want, problems); diff != "" || c == nil {
		t.Error(c, diff)
	}
	// A key that another one refers to has its use.
	if _, problems := load(t,
		"[DEFAULT]\nbase = /d\n"+minimal+"state = %(dir)s/state\ndir = %(base)s/e\n"); problems != nil {
		t.Error(problems)
	}
}

func TestAllProblemsTogether(t *testing.T) {
	c, problems := load(t,
		"[main]\nlock_name = 7\nstate =\nlok = x\nclient_crt = /c\nclient_crt = /d\nnonsense\nlock_settle = 0\n[x]\n")
	want := []string{
		"FILE: foreman_url: is missing; add foreman_url = VALUE to [main], " +
			"where VALUE is a URL such as https://foreman.example.com",
		"FILE: client_key: is missing; add client_key = VALUE to [main], where VALUE is the host's Puppet key, a PEM file",
		`FILE:2: lock_name: "7" begins with a digit, and Foreman takes such a name for the numeric id of another lock; ` +
			`begin it with a letter`,
		"FILE:3: state: is empty; give a file, or remove the line for the default, /var/lib/foreman_dlm_updater/state",
		"warning: FILE:4: lok: is no known key, and is ignored; the nearest known key is lock",
		"FILE:6: client_crt: is there already, in line 5; keep one of the two",
		`FILE:7: "nonsense" has neither = nor :; KEY = VALUE would be right`,
		"FILE:8: lock_settle: 0 is refused; a time above 0, such as 30s, would be right",
		`warning: FILE:9: section "x" is ignored; only [main] and [DEFAULT] are read`,
	}
	if diff := cmp.Diff(want, problems); diff != "" || c != nil {
		t.Errorf("config %v, %s", c, diff)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"lock", "log", "loglevel"}
	for s, want := range map[string]string{"lok": "lock", "log_level": "loglevel", "lgo": "log",
		"": "log", "locks": "lock"} {
		if got := nearest(s, names); got != want {
			t.Errorf("nearest(%q) = %s, want %s", s, got, want)
		}
	}
}
