// Package history keeps what became of the runs of this host: a file with one JSON line for each run that is over. A run in progress is in
// the state file, story included, and gets its line when it ends, however many invocations and reboots that takes.
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

// most bounds the file, in bytes: some hundred runs. The oldest are dropped.
const most = 1 << 20

// Run is what became of a run.
type Run struct {
	Format int       `json:"format"`
	Run    string    `json:"run"`
	Lock   string    `json:"lock"`
	Began  time.Time `json:"began"`
	Ended  time.Time `json:"ended,omitzero"` // zero: it is in progress
	// Result is finished, failed, gave-up, abandoned (by `state clear`) or, in no line of the file, in-progress.
	Result string `json:"result"`
	// Stage is the last that was begun.
	Stage state.Stage `json:"stage"`
	// WaitedMS is how long it waited for the lock.
	WaitedMS    int64 `json:"waited_ms"`
	Reboots     int   `json:"reboots"`
	Invocations int   `json:"invocations"`
	// Failure is the last failure, with the last lines of the hook; a run that finished has got over it.
	Failure *state.Failure `json:"failure,omitempty"`
	// RebootDue is a reboot that may be due: a hook could not find out, and the run went on without.
	RebootDue *state.RebootDue `json:"reboot_due,omitempty"`
	// Error is why the run ended without having finished.
	Error string       `json:"error,omitempty"`
	Steps []state.Step `json:"steps"`
	// Dropped is how many steps were left out in the middle.
	Dropped int `json:"dropped,omitempty"`
}

// The results beyond those that a run itself ends with.
const (
	Abandoned  = "abandoned"
	InProgress = "in-progress"
)

// Of makes a run of its record. why is why it did not finish; nil if it did.
func Of(record state.Record, result string, ended time.Time, why error) Run {
	story := record.Story
	if story == nil {
		story = &state.Story{}
	}
	run := Run{Format: Format, Run: record.RunID, Lock: record.Lock, Began: record.Began, Ended: ended, Result: result, Stage: record.Stage,
		WaitedMS: story.WaitedMS, Reboots: record.Reboots, Invocations: story.Invocations, Failure: story.Failure, RebootDue: record.RebootDue,
		Steps: append([]state.Step{}, story.Steps...), Dropped: story.Dropped}
	if why != nil {
		run.Error = why.Error()
	}
	// A stage is listed before its hooks, which end earlier.
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

// Read returns the runs, the oldest first. Lines that are none of ours are skipped and counted. No file is no history.
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

// Add writes a run's line. The file is replaced as a whole: after a power cut it is the old or the new one. Two
// configurations of a host may share it: the second one to add a line waits for the first.
func (f File) Add(run Run) error {
	defer f.alone()()
	line, err := json.Marshal(run)
	if err != nil {
		return fmt.Errorf("write history %s: %w", f.Path, err)
	}
	content, err := f.content()
	if err != nil {
		return err
	}
	if len(content) > 0 && content[len(content)-1] != '\n' { // somebody's editor
		content = append(content, '\n')
	}
	content = append(append(content, line...), '\n')
	for len(content) > most && len(content) > len(line)+1 {
		_, content, _ = bytes.Cut(content, []byte("\n"))
	}
	if err := file.ReplaceShared(f.Path, content, 0o640); err != nil {
		return fmt.Errorf("write history %s: %w", f.Path, err)
	}
	return nil
}

// patience is how long another process may take to add its line.
const patience = 3 * time.Second

// alone keeps other processes from adding lines until done is called. It locks the directory, since each new line
// replaces the file itself. If the lock can't be had (NFS locks no directory, or somebody else holds it), a line may be
// lost: the run matters more.
func (f File) alone() (done func()) {
	dir := flock.New(filepath.Dir(f.Path), flock.SetFlag(os.O_RDONLY|unix.O_DIRECTORY))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _ = dir.TryLockContext(ctx, patience/100)
	return func() { dir.Close() }
}

// content is the end of the file, as much as is kept.
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
	content, err := io.ReadAll(io.NewSectionReader(whole, max(0, info.Size()-most), most))
	if err != nil {
		return nil, fmt.Errorf("read history %s: %w", f.Path, err)
	}
	if info.Size() > most { // the first line is half a one
		_, content, _ = bytes.Cut(content, []byte("\n"))
	}
	return content, nil
}
