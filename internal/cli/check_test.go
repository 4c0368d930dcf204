package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"
)

const oneDay = 24 * time.Hour

// checked is a host that the check looks at: how long ago everything was.
type checked struct {
	running  bool
	record   *state.Record
	pending  bool // the reboot has not happened
	lock     *lock.View
	lastRun  time.Duration // 0: just now
	neverRun bool
	certLeft time.Duration // 0: 30 days
	noCert   bool
	last     *outcome.Outcome
	flags    string
	no       *status.No
	slots    []lock.View // with a budget of 2
	raised   []lock.View
}

// TestCheck is every finding below and beyond its limits, with the exit code and the first words.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	ca, err := sandbox.NewCA(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	cert, _, err := ca.Issue("host.example.com", sandbox.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Path: filepath.Join(dir, "config.ini"), State: filepath.Join(dir, "state"), ClientCert: cert,
		RebootTimeout: 15 * time.Minute, LockRefresh: 6 * time.Hour}
	ends, err := credentials(c).Leaf()
	if err != nil {
		t.Fatal(err)
	}
	// The certificate's end is given, so the time of the check is what the tests choose.
	at := func(left time.Duration) time.Time { return ends.NotAfter.Add(-left) }
	now := at(30 * oneDay)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }

	free := &lock.View{Exists: true, Enabled: true}
	mine := func(d time.Duration) *lock.View {
		return &lock.View{Exists: true, Enabled: true, Holder: "web1", Self: true, Since: ago(d)}
	}
	other := &lock.View{Exists: true, Enabled: true, Holder: "web3", Since: ago(time.Hour)}
	held := func(stage state.Stage, d time.Duration) *state.Record {
		return &state.Record{Stage: stage, StageBegan: ago(d), Story: &state.Story{Acquired: ago(d)}}
	}
	failed := func(d time.Duration) *state.Record {
		r := held(state.Update, d)
		r.Error = &state.Error{Time: ago(d), Stage: state.Update, Hook: "50-apt", Message: "exit 100; it said \"a | b\""}
		return r
	}
	reboot := func(d time.Duration) *state.Record {
		r := held(state.PostUpdate, d)
		r.Asked = &state.Asked{Time: ago(d), Boot: state.Boot{ID: "a"}}
		return r
	}
	waits := func(d time.Duration) *state.Record { return &state.Record{Stage: state.LockGet, StageBegan: ago(d)} }

	disabled := &lock.View{Exists: true, Holder: "web3", Since: ago(time.Hour)}
	barred := func(d time.Duration) *state.Record {
		r := waits(d)
		r.Story = &state.Story{Waiting: &state.Waiting{Since: ago(d), Barred: true}}
		return r
	}
	resumes := func(r *state.Record, barred bool) *state.Record {
		r.Story.Waiting = &state.Waiting{Since: r.StageBegan, Barred: barred}
		return r
	}
	asks := func(d time.Duration, question lock.Question, why string) *state.Record {
		r := waits(d)
		r.Story = &state.Story{Waiting: &state.Waiting{Since: ago(d), For: string(question), Why: why}}
		return r
	}
	heldBy := func(holder string, d time.Duration) lock.View {
		return lock.View{Exists: true, Enabled: true, Holder: holder, Self: holder == "web1", Since: ago(d)}
	}
	longHeld := heldBy("web3", 13*time.Hour)
	ended := func(result outcome.Result, exit int, d, since, success time.Duration) *outcome.Outcome {
		o := &outcome.Outcome{Ended: ago(d), Result: result, Exit: exit, Since: ago(since), First: ago(90 * oneDay),
			Success: ago(success), Error: "why", Next: "what to do"}
		if success == 0 {
			o.Success = time.Time{}
		}
		return o
	}
	due := ended(outcome.NothingToDo, 0, time.Hour, oneDay, time.Hour)
	due.RebootDue = &state.RebootDue{Time: ago(oneDay), Hook: "50-x", Message: "m"}

	const idle = "nothing to do: no run in progress; lock web is free"
	tests := []struct {
		name string
		host checked
		want verdict
		text string // what the line begins with, behind the dash
	}{
		{"all is well", checked{lock: free}, pluginOK, idle + " |"},
		{"Foreman is down", checked{}, pluginUnknown,
			"nothing to do: no run in progress; the holder of lock web is not known; could not see the lock |"},

		{"failed", checked{record: failed(time.Second), lock: mine(time.Second)}, pluginCritical,
			`stage update failed TIME in 50-apt (exit 100; it said "a / b"), lock kept; fix it, then `},
		{"failed, and Foreman is down", checked{record: failed(time.Second)}, pluginCritical, "stage update failed"},
		{"failed, and that is tolerated",
			checked{record: failed(time.Minute), lock: mine(time.Minute), flags: "--failed=1h,-"},
			pluginOK, "stage update failed"},
		{"failed, and that was tolerated",
			checked{record: failed(2 * time.Hour), lock: mine(time.Minute), flags: "--failed=1h,-"},
			pluginWarning, "stage update failed"},
		{"failed, and tried again", checked{running: true, record: failed(time.Hour), lock: mine(time.Hour)}, pluginOK,
			"an invocation is running"},

		{"an orphan", checked{lock: mine(time.Minute)}, pluginWarning,
			"no run in progress, but lock web held by this host since TIME: it was taken by hand, " +
				"by a run that was forgotten (state clear) or of another configuration of this host, " +
				"or by another machine with this certificate; once this host is in service and nobody needs it, " +
				"`foreman-dlm-updater lock release` |"},
		{"an old orphan", checked{lock: mine(13 * time.Hour)}, pluginCritical,
			"no run in progress, but lock web held by this host since"},
		{"an orphan of a time that is not known",
			checked{lock: &lock.View{Exists: true, Enabled: true, Holder: "web1", Self: true}}, pluginWarning,
			"no run in progress, but"},
		{"taken by hand, which is custom here", checked{lock: mine(time.Hour), flags: "--orphan=2h,4h"}, pluginOK,
			"no run in progress, but"},

		{"a reboot to come", checked{record: reboot(14 * time.Minute), pending: true, lock: mine(time.Hour)},
			pluginOK, "reboot asked for"},
		{"a reboot that does not come",
			checked{record: reboot(16 * time.Minute), pending: true, lock: mine(time.Hour)}, pluginWarning,
			"the reboot is overdue: it was asked for 16 min ago; reboot asked for TIME, host has not gone down"},
		{"nor later", checked{record: reboot(31 * time.Minute), pending: true, lock: mine(time.Hour)}, pluginCritical,
			"the reboot is overdue"},
		{"a reboot at the end of the shift",
			checked{record: reboot(31 * time.Minute), pending: true, lock: mine(time.Hour), flags: "--reboot=8h,10h"}, pluginOK,
			"reboot asked for"},

		{"it updates", checked{running: true, record: held(state.Update, 3*time.Hour), lock: mine(time.Minute)}, pluginOK,
			"stage update is running since TIME (pid 7)"},
		{"it updates long",
			checked{running: true, record: held(state.Update, 5*time.Hour), lock: mine(time.Minute)}, pluginWarning,
			"this host has held the lock for 5 h; stage update is running"},
		{"too long", checked{running: true, record: held(state.Update, 13*time.Hour), lock: mine(time.Minute)},
			pluginCritical, "this host has held the lock for 13 h"},
		{"too long, and Foreman is down", checked{running: true, record: held(state.Update, 13*time.Hour)}, pluginCritical,
			"this host has held the lock"},
		{"interrupted", checked{record: held(state.Update, 5*time.Hour), lock: mine(time.Hour)}, pluginWarning,
			"this host has held the lock for 5 h; stage update was not finished"},
		{"the lock was lost", checked{record: held(state.Update, 3*time.Hour), lock: other}, pluginOK,
			"stage update was not finished"},
		{"it was lost long ago", checked{record: held(state.Update, 5*time.Hour), lock: other}, pluginWarning,
			"this host has been out of service for 5 h; stage update was not finished"},
		{"too long ago", checked{record: held(state.Update, 13*time.Hour), lock: other}, pluginCritical,
			"this host has been out of service for 13 h; stage update"},

		{"it waits", checked{running: true, record: waits(11 * time.Hour), lock: other}, pluginOK,
			"waiting 11 h for lock web: held by web3"},
		{"it waits long", checked{running: true, record: waits(13 * time.Hour), lock: other}, pluginWarning,
			"the run waits too long; waiting 13 h for lock web: held by web3"},
		{"too long", checked{running: true, record: waits(25 * time.Hour), lock: other}, pluginCritical,
			"the run waits too long; waiting 1 d 1 h"},
		{"not with these limits", checked{running: true, record: waits(25 * time.Hour), lock: other, flags: "--waiting=-,-"},
			pluginOK, "waiting 1 d 1 h"},

		{"for a disabled lock, on purpose", checked{running: true, record: waits(13 * oneDay), lock: disabled}, pluginOK,
			"waiting 13 d for lock web: lock web is disabled"},
		{"barred, on purpose", checked{running: true, record: barred(13 * oneDay), lock: free}, pluginOK,
			"waiting 13 d for lock web: Foreman bars this host"},
		{"for a disabled lock, too long",
			checked{running: true, record: waits(15 * oneDay), lock: disabled,
				last: ended(outcome.Finished, 0, 15*oneDay, 15*oneDay, 15*oneDay)},
			pluginWarning,
			"no run has finished or found nothing to do for 15 d; waiting 15 d for lock web: lock web is disabled"},

		{"out of service, and the lock is disabled",
			checked{running: true, record: resumes(failed(3*time.Hour), false), lock: disabled}, pluginOK,
			"waiting 3 h for lock web to go on with stage update, which failed TIME in 50-apt (exit 100"},
		{"for long", checked{running: true, record: resumes(failed(5*time.Hour), false), lock: disabled}, pluginWarning,
			"this host has been out of service for 5 h; waiting 5 h for lock web to go on with stage update, " +
				"which failed TIME in 50-apt"},
		{"out of service, barred, for too long",
			checked{running: true, record: resumes(held(state.Update, 13*time.Hour), true), lock: free}, pluginCritical,
			"this host has been out of service for 13 h; the run waits too long; " +
				"waiting 13 h for lock web to go on with stage update: Foreman bars"},
		{"out of service, and another holds the lock",
			checked{running: true, record: resumes(failed(5*time.Hour), false), lock: other}, pluginWarning,
			"this host has been out of service for 5 h; waiting 5 h for lock web"},
		{"out of service, and set by hand", checked{running: true, lock: other,
			record: &state.Record{Stage: state.Update, SetByHand: ago(5 * time.Hour)}}, pluginWarning,
			"this host has been out of service for 5 h; waiting for lock web"},

		{"not now", checked{lock: other, last: ended(outcome.NotNow, 75, time.Hour, 13*oneDay, 13*oneDay)}, pluginOK,
			"gave up TIME: why (it has ended like this each time since TIME); "},
		{"not now, for long",
			checked{lock: other, last: ended(outcome.NotNow, 75, time.Hour, 15*oneDay, 15*oneDay)}, pluginWarning,
			"no run has finished or found nothing to do for 15 d; gave up TIME: why"},
		{"not now, for too long", checked{lock: other, last: ended(outcome.NotNow, 75, time.Hour, oneDay, 31*oneDay)},
			pluginCritical, "no run has finished"},
		{"not now, from the first day on",
			checked{lock: other, last: ended(outcome.NotNow, 75, time.Hour, oneDay, 0)}, pluginCritical,
			"no run has finished or found nothing to do for 90 d; gave up"},
		{"not now, and that is custom here",
			checked{lock: other, last: ended(outcome.NotNow, 75, time.Hour, oneDay, 0), flags: "--not-updated=100d,-"}, pluginOK,
			"gave up"},
		{"it could not begin",
			checked{lock: free, last: ended(outcome.Failed, 78, time.Hour, oneDay, oneDay)}, pluginCritical,
			"the run stopped TIME: why (it has ended like this each time since TIME); lock web is free; what to do |"},
		{"it could not begin, and that was tolerated",
			checked{lock: free, last: ended(outcome.Failed, 77, time.Hour, oneDay, oneDay), flags: "--failed=2h,-"},
			pluginWarning,
			"the run stopped"},
		{"a reboot may be due", checked{lock: free, last: due}, pluginWarning,
			idle + "; a reboot may be due since TIME: needs_reboot hook 50-x: m |"},
		{"a reboot may be due, and is awaited", checked{lock: free, last: due, flags: "--reboot-due=7d,-"}, pluginOK,
			idle + "; a reboot may be due"},
		{"hooks run by hand are no run", checked{lock: free, last: ended(outcome.Finished, 0, 4*oneDay, oneDay, 4*oneDay)},
			pluginWarning, "no run was started for 4 d: see"},

		{"not run for two days", checked{lock: free, lastRun: 2 * oneDay}, pluginOK, idle},
		{"for four", checked{lock: free, lastRun: 4 * oneDay}, pluginWarning,
			"no run was started for 4 d: see `systemctl list-timers foreman-dlm-updater.timer`; " + idle},
		{"for eight", checked{lock: free, lastRun: 8 * oneDay}, pluginCritical, "no run was started for 8 d"},
		{"since it runs",
			checked{running: true, record: held(state.Update, time.Hour), lock: mine(time.Hour), lastRun: 8 * oneDay}, pluginOK,
			"stage update is running"},
		{"never", checked{lock: free, neverRun: true, lastRun: 4 * oneDay}, pluginWarning,
			"no run was ever started, and the configuration is 4 d old: see"},
		{"not yet", checked{lock: free, neverRun: true}, pluginOK, idle},

		{"the certificate is to be renewed", checked{lock: free, certLeft: 13 * oneDay}, pluginWarning,
			"client_crt CERT expires in 13 d (TIME); " + idle},
		{"soon", checked{lock: free, certLeft: 2 * oneDay}, pluginCritical, "client_crt CERT expires in 2 d (TIME)"},
		{"it has expired", checked{certLeft: -oneDay}, pluginCritical, "client_crt CERT has expired (TIME)"},
		{"it can't be read", checked{lock: free, noCert: true}, pluginUnknown,
			idle + "; could not see the certificate: read client_crt: open /no/crt: no such file or directory |"},

		{"paused", checked{lock: free, no: &status.No{Question: lock.Pause, Why: "paused by anna: audit"}}, pluginOK,
			"no run begins now: paused by anna: audit (until `foreman-dlm-updater unpause`); lock web is free |"},
		{"outside the window, for long",
			checked{lock: free, no: &status.No{Question: lock.Window, Why: "outside the maintenance window"},
				last: ended(outcome.NotNow, 75, time.Hour, 15*oneDay, 15*oneDay)}, pluginWarning,
			"no run has finished or found nothing to do for 15 d; no run begins now: outside the maintenance window; lock " +
				"web is free |"},
		{"it waits for a gate", checked{running: true, record: asks(11*time.Hour, lock.Gate, "gate ceph: no"), lock: free},
			pluginOK, "waiting 11 h: gate ceph: no; lock web is free"},
		{"long", checked{running: true, record: asks(13*time.Hour, lock.Gate, "gate ceph: no"), lock: free}, pluginWarning,
			"the run waits too long; waiting 13 h: gate ceph: no; lock web is free"},
		{"for a host that has failed, too long",
			checked{running: true, record: asks(25*time.Hour, lock.Budget, "stopped: web3"), lock: other}, pluginCritical,
			"the run waits too long; waiting 1 d 1 h: stopped: web3; lock web held by web3"},
		{"for a lock of blocked_by, long",
			checked{running: true, record: asks(13*time.Hour, lock.Blocked, "blocked by db"), lock: free}, pluginWarning,
			"the run waits too long; waiting 13 h: blocked by db; lock web is free"},
		{"a host that may be gone has the lock", checked{lock: &longHeld}, pluginOK,
			"nothing to do: no run in progress; lock web held by web3 since TIME (13 h; Foreman calls it stale); " +
				"web3 has not refreshed lock web for 13 h: nothing runs there, or the host is gone |"},
		{"and a run waits for it", checked{running: true, record: waits(13 * time.Hour), lock: &longHeld}, pluginWarning,
			"the run waits too long; waiting 13 h for lock web: held by web3 since TIME (13 h; Foreman calls it stale); " +
				"web3 has not refreshed lock web for 13 h: nothing runs there, or the host is gone |"},
		{"a host has failed", checked{lock: other, slots: []lock.View{heldBy("web3", time.Hour), {}},
			raised: []lock.View{heldBy("web3", time.Hour), {}}}, pluginOK,
			"nothing to do: no run in progress; lock web: 1 of 2 slots is free; the rest is held by web3 | failed=0s;0;0 " +
				"orphan=0s;0;43200 reboot=0s;900;1800 reboot_due=0s;0; held=0s;14400;43200 waiting=0s;43200;86400 " +
				"not_run=0s;259200;604800 not_updated=0s;1209600;2592000 certificate=2592000s;1209600:;259200: flag=0s;0;"},
		{"its flag was left behind", checked{lock: free, slots: []lock.View{{}, {}},
			raised: []lock.View{{}, heldBy("web3", time.Hour)}}, pluginWarning,
			"nothing to do: no run in progress; lock web: all 2 slots are free; flag web.failed2 is left behind by web3 " +
				"(since TIME), whose slot is free: once that host is well, free the flag in Foreman"},
		{"this host's flag was left behind", checked{lock: free, slots: []lock.View{{}, {}},
			raised: []lock.View{{}, heldBy("web1", time.Hour)}}, pluginWarning,
			"nothing to do: no run in progress; lock web: all 2 slots are free; flag web.failed2 is up for this host"},
		{"and that is tolerated", checked{lock: free, slots: []lock.View{{}, {}}, flags: "--flag=2h,4h",
			raised: []lock.View{{}, heldBy("web1", time.Hour)}}, pluginOK,
			"nothing to do: no run in progress; lock web: all 2 slots are free; flag web.failed2 is up for this host"},

		{"all at once",
			checked{record: failed(13 * time.Hour), lock: mine(13 * time.Hour), lastRun: 4 * oneDay, certLeft: 2 * oneDay},
			pluginCritical,
			"this host has held the lock for 13 h; no run was started for 4 d: " +
				"see `systemctl list-timers foreman-dlm-updater.timer`; client_crt CERT expires in 2 d (TIME); " +
				"stage update failed"},
	}
	timed := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?|\b\d\d:\d\d\b`)
	codes := map[verdict]bool{}
	for _, test := range tests {
		h, c := test.host, *c
		if now = at(30 * oneDay); h.certLeft != 0 {
			// Everything else was as long ago as it was.
			shift(h.record, at(h.certLeft).Sub(now))
			if h.lock != nil && !h.lock.Since.IsZero() {
				h.lock.Since = h.lock.Since.Add(at(h.certLeft).Sub(now))
			}
			now = at(h.certLeft)
		}
		if h.noCert {
			c.ClientCert = "/no/crt"
		}
		os.Remove(c.State + ".lock")
		put(t, c.Path, "", 0o644)
		touched := c.Path
		if !h.neverRun {
			touched = c.State + ".lock"
			put(t, touched, "7\n", 0o600)
		}
		if err := os.Chtimes(touched, ago(h.lastRun), ago(h.lastRun)); err != nil {
			t.Fatal(err)
		}
		s := &status.Status{At: now, No: h.no, Running: h.running, PID: 7, Lock: status.Lock{Name: "web"},
			Wording: foreman.Wording}
		s.SetRecord(h.record)
		if h.last != nil {
			s.SetLast(*h.last)
		}
		if h.pending {
			s.SetBoot(state.Boot{ID: "a"})
		}
		if h.lock != nil {
			s.See(*h.lock)
		} else {
			s.Unseen = []string{"the lock"}
		}
		if h.slots != nil {
			c.MaxFailed = 2
			s.SetSlots(workflow.Slots("web", len(h.slots)), h.slots)
			s.SetFlags(workflow.Flags("web", len(h.raised)), h.raised, c.MaxFailed)
		}
		var out bytes.Buffer
		err := (&Process{Stdout: &out}).tellMonitor(withFlags(t, h.flags), s, &c, now)
		got := timed.ReplaceAllString(strings.Replace(out.String(), cert, "CERT", 1), "TIME")
		if !strings.HasPrefix(got, "DLM "+test.want.Error()+" - "+test.text) || exitCode(err) != int(test.want) ||
			strings.Count(got, "|") != 1 || strings.Count(got, "\n") != 1 {
			t.Errorf("%s: exit %d\ngot  %s\nwant DLM %s - %s", test.name, exitCode(err), got, test.want.Error(), test.text)
		}
		codes[test.want] = true
	}
	if len(codes) != 4 {
		t.Errorf("not every verdict is here: %v", codes)
	}
}

// shift moves a record in time.
func shift(r *state.Record, d time.Duration) {
	if r == nil {
		return
	}
	r.StageBegan, r.Story.Acquired = r.StageBegan.Add(d), r.Story.Acquired.Add(d)
	if r.Error != nil {
		r.Error.Time = r.Error.Time.Add(d)
	}
}

// withFlags is the command as its flags make it.
func withFlags(t *testing.T, flags string) *checkCmd {
	t.Helper()
	var g grammar
	parser, err := g.parser()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"check"}, strings.Fields(flags)...)); err != nil {
		t.Fatal(err)
	}
	return &g.Check
}

// TestCheckByAnotherUser: who may not see the state is told what would permit it.
func TestCheckByAnotherUser(t *testing.T) {
	dir, err := os.MkdirTemp("", "check-") // t.TempDir is for this user alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(filepath.Join(dir, "var"), 0o700); os.RemoveAll(dir) })
	layOut(t, dir)
	self, program := filepath.Join(dir, "bin/foreman-dlm-updater"), filepath.Join(dir, "foreman-dlm-updater")
	binary, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, binary, 0o755); err != nil {
		t.Fatal(err)
	}
	mkdir(t, filepath.Join(dir, "var"))
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Join(dir, "var"): 0} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Replace(document(t, packaged), "#lock_name", "state = "+dir+"/var/state\nlock_name", 1)
	text = regexp.MustCompile(`(?m)^#(foreman_url|client_crt|client_key) `).ReplaceAllString(text, "$1 ")
	put(t, filepath.Join(dir, "config.ini"), text, 0o644)
	for config, first := range map[string]string{"config.ini": "read state: open " + dir + "/var/state: permission denied",
		"var/config.ini": "read config "} {
		cmd := exec.Command(program, "check", "-c", filepath.Join(dir, config))
		if os.Geteuid() == 0 {
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		}
		out, err := cmd.Output()
		check := regexp.QuoteMeta(program + " --config " + filepath.Join(dir, config) + " check")
		line := regexp.MustCompile(`^DLM UNKNOWN - ` + regexp.QuoteMeta(first) +
			".*; run the check as root: put the line `\\S+ ALL=\\(root\\) NOPASSWD: " +
			check + "` into /etc/sudoers.d/foreman-dlm-updater, and call `sudo " + check + "`\n$")
		if cmd.ProcessState.ExitCode() != 3 || !line.Match(out) {
			t.Errorf("%v: %s\nwant %s", err, out, line)
		}
	}
}

