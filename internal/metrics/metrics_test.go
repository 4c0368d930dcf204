package metrics

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file anew")

var at = time.Date(2026, 11, 22, 2, 14, 3, 0, time.UTC)

// everything is a snapshot with every field set, which no real host has.
func everything() Snapshot {
	held := at.Add(-2 * time.Hour)
	s := status.Status{Running: true, Lock: status.Lock{Name: `we"b`, Seen: true, Self: true, Since: &held},
		RebootPending: &at}
	s.SetRecord(&state.Record{Stage: state.Update, StageBegan: held,
		Story: &state.Story{Waiting: &state.Waiting{Since: held.Add(-time.Hour)}}})
	s.SetRebootDue(&state.RebootDue{Time: held})
	s.SetPause(status.Pause{Reason: "audit"}, held, at.Add(time.Hour))
	s.Say(at)
	return Snapshot{Status: s, CertificateEnds: at.AddDate(1, 0, 0),
		Last: Last{Invocation: at.Add(-3 * time.Hour), Success: at.Add(-24 * time.Hour), First: at.AddDate(-1, 0, 0),
			Result: NothingToDo,
			Took:   map[state.Stage]float64{state.NeedsUpdate: 4.25, state.Update: 1800}}}
}

func TestGolden(t *testing.T) {
	const golden = "testdata/everything.prom"
	file := File{filepath.Join(t.TempDir(), "x.prom")}
	if err := file.Write(everything()); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file.Path)
	if err != nil {
		t.Fatal(err)
	}
	text := withoutOtherStages(t, string(got))
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("other than %s (-there +written); -update writes it:\n%s", golden, diff)
	}
	if info, err := os.Stat(file.Path); err != nil || info.Mode() != 0o644 {
		t.Errorf("mode %v, %v: others read it", info.Mode(), err)
	}
	last, err := file.Read()
	if diff := cmp.Diff(everything().Last, last); err != nil || diff != "" {
		t.Errorf("read back: %v\n%s", err, diff)
	}
	promtool(t, got)
}

// withoutOtherStages checks that each stage has one sample, and leaves out those of the stages that the host is not in.
func withoutOtherStages(t *testing.T, text string) string {
	t.Helper()
	for _, stage := range state.Stages {
		if n := strings.Count(text, fmt.Sprintf(`,stage="%s"} 0`+"\n", stage)); n != 1 && stage != state.Update {
			t.Errorf("%d samples say that the host is not in %s", n, stage)
		}
	}
	return regexp.MustCompile(`(?m)^foreman_dlm_updater_stage\{.*\} 0\n`).ReplaceAllString(text, "")
}

// TestLittle: a missing value has no sample, and the file can be read back.
func TestLittle(t *testing.T) {
	file := File{filepath.Join(t.TempDir(), "x.prom")}
	s := Snapshot{Status: status.Status{Lock: status.Lock{Name: "web"}}}
	s.Status.Say(at)
	if err := file.Write(s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file.Path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "_seconds{") ||
		!strings.Contains(string(text), `foreman_dlm_updater_state{lock="web",state="idle"} 1`) {
		t.Errorf("%s", text)
	}
	last, err := file.Read()
	if err != nil || !last.Invocation.IsZero() || !last.Success.IsZero() || last.Result != "" || len(last.Took) > 0 {
		t.Errorf("%+v, %v", last, err)
	}
	promtool(t, text)
}

// promtool returns what Prometheus says about the file.
func promtool(t *testing.T, text []byte) {
	t.Helper()
	needsPromtool(t)
	check := exec.Command("promtool", "check", "metrics")
	check.Stdin = strings.NewReader(string(text))
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool: %v: %s", err, out)
	}
}

// needsPromtool skips the rest of the test if promtool is not installed. In CI it fails, because nobody would notice
// the skip.
func needsPromtool(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("promtool"); err == nil {
		return
	} else if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatal(err)
	}
	t.Skip("NOT TESTED: promtool is not installed")
}

func TestLast(t *testing.T) {
	last := Last{Took: map[state.Stage]float64{state.Reboot: 7}}
	last.Learn(nil)
	last.Learn(&state.Story{Steps: []state.Step{
		{Stage: state.Update, Hook: "50-apt", TookMS: 1},
		{Stage: state.Update, TookMS: 100},
		{Stage: state.Update, TookMS: 1500},
		{Stage: state.Update, TookMS: 2, Error: "interrupted"},
	}})
	if diff := cmp.Diff(map[state.Stage]float64{state.Reboot: 7, state.Update: 1.5}, last.Took); diff != "" {
		t.Error(diff)
	}
	for result, success := range map[Result]bool{Finished: true, NothingToDo: true, Rebooting: false, GaveUp: false,
		Interrupted: false, Failed: false} {
		last := Last{}
		last.End(result, at)
		if last.Result != result || !last.Success.IsZero() != success {
			t.Errorf("%s: %+v", result, last)
		}
	}
}

func TestSomebodyElsesFile(t *testing.T) {
	for name, content := range map[string]string{"text": "root:x:0:0:root:/root:/bin/bash\n",
		"metrics": "node_load1 0.5\n"} {
		file := File{filepath.Join(t.TempDir(), "x.prom")}
		if err := os.WriteFile(file.Path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Read(); err == nil || !strings.Contains(err.Error(), file.Path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := File{filepath.Join(t.TempDir(), "x.prom")}
	if err := syscall.Mkfifo(file.Path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := file.Read(); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a FIFO: %v", err)
	}
	file.Path = filepath.Join(t.TempDir(), "none", "x.prom")
	if err := file.Write(everything()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
}
