// Package metrics writes where a host stands into a file for the textfile collector of Prometheus' node_exporter. The
// file also serves as memory: what an invocation does not know, such as the last success, is copied from the old file.
// The package asks no other source.
package metrics

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
)

// Result is how an invocation ended.
type Result string

// The results. Dashboards know them: none ever changes its meaning.
const (
	Finished    Result = "finished"      // a run is over
	NothingToDo Result = "nothing_to_do" // there was no update
	Rebooting   Result = "rebooting"     // the run goes on after the boot
	GaveUp      Result = "gave_up"       // not now; the next invocation tries again
	Interrupted Result = "interrupted"   // by a signal, with the host out of service; the next invocation goes on
	Failed      Result = "failed"
)

var results = []Result{Finished, NothingToDo, Rebooting, GaveUp, Interrupted, Failed}

// success reports whether the host had all updates at the end.
func (r Result) success() bool { return r == Finished || r == NothingToDo }

// Snapshot is what to write. A zero field is left out.
type Snapshot struct {
	Status status.Status
	// Last is about invocations that looked for updates or went on with a run.
	Last
	// CertificateEnds is when client_crt expires.
	CertificateEnds time.Time
}

// Last is what must survive an invocation.
type Last struct {
	Invocation time.Time // when the last one began
	Success    time.Time // when the last successful one ended
	First      time.Time // when the first known one began
	Result     Result    // how the last one ended
	// Took is how many seconds each stage took the last time it was finished.
	Took map[state.Stage]float64
}

// End records how an invocation ended.
func (l *Last) End(result Result, at time.Time) {
	l.Result = result
	if result.success() {
		l.Success = at
	}
}

// Learn records how long the stages of a run took.
func (l *Last) Learn(story *state.Story) {
	if story == nil {
		return
	}
	for _, step := range story.Steps {
		if step.Hook == "" && step.Error == "" {
			l.Took[step.Stage] = float64(step.TookMS) / 1000
		}
	}
}

// The metrics that are read back.
const (
	prefix     = "foreman_dlm_updater_"
	invocation = "last_invocation_timestamp_seconds"
	success    = "last_success_timestamp_seconds"
	first      = "first_invocation_timestamp_seconds"
	result     = "last_result"
	took       = "stage_duration_seconds"
)

// File is the file for the collector.
type File struct{ Path string }

// Write replaces the file, atomically.
func (f File) Write(s Snapshot) error {
	text, err := encode(s.Status.Lock.Name, s.families())
	if err == nil {
		// The temporary file is in the same directory: the collector reads only *.prom. Anybody may read the file: it holds
		// no output of hooks.
		err = file.ReplaceShared(f.Path, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write metrics %s: %w", f.Path, err)
	}
	return nil
}

// families are the metrics. A zero time has no sample.
func (s Snapshot) families() map[string]family {
	at := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return *t
	}
	var due time.Time
	if s.Status.RebootDue != nil {
		due = s.Status.RebootDue.Since
	}
	paused, pauseEnds := 0.0, time.Time{}
	if s.Status.Pause != nil {
		paused, pauseEnds = 1, at(s.Status.Pause.Until)
	}
	durations := map[string]float64{}
	for stage, seconds := range s.Took {
		durations[string(stage)] = seconds
	}
	return map[string]family{
		"state": oneOf("1 for the state that the host is in (the code of status --json), 0 for the others.",
			"state", status.Codes, s.Status.Code),
		"stage": oneOf("1 for the stage of the run in progress, 0 for the others.",
			"stage", state.Stages, s.Status.Stage),
		"lock_held_since_timestamp_seconds": moment("When this host took the lock, while it holds it.",
			at(s.Status.HeldSince())),
		"out_of_service_since_timestamp_seconds": moment(
			"Since when the run has this host out of service, with the lock or without.",
			at(s.Status.OutOfServiceSince())),
		"lock_wanted_since_timestamp_seconds": moment("When the wait for the lock began, while it waits.",
			at(s.Status.WantedSince())),
		"reboot_pending_since_timestamp_seconds": moment("When the reboot was asked for that has not happened yet.",
			at(s.Status.RebootPending)),
		"lock_obstacle": oneOf("1 for what keeps a run from beginning or from the lock, 0 for the others.",
			"obstacle", status.Obstacles, s.Status.Obstacle()),
		"paused": {help: "1 while an operator has paused this host, else 0.", samples: map[string]float64{"": paused}},
		"pause_ends_timestamp_seconds": moment("When the pause of this host ends by itself.",
			pauseEnds),
		"reboot_due_since_timestamp_seconds": moment("Since when a reboot may be due: a hook could not find out.",
			due),
		"certificate_not_after_timestamp_seconds": moment("When the certificate for Foreman expires.",
			s.CertificateEnds),
		invocation: moment("When the last invocation began.",
			s.Invocation),
		success: moment("When an invocation ended last that had finished a run, or found nothing to do.",
			s.Success),
		first: moment("When the first known invocation began.",
			s.First),
		result: oneOf("1 for how the last invocation ended, 0 for the others.",
			"result", results, s.Result),
		took: {"How long each stage took when it was finished last.", "stage", durations},
	}
}

// oneOf has a sample for each value of a label: 1 for the value so, 0 for the others.
func oneOf[T ~string](help, label string, values []T, so T) family {
	samples := map[string]float64{}
	for _, value := range values {
		samples[string(value)] = 0
		if value == so {
			samples[string(value)] = 1
		}
	}
	return family{help, label, samples}
}

// moment is a time in seconds since 1970; a zero time gives no sample.
func moment(help string, at time.Time) family {
	f := family{help: help}
	if !at.IsZero() {
		f.samples = map[string]float64{"": float64(at.UnixMilli()) / 1000}
	}
	return f
}

// most limits how many bytes are read: the file has a few kilobytes.
const most = 1 << 20

// Read returns what the file says about earlier invocations. A missing or empty file says nothing. If this program did
// not write the content, that is an error: the file is somebody else's.
func (f File) Read() (Last, error) {
	last := Last{Took: map[state.Stage]float64{}}
	content, err := f.content()
	if err != nil || len(content) == 0 {
		return last, err
	}
	samples, err := decode(string(content))
	if err == nil && !slices.ContainsFunc(samples, func(s sample) bool { return s.name == prefix+"state" }) {
		err = errForeign
	}
	if err != nil {
		return last, fmt.Errorf("read metrics %s: %w", f.Path, err)
	}
	for _, s := range samples {
		switch s.name {
		case prefix + invocation:
			last.Invocation = s.time()
		case prefix + success:
			last.Success = s.time()
		case prefix + first:
			last.First = s.time()
		case prefix + result:
			if s.value == 1 {
				last.Result = Result(s.labels["result"])
			}
		case prefix + took:
			last.Took[state.Stage(s.labels["stage"])] = s.value
		}
	}
	return last, nil
}

func (f File) content() ([]byte, error) {
	content, err := file.Read(f.Path, most)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return content, nil
}
