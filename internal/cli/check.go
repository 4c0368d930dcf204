package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"
)

type checkCmd struct {
	Failed      limits  `default:"0s,0s" placeholder:"W,C" help:"A run failed, or could not begin, that long ago (0s,0s)."`
	Orphan      limits  `default:"0s,12h" placeholder:"W,C" help:"This host holds the lock without a run (0s,12h)."`
	Reboot      *limits `placeholder:"W,C" help:"A reboot was asked for, but has not come (reboot_timeout, twice that)."`
	RebootDue   limits  `default:"0s,-" placeholder:"W,C" help:"A reboot may be due: a hook could not find out (0s,-)."`
	Held        limits  `default:"4h,12h" placeholder:"W,C" help:"The host holds the lock or is out of service (4h,12h)."`
	Waiting     limits  `default:"12h,24h" placeholder:"W,C" help:"A run waits: for the lock, a gate or failed hosts (12h,24h)."`
	Flag        limits  `default:"0s,-" placeholder:"W,C" help:"A flag is up that no run needs (0s,-)."`
	NotRun      limits  `default:"3d,7d" placeholder:"W,C" help:"Nothing has started a run (3d,7d)."`
	NotUpdated  limits  `default:"14d,30d" placeholder:"W,C" help:"No run has finished or found nothing to do (14d,30d)."`
	Certificate limits  `default:"14d,3d" placeholder:"W,C" help:"client_crt expires within that time (14d,3d)."`
}

// verdict is the exit code of a monitoring plugin (https://www.monitoring-plugins.org/doc/guidelines.html). `check` has
// these codes instead of the program's own.
type verdict int

const (
	pluginOK verdict = iota
	pluginWarning
	pluginCritical
	pluginUnknown
)

func (v verdict) Error() string { return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[v] }

// finding is one thing that the check looks at: an age or, if falling, the time that is left.
type finding struct {
	name    string
	limits  limits
	applies bool
	value   time.Duration
	falling bool
	text    string // added to the status sentence
}

func (f finding) verdict() verdict {
	beyond := func(limit time.Duration) bool {
		return f.applies && limit != never && (f.falling && f.value <= limit || !f.falling && f.value >= limit)
	}
	switch {
	case beyond(f.limits.critical):
		return pluginCritical
	case beyond(f.limits.warning):
		return pluginWarning
	}
	return pluginOK
}

func (cmd *checkCmd) Run(p *Process, path configPath) (err error) {
	defer func() {
		if mistake := recover(); mistake != nil { // Go exits with 2 after a panic, which would mean CRITICAL
			err = p.plugin(pluginUnknown, fmt.Sprintf("internal error: %v", mistake), nil)
		}
	}()
	c, _, err := load(path)
	if err != nil {
		return p.cannotTell(err, errors.Is(err, fs.ErrPermission))
	}
	s, err := examine(p.Context, c, false)
	if err == nil {
		if s.Say(time.Now()); s.Code == status.Orphan { // perhaps a run has just begun: look again
			s, err = examine(p.Context, c, false)
		}
	}
	var damaged *state.UnreadableError
	switch {
	case errors.As(err, &damaged), errors.Is(err, workflow.ErrOtherMachine): // no run begins before somebody fixes it
		return p.plugin(pluginCritical, err.Error()+"; "+hint(err), nil)
	case err != nil:
		return p.cannotTell(err, errors.Is(err, fs.ErrPermission))
	}
	return p.tellMonitor(cmd, s, c, time.Now())
}

// tellMonitor judges the status and prints the verdict.
func (p *Process) tellMonitor(cmd *checkCmd, s *status.Status, c *config.Config, now time.Time) error {
	findings := cmd.findings(s, c, now)
	s.Say(now)
	worst, text := judge(findings, s)
	for _, stale := range s.Stale(c.LockRefresh) { // it matters to whoever waits, and waiting has limits of its own
		text += "; " + stale
	}
	if worst == pluginUnknown && denied(c) {
		text += "; " + p.permit()
	}
	return p.plugin(worst, text, findings)
}

