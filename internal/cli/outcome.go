package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/configcheck"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/metrics"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/schedule"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/vet"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

// readOutcome reads how the last invocation ended; nil if nothing is on record. If somebody else could have written the
// file, that is an error too, and readOutcome returns only the harmless part.
func readOutcome(c *config.Config) (*outcome.Outcome, error) {
	file := outcome.Beside(c.State)
	o, err := file.Read()
	if o == nil || err != nil {
		return nil, err
	}
	if err = vet.NewSession().State(file.Path); err != nil {
		o.Distrust(time.Now())
	}
	return o, err
}

// lastOutcome reads how the last invocation ended, at the beginning of the next one. It logs errors.
func lastOutcome(c *config.Config, log hclog.Logger) outcome.Outcome {
	o, err := readOutcome(c)
	if err != nil {
		log.Debug("outcome of the last invocation can't be read or trusted", "error", err)
	}
	if o == nil {
		return outcome.Outcome{}
	}
	return *o
}

// reserveOutcome makes room for the outcome of the invocation, if this host has no such file yet: the disk may get full
// before the end.
func reserveOutcome(c *config.Config, log hclog.Logger) {
	if err := inTime(log, reportPatience, outcome.Beside(c.State).Reserve); err != nil {
		log.Debug("no room reserved for the outcome: on a full disk it would be lost", "error", err)
	}
}

// keepOutcome writes how the invocation ended, unless it left everything as it was. If it can't, it logs a warning.
func keepOutcome(c *config.Config, log hclog.Logger, atBoot bool, before outcome.Outcome, seen *events.Watcher,
	why error) {
	last := seen.Last()
	result := ending(last, why)
	if result == "" || atBoot && why == nil && last.Record == nil {
		return
	}
	o := outcome.Outcome{Ended: time.Now(), Result: outcomes[result], Exit: exitCode(why), RebootDue: seen.Due(),
		Left: outcome.Of(last.Status.Record)}
	if why != nil {
		o.Error, o.Next = why.Error(), afterStop(why)
	}
	var unreadable *state.UnreadableError
	o.StateRefused = errors.As(why, &unreadable) || errors.Is(why, workflow.ErrOtherMachine)
	var stage *workflow.StageError
	if errors.As(why, &stage) {
		o.Stage, o.Error = stage.Stage, stage.Err.Error()
	}
	if o.Exit == exitLater {
		o.Kind = kindOf(why, stage)
	}
	// With the configuration of this invocation: whoever reads the file may use another one.
	o.Error, o.Next = status.WithConfig(o.Error, c.Path), status.WithConfig(o.Next, c.Path)
	o.After(&before)
	if err := inTime(log, reportPatience, func() error { return outcome.Beside(c.State).Write(o) }); err != nil {
		log.Warn("outcome of this invocation not written: status and check may not know it", "error", err)
	}
}

// kindOf is the kind of reason why a run gave up or was interrupted (outcome.Outcome).
func kindOf(why error, stage *workflow.StageError) string {
	no, bySignal := answeredNo(why, stage)
	var notByRun *lock.NotByRun
	switch {
	case no != "" && !bySignal:
		return string(no)
	case stage != nil && stage.Obstacle.Why != "":
		return "signal"
	case errors.Is(why, lock.ErrUnavailable):
		return "unavailable"
	case errors.As(why, &notByRun):
		return "by-hand"
	}
	return ""
}

// outcomes translates the metrics' results into the words of status and the fact.
var outcomes = map[metrics.Result]outcome.Result{
	metrics.Finished: outcome.Finished, metrics.NothingToDo: outcome.NothingToDo, metrics.Rebooting: outcome.Rebooting,
	metrics.GaveUp: outcome.NotNow, metrics.Interrupted: outcome.Interrupted, metrics.Failed: outcome.Failed,
}

