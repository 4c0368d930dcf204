package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/state"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var at = time.Date(2026, 11, 22, 2, 14, 3, 0, time.UTC)

func names(runs []Run) (names []string) {
	for _, run := range runs {
		names = append(names, run.Run)
	}
	return names
}

func TestOf(t *testing.T) {
	after := func(seconds int) time.Time { return at.Add(time.Duration(seconds) * time.Second) }
	failure := &state.Failure{Error: state.Error{Time: after(4), Stage: state.Update, Hook: "50-apt", Message: "exit 100"},
		Exit: 100, Output: []string{"E: no"}}
	due := &state.RebootDue{Time: after(5), Hook: "50-x", Message: "m"}
	record := state.Record{RebootDue: due, RunID: "r", Lock: "web", Began: at, Stage: state.LockRelease, Reboots: 1,
		Story: &state.Story{
			Steps: []state.Step{
				{Stage: state.Update, Hook: "50-apt", Began: after(1)}, {Stage: state.Update, Hook: "60-x", Began: after(2)},
				{Stage: state.Update, Began: after(1)}, {Stage: state.NeedsReboot, Began: after(3)},
			},
			WaitedMS: 7, WaitedFor: []string{"gate", "lock"}, Invocations: 2, Failure: failure, Dropped: 1,
		}}
	want := Run{Format: 1, Run: "r", Lock: "web", Began: at, Ended: after(9), Result: "failed",
		Stage: state.LockRelease, WaitedMS: 7, WaitedFor: []string{"gate", "lock"}, Reboots: 1,
		Invocations: 2, RebootDue: due, Failure: failure, Error: "why", Dropped: 1, Steps: []state.Step{
			{Stage: state.Update, Began: after(1)}, {Stage: state.Update, Hook: "50-apt", Began: after(1)},
			{Stage: state.Update, Hook: "60-x", Began: after(2)}, {Stage: state.NeedsReboot, Began: after(3)},
		}}
	got := Of(record, "failed", after(9), errors.New("why"))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	file := File{filepath.Join(t.TempDir(), "history")}
	if err := file.Add(got); err != nil {
		t.Fatal(err)
	}
	runs, _, err := file.Read()
	if diff := cmp.Diff([]Run{want}, runs); diff != "" || err != nil {
		t.Error(err, diff)
	}
	// A run that the original began has no story.
	if got := Of(state.Record{Stage: state.Update}, InProgress, time.Time{}, nil); got.Steps == nil ||
		len(got.Steps) != 0 {
		t.Errorf("%+v", got)
	}
	// A run that waited for nothing but the lock needs no words for it.
	record.Story.WaitedFor = []string{"lock"}
	if got := Of(record, "finished", at, nil); got.WaitedFor != nil {
		t.Errorf("%+v", got)
	}
}

// TestShared: two configurations of a host that share a history lose no run of each other. For a lock, each opening is
// another process.
func TestShared(t *testing.T) {
	file := File{filepath.Join(t.TempDir(), "history")}
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			if err := file.Add(Run{Format: Format, Run: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	runs, _, err := file.Read()
	if len(runs) != 6 || err != nil {
		t.Errorf("%v, %v", names(runs), err)
	}
	held := flock.New(filepath.Dir(file.Path), flock.SetFlag(os.O_RDONLY|unix.O_DIRECTORY))
	defer held.Close()
	if locked, err := held.TryLock(); !locked || err != nil {
		t.Fatal(locked, err)
	}
	if err := file.Add(Run{Format: Format, Run: "somebody holds the directory"}); err != nil {
		t.Error(err)
	}
}

// TestForeignLines: what is not ours stays in the file, and is no run.
func TestForeignLines(t *testing.T) {
	file := File{filepath.Join(t.TempDir(), "history")}
	const foreign = "garbage\n{\"format\":2,\"run\":\"newer\"}\n{\"run\":\"no format\"}\n{\"format\":1,\"run\":\"half"
	if err := os.WriteFile(file.Path, []byte(foreign), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := file.Add(Run{Format: 1, Run: "ours"}); err != nil {
		t.Fatal(err)
	}
	runs, skipped, err := file.Read()
	if err != nil || skipped != 4 || !cmp.Equal(names(runs), []string{"ours"}) {
		t.Errorf("%v, %d skipped, %v", names(runs), skipped, err)
	}
	content, err := os.ReadFile(file.Path)
	if err != nil || !strings.HasPrefix(string(content), foreign+"\n") {
		t.Errorf("%q, %v", content, err)
	}
}

// TestMode: a new file is not everybody's to read; what an administrator has made of it stays.
func TestMode(t *testing.T) {
	file := File{filepath.Join(t.TempDir(), "history")}
	for _, mode := range []os.FileMode{0o640, 0o644} {
		if err := file.Add(Run{Format: 1}); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file.Path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%v, want %v, %v", info.Mode(), mode, err)
		}
		if err := os.Chmod(file.Path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBounded: the oldest are dropped, in whole lines, even if somebody made the file huge or one line is.
func TestBounded(t *testing.T) {
	file := File{filepath.Join(t.TempDir(), "history")}
	if err := os.WriteFile(file.Path, []byte(strings.Repeat("x", 5<<20)+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if err := file.Add(Run{Format: 1, Run: fmt.Sprint(i), Error: strings.Repeat("e", 100<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	runs, skipped, err := file.Read()
	want := []string{"20", "21", "22", "23", "24", "25", "26", "27", "28", "29"}
	if err != nil || skipped != 0 || !cmp.Equal(names(runs), want) {
		t.Errorf("%v, %d skipped, %v", names(runs), skipped, err)
	}
	if info, err := os.Stat(file.Path); err != nil || info.Size() > maxSize {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if err := file.Add(Run{Format: 1, Run: "huge", Error: strings.Repeat("e", 2*maxSize)}); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(file.Path), ".*")); err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestTrouble: every error names the file, and nothing hangs.
func TestTrouble(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir, filepath.Join(dir, "missing", "history")} {
		if err := (File{path}).Add(Run{}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if runs, skipped, err := (File{filepath.Join(dir, "none")}).Read(); runs != nil || skipped != 0 || err != nil {
		t.Errorf("%v, %d, %v", runs, skipped, err)
	}
}
