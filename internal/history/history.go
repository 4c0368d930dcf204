// Package history records how the runs of this host ended: a file with one JSON line for each run that is over. A run
// in progress is in the state file, with its story. It gets its line when it ends, even if that takes many invocations
// and reboots.
package history

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/state"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// Format is the version of the lines that this program writes.
const Format = 1

// maxSize is the largest size of the file in bytes, enough for some hundred runs. Add drops the oldest runs.
const maxSize = 1 << 20

// Run says what happened in a run, and how it ended.
type Run struct {
	Format int       `json:"format"`
	Run    string    `json:"run"`
	Lock   string    `json:"lock"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"` // zero: the run is in progress
	// Result is finished, failed, gave-up, abandoned (by `state clear`) or in-progress, which is never in the file.
	Result string `json:"result"`
	// Stage is the last stage that began.
	Stage state.Stage `json:"stage"`
	// WaitedMS is how long the run waited, in milliseconds. WaitedFor is what for, as in its story; empty: only for the
	// lock.
	WaitedMS    int64    `json:"waited_ms"`
	WaitedFor   []string `json:"waited_for,omitempty"`
	Reboots     int      `json:"reboots"`
	Invocations int      `json:"invocations"`
	// Failure is the last failure, with the last lines of the hook. A run may finish in spite of it; nil: there was none.
	Failure *state.Failure `json:"failure,omitempty"`
	// RebootDue is a reboot that may be due: a hook could not find out, and the run went on without it.
	RebootDue *state.RebootDue `json:"reboot_due,omitempty"`
	// Error is why the run did not finish; empty: it did.
	Error string `json:"error,omitempty"`
	// Question is the one whose answer was no, so that the run gave up (package lock); empty: it had another reason.
	Question string `json:"question,omitempty"`
	// BySignal: the run did not give up by itself. A signal ended the wait for another answer.
	BySignal bool         `json:"by_signal,omitempty"`
	Steps    []state.Step `json:"steps"`
	// Dropped is how many of the oldest steps are left out.
	Dropped int `json:"dropped,omitempty"`
}

// The results besides those of package events.
const (
	Abandoned  = "abandoned"
	InProgress = "in-progress"
)

// Of makes a Run from a record. why says why the run did not finish; nil: it did.
func Of(record state.Record, result string, ended time.Time, why error) Run {
	story := record.Story
	if story == nil {
		story = &state.Story{}
	}
	run := Run{Format: Format, Run: record.RunID, Lock: record.Lock, Began: record.Began, Ended: ended, Result: result,
		Stage: record.Stage, WaitedMS: story.WaitedMS, Reboots: record.Reboots, Invocations: story.Invocations,
		Failure: story.Failure, RebootDue: record.RebootDue, Steps: append([]state.Step{}, story.Steps...),
		Dropped: story.Dropped}
	if !slices.Equal(story.WaitedFor, []string{"lock"}) {
		run.WaitedFor = story.WaitedFor
	}
	if why != nil {
		run.Error = why.Error()
	}
	// List a stage before its hooks, although they end earlier.
	slices.SortStableFunc(run.Steps, func(a, b state.Step) int {
		if order := a.Began.Compare(b.Began); order != 0 || (a.Hook == "") == (b.Hook == "") {
			return order
		}
		if a.Hook == "" {
			return -1
		}
		return 1
	})
	return run
}

// File is the history file.
type File struct{ Path string }

// Read returns the runs, the oldest first. It skips and counts lines that are not in this format. If there is no file,
// it returns nothing and no error.
func (f File) Read() (runs []Run, skipped int, err error) {
	content, err := f.content()
	if err != nil {
		return nil, 0, err
	}
	for line := range bytes.Lines(content) {
		var run Run
		if err := json.Unmarshal(line, &run); err != nil || run.Format < 1 || run.Format > Format {
			skipped++
			continue
		}
		runs = append(runs, run)
	}
	return runs, skipped, nil
}

// Add writes a run's line. It replaces the file as a whole, so that a power cut leaves the old or the new one. Two
// configurations of a host may share the file: the second to add a line waits for the first.
func (f File) Add(run Run) error {
	defer f.lockDir()()
	line, err := json.Marshal(run)
	if err != nil {
		return fmt.Errorf("write history %s: %w", f.Path, err)
	}
	content, err := f.content()
	if err != nil {
		return err
	}
	if len(content) > 0 && content[len(content)-1] != '\n' { // an editor may have removed the last newline
		content = append(content, '\n')
	}
	content = append(append(content, line...), '\n')
	for len(content) > maxSize && len(content) > len(line)+1 {
		_, content, _ = bytes.Cut(content, []byte("\n"))
	}
	if err := file.ReplaceShared(f.Path, content, 0o640); err != nil {
		return fmt.Errorf("write history %s: %w", f.Path, err)
	}
	return nil
}

// patience is how long Add waits while another process adds its line.
const patience = 3 * time.Second

// lockDir keeps other processes from adding lines until unlock is called. It locks the directory, since each new line
// replaces the file itself. If that fails (NFS does not lock directories, or another process holds the lock too long),
// Add goes on, and a line may be lost: the run matters more.
func (f File) lockDir() (unlock func()) {
	dir := flock.New(filepath.Dir(f.Path), flock.SetFlag(os.O_RDONLY|unix.O_DIRECTORY))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _ = dir.TryLockContext(ctx, patience/100)
	return func() { dir.Close() }
}

// content returns the end of the file, as much as Add keeps.
func (f File) content() ([]byte, error) {
	whole, err := file.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	defer whole.Close()
	info, err := whole.Stat()
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	content, err := io.ReadAll(io.NewSectionReader(whole, max(0, info.Size()-maxSize), maxSize))
	if err != nil {
		return nil, fmt.Errorf("read history %s: %w", f.Path, err)
	}
	if info.Size() > maxSize { // the first line is incomplete
		_, content, _ = bytes.Cut(content, []byte("\n"))
	}
	return content, nil
}