// lookAtOutcome adds how the last invocation ended, and whether the next one would be refused before it begins.
func lookAtOutcome(ctx context.Context, s *status.Status, c *config.Config) {
	refused := refusedNow(c)
	if unclear := lookAtSchedule(s, c); refused == nil {
		refused = unclear
	}
	o, err := readOutcome(c)
	if err != nil && (refused == nil || s.Running) { // else refused mostly has the same reason
		s.Unseen = append(s.Unseen, fmt.Sprintf("how the last invocation ended: %v", err))
	}
	if o != nil {
		if o.RebootDue != nil {
			if boot, err := host.ReadBoot(ctx, c.BootIDFile); err == nil && !o.RebootDue.Boot.Same(state.Boot(boot)) {
				o.RebootDue = nil
			}
		}
		s.SetLast(*o)
	}
	if s.Running { // it was not refused; but no stage begins before its state is written
		refused = nil
		if s.OutOfService() {
			refused = unwritable(c)
		}
	}
	if refused != nil {
		s.SetStopped(status.Stop{At: refusedSince(s.Last, c, refused), Why: refused.Error(), Next: afterStop(refused)})
	}
}

// refusedSince returns when the last invocation failed. If it did not fail, refusedSince returns when somebody changed
// the file or directory that makes the next one be refused.
func refusedSince(last *status.Last, c *config.Config, refused error) time.Time {
	if last != nil && last.Result == outcome.Failed {
		return last.Ended
	}
	path, now := filepath.Dir(c.State), time.Now()
	var unsafe *vet.UnsafeError
	var pause *schedule.PauseError
	var freeze *schedule.FreezeError
	switch {
	case errors.As(refused, &unsafe) && len(unsafe.Offenders) > 0:
		path = unsafe.Offenders[0].Path
	case errors.As(refused, &pause):
		path = pause.Path
	case errors.As(refused, &freeze):
		path = c.FreezeDir
	}
	var is unix.Stat_t
	for unix.Lstat(path, &is) != nil { // whoever removed a file changed its directory
		if path == filepath.Dir(path) {
			return now
		}
		path = filepath.Dir(path)
	}
	if changed := time.Unix(is.Ctim.Unix()); changed.Before(now) {
		return changed
	}
	return now
}

// refusedNow returns why a run could not begin, as far as its files show it. It ignores files that this user may not
// read.
func refusedNow(c *config.Config) error {
	if err := configcheck.VetFiles(c); err != nil {
		return err
	}
	return unwritable(c)
}

// unwritable returns why the state can't be written now, as far as can be seen without touching it.
func unwritable(c *config.Config) error {
	dir := filepath.Dir(c.State)
	err := unix.Access(dir, unix.W_OK|unix.X_OK)
	if err == nil && diskFull(dir) {
		err = unix.ENOSPC
	}
	if err != nil && !errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("write state %s: directory %s: %w", c.State, dir, err)
	}
	return nil
}

// diskFull reports whether no block or no inode is left, not even for root. A file system without such a limit has 0 of
// 0. Where statfs leaves room for nobody but root, only a try can tell: ext4, for one, keeps some of the free blocks
// for itself (s_resv_clusters in the kernel's fs/ext4/super.c).
func diskFull(dir string) bool {
	var is unix.Statfs_t
	if unix.Statfs(dir, &is) != nil {
		return false
	}
	blocks, inodes := is.Blocks > 0 && is.Bavail == 0, is.Files > 0 && is.Ffree == 0
	if !blocks && !inodes {
		return false
	}
	switch err := tryToWrite(dir); {
	case err == nil:
		return false
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return true
	}
	return blocks && is.Bfree == 0 || inodes // this user may not try, or the file system has no unnamed files
}

// tryToWrite writes a block to a file without a name, which leaves nothing behind, not even after a crash.
func tryToWrite(dir string) error {
	unnamed, err := os.OpenFile(dir, unix.O_TMPFILE|unix.O_EXCL|unix.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = unnamed.Write(make([]byte, 4096))
	return errors.Join(err, unnamed.Close())
}