// findings looks at everything. It adds whatever it could not see to s.
func (cmd *checkCmd) findings(s *status.Status, c *config.Config, now time.Time) []finding {
	s.Say(now)
	all := []finding{
		{name: "failed", limits: cmd.Failed},
		{name: "orphan", limits: cmd.Orphan},
		{name: "reboot", limits: limits{c.RebootTimeout, 2 * c.RebootTimeout}},
		{name: "reboot_due", limits: cmd.RebootDue},
		{name: "held", limits: cmd.Held},
		{name: "waiting", limits: cmd.Waiting},
		{name: "not_run", limits: cmd.NotRun},
		{name: "not_updated", limits: cmd.NotUpdated},
		{name: "certificate", limits: cmd.Certificate, falling: true},
	}
	if c.MaxFailed > 0 {
		flag := finding{name: "flag", limits: cmd.Flag}
		flag.since(s.FlagLeftSince(), now, "")
		all = append(all, flag)
	}
	failed, orphan, reboot, due, held, waiting := &all[0], &all[1], &all[2], &all[3], &all[4], &all[5]
	notRun, notUpdated, certificate := &all[6], &all[7], &all[8]
	if cmd.Reboot != nil {
		reboot.limits = *cmd.Reboot
	}
	switch {
	case s.Code == status.Failed:
		failed.since(&s.Error.Time, now, "")
	case s.Code == status.Stopped:
		failed.since(s.FailingSince(), now, "")
	case s.Code == status.Orphan && s.OrphanSince() == nil:
		orphan.since(&now, now, "")
	case s.Code == status.Orphan:
		orphan.since(s.OrphanSince(), now, "")
	}
	reboot.since(s.RebootPending, now, "the reboot is overdue: it was asked for %s ago")
	if s.Code != status.Orphan {
		held.since(s.HeldSince(), now, "this host has held the lock for %s")
	}
	if !held.applies { // its services may be stopped even if it has lost the lock
		held.since(s.OutOfServiceSince(), now, "this host has been out of service for %s")
	}
	if s.RebootDue != nil {
		due.since(&s.RebootDue.Since, now, "")
	}
	// Somebody has disabled the lock, or barred this host, on purpose, and mostly for many hosts. So the wait doesn't
	// count, and only not_updated does. But nobody means to keep a host out of service that way.
	if obstacle := s.Obstacle(); s.OutOfService() || obstacle != status.Disabled && obstacle != status.Barred {
		waiting.since(s.WantedSince(), now, "the run waits too long")
	}
	notUpdated.since(s.NotUpdatedSince(), now, "no run has finished or found nothing to do for %s")
	if last, fresh, err := lastInvocation(c, s); err != nil {
		s.Unseen = append(s.Unseen, fmt.Sprintf("when a run was last started: %v", err))
	} else if fresh && !s.Running {
		notRun.since(&last, now, "no run was ever started, and the configuration is %s old"+seeTimer)
	} else if !s.Running {
		notRun.since(&last, now, "no run was started for %s"+seeTimer)
	}
	if c.ClientCert == "" { // a FleetLock server may need none
	} else if cert, err := credentials(c).Leaf(); err != nil {
		s.Unseen = append(s.Unseen, fmt.Sprintf("the certificate: %v", err))
	} else if left := cert.NotAfter.Sub(now); left < 0 {
		certificate.left(left, fmt.Sprintf("client_crt %s has expired (%s)", c.ClientCert, clock(cert.NotAfter)))
	} else {
		certificate.left(left, fmt.Sprintf("client_crt %s expires in %s (%s)", c.ClientCert, status.Span(left),
			clock(cert.NotAfter)))
	}
	return all
}

const seeTimer = ": see `systemctl list-timers foreman-dlm-updater.timer`"

// since makes the finding's value the time from t to now. A %s in text stands for it. A nil t means that nothing is
// wrong.
func (f *finding) since(t *time.Time, now time.Time, text string) {
	if t == nil {
		return
	}
	f.applies, f.value = true, max(now.Sub(*t), 0)
	f.text = strings.Replace(text, "%s", status.Span(f.value), 1)
}

func (f *finding) left(d time.Duration, text string) { f.applies, f.value, f.text = true, d, text }