// TestPerformanceData is what graphs are made of.
func TestPerformanceData(t *testing.T) {
	var out bytes.Buffer
	err := (&Process{Stdout: &out}).plugin(pluginWarning, "text", []finding{
		{name: "held", limits: limits{time.Hour, never}, applies: true, value: 90 * time.Minute},
		{name: "waiting", limits: limits{time.Hour, 2 * time.Hour}},
		{name: "certificate", limits: limits{2 * time.Hour, time.Hour}, applies: true, value: 3 * time.Hour, falling: true},
		{name: "unknown", limits: limits{2 * time.Hour, time.Hour}, falling: true},
	})
	const want = "DLM WARNING - text | held=5400s;3600; waiting=0s;3600;7200 certificate=10800s;7200:;3600:\n"
	if out.String() != want || exitCode(err) != 1 {
		t.Errorf("%q, exit %d\nwant %q", out.String(), exitCode(err), want)
	}
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]limits{
		"4h,12h": {4 * time.Hour, 12 * time.Hour}, "3d,7d": {3 * oneDay, 7 * oneDay}, "0s,-": {0, never},
		"-,-": {never, never}, "1h30m,0s": {90 * time.Minute, 0},
	} {
		var got limits
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "4h", "4,5", "4h,", ",", "4h,-1h", "1h,2h,3h", "1.5d,2d", "99999d,1h"} {
		if err := new(limits).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
