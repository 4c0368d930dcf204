package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/metrics"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// reporter keeps metrics_textfile up to date during an invocation. It writes in its own goroutine, so the run never
// waits for the disk. If anything goes wrong, it logs one warning.
type reporter struct {
	config *config.Config
	log    hclog.Logger
	file   metrics.File
	begun  time.Time
	news   *newest[events.Event]

	// Until news is closed, these fields belong to the goroutine.
	snapshot metrics.Snapshot
	refused  error // why the file is left alone
	warned   bool

	// The last event that was passed on.
	code     status.Code
	stage    state.Stage
	obstacle status.Obstacle
}

func newReporter(c *config.Config, log hclog.Logger) *reporter {
	r := &reporter{config: c, log: log, file: metrics.File{Path: c.MetricsTextfile}, begun: time.Now()}
	r.news = passNewest(log, r.listen)
	return r
}

// see passes an event on if the status has changed, and not only its sentence. It never blocks: the event replaces an
// older one that still waits.
func (r *reporter) see(event events.Event) {
	s := event.Status
	if event.Record == nil || s.Code == r.code && s.Stage == r.stage && s.Obstacle() == r.obstacle {
		return
	}
	r.code, r.stage, r.obstacle = s.Code, s.Stage, s.Obstacle()
	r.news.pass(event)
}

func (r *reporter) listen(news <-chan events.Event) {
	r.snapshot.Last, r.refused = r.file.Read()
	if r.refused != nil { // do not replace the file: somebody may need it
		r.warn(r.refused)
	} else if r.config.ClientCert == "" { // a FleetLock server may need none
	} else if cert, err := credentials(r.config).Leaf(); err != nil {
		r.warn(err)
	} else {
		r.snapshot.CertificateEnds = cert.NotAfter
	}
	for event := range news {
		r.tell(event)
	}
}

func (r *reporter) tell(event events.Event) {
	defer func() {
		if mistake := recover(); mistake != nil { // a mistake in the metrics is no reason to end a run
			r.warn(fmt.Errorf("%v", mistake))
		}
	}()
	if r.refused != nil {
		return
	}
	r.snapshot.Status, r.snapshot.Invocation = event.Status, r.begun
	_ = lookAtPause(&r.snapshot.Status, r.config, time.Now()) // a pause that can't be read ends the run with an error
	if r.snapshot.First.IsZero() {
		r.snapshot.First = r.begun
	}
	if event.Record != nil {
		r.snapshot.Learn(event.Record.Story)
	}
	if err := r.file.Write(r.snapshot); err != nil {
		r.warn(err)
	}
}

func (r *reporter) warn(err error) {
	if !r.warned {
		r.log.Warn("metrics are not complete, or not written", "error", err)
	}
	r.warned = true
}

// end writes how the invocation ended, unless it found no run to go on with after a boot.
func (r *reporter) end(ctx context.Context, last events.Event, err error) {
	if r == nil {
		return
	}
	slow := inTime(r.log, reportPatience, func() error {
		r.news.close()
		r.tellEnd(ctx, last, err)
		return nil
	})
	if slow != nil {
		r.log.Warn("metrics are not complete, or not written", "error", slow)
	}
}

func (r *reporter) tellEnd(ctx context.Context, last events.Event, err error) {
	if last.Record == nil && err == nil {
		return
	}
	if result := ending(last, err); result != "" {
		r.snapshot.End(result, time.Now())
	}
	s := &last.Status
	var notOurs *lock.NotByRun // a person may have another slot
	if errors.As(err, &notOurs) && !s.Lock.Seen {
		s.Lock.Name = notOurs.Lock
	}
	var refusal *workflow.Refusal
	// Find out whether this host holds the lock even so.
	if !s.Lock.Seen && (s.Code == status.Idle || notOurs != nil || errors.As(err, &refusal)) {
		if lockServer(r.config).NoLook == "" {
			lookAtLock(ctx, s, r.config)
		} else { // no request would tell
			s.SetNoLook()
			lookAtHand(s, r.config)
		}
		s.Say(time.Now())
	}
	r.tell(last)
}

// ending returns the result of an invocation: "" if it left everything as it was.
func ending(last events.Event, err error) metrics.Result {
	switch {
	case err != nil && exitCode(err) == exitLater && last.Status.OutOfService():
		return metrics.Interrupted
	case err != nil && exitCode(err) == exitLater:
		return metrics.GaveUp
	case err != nil:
		return metrics.Failed
	case last.Status.Code == status.RebootPending:
		return metrics.Rebooting
	case last.Status.Stage != "":
		return ""
	case !last.Record.InProgress():
		return metrics.NothingToDo
	}
	return metrics.Finished
}