// lastInvocation returns when the last invocation of run ended, or when a later one began its last stage. If none is on
// record, it returns when the program last took the lock file beside the state. If it never did (fresh), it returns
// when the configuration was changed.
func lastInvocation(c *config.Config, s *status.Status) (last time.Time, fresh bool, err error) {
	if s.Last != nil {
		if s.StageBegan != nil && s.StageBegan.After(s.Last.Ended) {
			return *s.StageBegan, false, nil
		}
		return s.Last.Ended, false, nil
	}
	last, err = host.LastInvocation(c.State)
	if !errors.Is(err, fs.ErrNotExist) {
		return last, false, err
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return last, true, err
	}
	return info.ModTime(), true, nil
}

// judge returns the worst verdict, and the text for it. The verdict is UNKNOWN if something could not be looked at and
// all else is well.
func judge(findings []finding, s *status.Status) (verdict, string) {
	worst := pluginOK
	var texts []string
	for _, f := range findings {
		verdict := f.verdict()
		worst = max(worst, verdict)
		if verdict != pluginOK && f.text != "" {
			texts = append(texts, f.text)
		}
	}
	if worst == pluginOK && len(s.Unseen) > 0 {
		worst = pluginUnknown
	}
	return worst, strings.Join(append(texts, s.Sentence), "; ")
}

// plugin prints the one line that monitoring reads.
func (p *Process) plugin(v verdict, text string, findings []finding) error {
	var values strings.Builder
	for _, f := range findings {
		end := ""
		if f.falling {
			end = ":"
		}
		if f.applies || !f.falling {
			fmt.Fprintf(&values, " %s=%ds;%s;%s", f.name, int(f.value.Seconds()), perfdata(f.limits.warning, end),
				perfdata(f.limits.critical, end))
		}
	}
	text = strings.NewReplacer("|", "/", "\n", " ").Replace(p.withConfig(text)) // only figures may follow a |
	if values.Len() > 0 {
		text += " |" + values.String()
	}
	if _, err := fmt.Fprintf(whole(p.Stdout), "DLM %s - %s\n", v.Error(), text); err != nil {
		return &toldError{pluginUnknown}
	}
	if v == pluginOK {
		return nil
	}
	return &toldError{v}
}

// cannotTell prints UNKNOWN, with the error that kept the check from looking. If denied, this user may not look.
func (p *Process) cannotTell(err error, denied bool) error {
	next := hint(err)
	if denied {
		next = p.permit()
	}
	if next != "" {
		next = "; " + next
	}
	return p.plugin(pluginUnknown, err.Error()+next, nil)
}

// denied reports whether this user may not read some of the files.
func denied(c *config.Config) bool {
	for _, file := range []string{c.State, c.State + ".lock", c.Lock, c.ClientCert, c.ClientKey} {
		if errors.Is(unix.Access(file, unix.R_OK), fs.ErrPermission) {
			return true
		}
	}
	return false
}

// permit says how to let this user run the check as root. The sudoers line allows no other arguments: root would read
// any file that they name.
func (p *Process) permit() string {
	name := "#" + strconv.Itoa(os.Geteuid())
	if account, err := user.Current(); err == nil {
		name = account.Username
	}
	self, err := os.Executable()
	if err != nil {
		self = "/usr/bin/foreman-dlm-updater"
	}
	option := ""
	if p.config != "" && p.config != status.DefaultConfig {
		option = "--config " + sudoers.Replace(p.config) + " "
	}
	return fmt.Sprintf("run the check as root: put the line `%s ALL=(root) NOPASSWD: %s %scheck` into "+
		"/etc/sudoers.d/foreman-dlm-updater, and call `sudo %[2]s check`", name, self, option)
}

// sudoers escapes what has a meaning in the arguments of a command in sudoers(5).
var sudoers = strings.NewReplacer(`\`, `\\`, ",", `\,`, ":", `\:`, "=", `\=`, "*", `\*`, "?", `\?`, "[", `\[`)

// isCheck reports whether the wrong command line is one of `check`.
func isCheck(err error) bool {
	var wrong *kong.ParseError
	return errors.As(err, &wrong) && wrong.Context.Selected() != nil && wrong.Context.Selected().Name == "check" &&
		wrong.Context.Selected().Parent.Parent == nil
}
