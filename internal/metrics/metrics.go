// Package metrics writes where a host stands into a file for the textfile collector of Prometheus' node_exporter. The file is also its own
// memory: what an invocation does not know, such as the last success, is what the file had before. It asks nobody.
package metrics

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Result is how an invocation ended.
type Result string

// The results. Dashboards know them: none ever changes its meaning.
const (
	Finished    Result = "finished"      // a run is over
	NothingToDo Result = "nothing_to_do" // there was no update
	Rebooting   Result = "rebooting"     // the run goes on after the boot
	GaveUp      Result = "gave_up"       // not now; the next one tries again
	Interrupted Result = "interrupted"   // by a signal, and the host is out of service; the next one goes on
	Failed      Result = "failed"
)

var results = []Result{Finished, NothingToDo, Rebooting, GaveUp, Interrupted, Failed}

// success is whether the host had all updates then.
func (r Result) success() bool { return r == Finished || r == NothingToDo }

// Snapshot is what there is to tell. What is zero is not told.
type Snapshot struct {
	Status status.Status
	// Last is about invocations that have looked for updates, or went on with a run.
	Last
	// CertificateEnds is when client_crt expires.
	CertificateEnds time.Time
}

// Last is what has to survive an invocation.
type Last struct {
	Invocation time.Time // when the last one began
	Success    time.Time // when the last one that succeeded ended
	First      time.Time // when the first one that is known began
	Result     Result    // of the last one that ended
	// Took is how many seconds each stage took when it was finished last.
	Took map[state.Stage]float64
}

// End takes over how an invocation ended.
func (l *Last) End(result Result, at time.Time) {
	l.Result = result
	if result.success() {
		l.Success = at
	}
}

// Learn takes over how long the stages of a run took.
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
	families, err := registry(s).Gather()
	var text bytes.Buffer
	for _, family := range families {
		_, wrong := expfmt.MetricFamilyToText(&text, family)
		err = errors.Join(err, wrong)
	}
	if err == nil {
		// In the same directory, whose collector reads *.prom only. Anybody may read it: it tells of no hook's output.
		err = file.ReplaceShared(f.Path, text.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write metrics %s: %w", f.Path, err)
	}
	return nil
}

// registry makes the metrics. What is a time is missing where there is none.
func registry(s Snapshot) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	labelled := prometheus.WrapRegistererWith(prometheus.Labels{"lock": s.Status.Lock.Name}, registry)
	family := func(name, help string, labels ...string) *prometheus.GaugeVec {
		vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, labels)
		labelled.MustRegister(vec)
		return vec
	}
	moment := func(name, help string, at time.Time) {
		vec := family(name, help)
		if !at.IsZero() {
			vec.WithLabelValues().Set(float64(at.UnixMilli()) / 1000)
		}
	}
	at := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return *t
	}
	is := func(vec *prometheus.GaugeVec, value string, yes bool) {
		gauge := vec.WithLabelValues(value)
		if yes {
			gauge.Set(1)
		}
	}

	states := family("state", "1 for the state that the host is in (the code of status --json), 0 for the others.", "state")
	for _, code := range status.Codes {
		is(states, string(code), code == s.Status.Code)
	}
	stages := family("stage", "1 for the stage of the run in progress, 0 for the others.", "stage")
	for _, stage := range state.Stages {
		is(stages, string(stage), stage == s.Status.Stage)
	}
	moment("lock_held_since_timestamp_seconds", "When this host took the lock, while it holds it.", at(s.Status.HeldSince()))
	moment("out_of_service_since_timestamp_seconds",
		"Since when the run has this host out of service, with the lock or without.", at(s.Status.OutOfServiceSince()))
	moment("lock_wanted_since_timestamp_seconds", "When the wait for the lock began, while it waits.", at(s.Status.WantedSince()))
	moment("reboot_pending_since_timestamp_seconds", "When the reboot was asked for that has not happened yet.", at(s.Status.RebootPending))
	obstacles := family("lock_obstacle", "1 for what is in the way of the lock that this host waits for, 0 for the others.", "obstacle")
	for _, obstacle := range status.Obstacles {
		is(obstacles, string(obstacle), obstacle == s.Status.Obstacle())
	}
	if due := s.Status.RebootDue; due != nil {
		moment("reboot_due_since_timestamp_seconds", "Since when a reboot may be due: a hook could not find out.", due.Since)
	}
	moment("certificate_not_after_timestamp_seconds", "When the certificate for Foreman expires.", s.CertificateEnds)
	moment(invocation, "When the last invocation began.", s.Invocation)
	moment(success, "When an invocation ended last that had finished a run, or found nothing to do.", s.Success)
	moment(first, "When the first known invocation began.", s.First)
	ends := family(result, "1 for how the last invocation ended, 0 for the others.", "result")
	for _, one := range results {
		is(ends, string(one), one == s.Result)
	}
	durations := family(took, "How long each stage took when it was finished last.", "stage")
	for stage, seconds := range s.Took {
		durations.WithLabelValues(string(stage)).Set(seconds)
	}
	return registry
}

// most bounds what is read: the file is some kilobytes.
const most = 1 << 20

// Read returns what the file says of earlier invocations. No file, or an empty one, says nothing. Content that is not this program's is an
// error: it is somebody else's file.
func (f File) Read() (Last, error) {
	last := Last{Took: map[state.Stage]float64{}}
	content, err := f.content()
	if err != nil || len(content) == 0 {
		return last, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(content))
	if err == nil && families[prefix+"state"] == nil {
		err = errors.New("it holds something else; name a file that is used for nothing else")
	}
	if err != nil {
		return last, fmt.Errorf("read metrics %s: %w", f.Path, err)
	}
	last.Invocation, last.Success, last.First = moment(families[prefix+invocation]), moment(families[prefix+success]), moment(families[prefix+first])
	for _, metric := range families[prefix+result].GetMetric() {
		if metric.GetGauge().GetValue() == 1 {
			last.Result = Result(label(metric, "result"))
		}
	}
	for _, metric := range families[prefix+took].GetMetric() {
		last.Took[state.Stage(label(metric, "stage"))] = metric.GetGauge().GetValue()
	}
	return last, nil
}

func moment(family *dto.MetricFamily) time.Time {
	for _, metric := range family.GetMetric() {
		return time.UnixMilli(int64(metric.GetGauge().GetValue()*1000 + 0.5))
	}
	return time.Time{}
}

func label(metric *dto.Metric, name string) string {
	for _, pair := range metric.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
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
