// Package outcome records how the last invocation of `run` ended, in a small file beside the state. Most invocations
// leave nothing else behind: those that find nothing to do, that give up, or that fail before they can begin. The file
// is for people and for monitoring; no decision depends on it.
package outcome

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/state"

	"golang.org/x/sys/unix"
)

// Format is the version of the file that this program writes. Read refuses a newer one.
const Format = 1

// Result is how an invocation ended.
type Result string

// The results. Other programs rely on them: their meanings never change.
const (
	Finished    Result = "finished"      // a run is over
	NothingToDo Result = "nothing_to_do" // there was no update
	Rebooting   Result = "rebooting"     // the run goes on after the boot
	NotNow      Result = "not_now"       // exit 75: nothing is wrong with this host, the next one tries again
	Interrupted Result = "interrupted"   // exit 75, but the host is out of service or has the lock; the next one goes on
	Failed      Result = "failed"
)

// Outcome is how the last invocation ended. Times are wall-clock times, for people.
type Outcome struct {
	Format int       `json:"format"`
	Ended  time.Time `json:"ended"`
	Result Result    `json:"result"`
	Exit   int       `json:"exit"`
	// Since is when the first in the latest series of invocations ended that all ended like this one: with the same result
	// and exit code, and unless they failed also in the same stage and of the same Kind. Monitoring counts failures, and a
	// second one must not begin the count again.
	Since time.Time `json:"since"`
	// First is when the first invocation ended. Success is when an invocation last finished a run or found nothing to do;
	// zero: never.
	First   time.Time `json:"first"`
	Success time.Time `json:"success,omitzero"`

	// Error is why the invocation did not succeed, Next what to do about it; both empty: it did.
	Error string `json:"error,omitempty"`
	Next  string `json:"next,omitempty"`
	// Stage is the stage that was not finished; empty: none had begun.
	Stage state.Stage `json:"stage,omitempty"`
	// Kind is the kind of reason that an invocation had which did not fail: a question (package lock), signal, unavailable
	// or by-hand; empty: another one.
	Kind string `json:"kind,omitempty"`

	// StateRefused: the invocation could not use the state file, which is damaged or another machine's.
	StateRefused bool `json:"state_refused,omitzero"`
	// Left identifies the record that the invocation left, to show whether it has changed since; nil: it left none.
	Left *Left `json:"left,omitempty"`
	// RebootDue is a reboot that may be due, in the boot that it names; nil: none.
	RebootDue *state.RebootDue `json:"reboot_due,omitempty"`
}

// Left identifies a record of a run.
type Left struct {
	Run        string      `json:"run"`
	Stage      state.Stage `json:"stage"`
	StageBegan time.Time   `json:"stage_began,omitzero"`
}

// Of identifies a record. It returns nil if no run is in progress.
func Of(record *state.Record) *Left {
	if record == nil || record.Stage == state.NeedsUpdate {
		return nil
	}
	return &Left{record.RunID, record.Stage, record.StageBegan}
}

// StillSo reports whether the record is the one that the invocation left: nobody has gone on with the run or cleared it
// since.
func (o Outcome) StillSo(record *state.Record) bool {
	a, b := o.Left, Of(record)
	if a == nil || b == nil {
		return a == b
	}
	return a.Run == b.Run && a.Stage == b.Stage && a.StageBegan.Equal(b.StageBegan)
}

// Succeeded reports whether the host had all updates when the invocation ended.
func (r Result) Succeeded() bool { return r == Finished || r == NothingToDo }

// After fills in what depends on the previous outcome; nil: it is not known.
func (o *Outcome) After(before *Outcome) {
	if before == nil {
		before = &Outcome{}
	}
	o.Since, o.First, o.Success = o.Ended, o.Ended, before.Success
	alike := o.Result == Failed || before.Stage == o.Stage && before.Kind == o.Kind
	if before.Result == o.Result && before.Exit == o.Exit && alike {
		o.Since = before.Since
	}
	if !before.First.IsZero() {
		o.First = before.First
	}
	if o.Result.Succeeded() {
		o.Success = o.Ended
	}
}

// hiddenText replaces texts that somebody else may have written.
const hiddenText = "not known: others could have changed the file that says it"

// Distrust makes an outcome harmless that somebody else may have written. It keeps what monitoring needs, but no texts
// for people and no times in the future.
func (o *Outcome) Distrust(now time.Time) {
	for _, t := range []*time.Time{&o.Ended, &o.Since, &o.First} {
		if t.IsZero() || t.After(now) {
			*t = now
		}
	}
	if o.Success.After(now) {
		o.Success = now
	}
	if !slices.Contains([]Result{Finished, NothingToDo, Rebooting, NotNow, Interrupted, Failed}, o.Result) {
		o.Result = Failed
	}
	if !o.Stage.Known() {
		o.Stage = ""
	}
	if o.Exit != 0 {
		o.Error, o.Next = hiddenText, "see the log"
	}
	if o.RebootDue == nil {
		return
	}
	due := *o.RebootDue
	due.Message = hiddenText
	if due.Time.After(now) {
		due.Time = now
	}
	if !isName(due.Hook) {
		due.Hook = "?"
	}
	o.RebootDue = &due
}

// isName reports whether nobody can mistake a hook's name for a text. It uses no regular expression: one with {1,100}
// takes half a millisecond to compile, at each start.
func isName(name string) bool {
	const fits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	return name != "" && len(name) <= 100 && strings.Trim(name, fits) == ""
}

// File is the file beside the state. Its methods are not safe for concurrent use.
type File struct{ Path string }

// Beside returns the file that belongs to a state file.
func Beside(statePath string) File { return File{statePath + ".last"} }

// fileSize is the size of the file in bytes. The content is padded to it, so that overwriting it on a full disk needs
// no new block.
const fileSize = 4096

// mode lets the group read the file, like the state file.
const mode = 0o640

// Reserve creates a blank file if there is none, so that there is one to overwrite when the disk is full.
func (f File) Reserve() error {
	if _, err := os.Lstat(f.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := file.ReplaceUnsynced(f.Path, blank, mode); err != nil {
		return fmt.Errorf("reserve outcome: %w", err)
	}
	return nil
}

// blank is the content of a file without an outcome.
var blank = bytes.Repeat([]byte(" "), fileSize)

// Read returns the outcome in the file. It returns nil and no error if there is no file, or a blank one.
func (f File) Read() (*Outcome, error) {
	content, err := file.Read(f.Path, fileSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read outcome: %w", err)
	}
	if bytes.Equal(content, blank) {
		return nil, nil
	}
	var version struct{ Format int }
	if err := json.Unmarshal(content, &version); err != nil {
		return nil, fmt.Errorf("read outcome %s: %w", f.Path, err)
	}
	if version.Format < 1 || version.Format > Format {
		return nil, fmt.Errorf("read outcome %s: it has format %d, and this program knows %d", f.Path, version.Format, Format)
	}
	o := &Outcome{}
	if err := json.Unmarshal(content, o); err != nil {
		return nil, fmt.Errorf("read outcome %s: %w", f.Path, err)
	}
	return o, nil
}

// Write replaces the file, atomically. It syncs nothing: a power cut may lose the outcome. If the disk is full, which
// is an outcome to report too, it overwrites the file in place.
func (f File) Write(o Outcome) error {
	content, err := encode(o)
	if err == nil {
		err = file.ReplaceUnsynced(f.Path, content, mode)
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		if f.overwrite(content) == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("write outcome: %w", err)
	}
	return nil
}

// encode makes the padded content. It shortens texts that are too long.
func encode(o Outcome) ([]byte, error) {
	o.Format, o.Error, o.Next = Format, file.CutBytes(o.Error, 1500), file.CutBytes(o.Next, 500)
	if o.RebootDue != nil {
		due := *o.RebootDue
		due.Message = file.CutBytes(due.Message, 300)
		o.RebootDue = &due
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(o); err != nil {
		return nil, err
	}
	if b.Len() > fileSize { // JSON escapes control characters, each in six bytes
		return encode(Outcome{Ended: o.Ended, Result: o.Result, Exit: o.Exit, Since: o.Since, First: o.First,
			Success: o.Success, Error: "see the log"})
	}
	return append(b.Bytes(), bytes.Repeat([]byte(" "), fileSize-b.Len())...), nil
}

// overwrite overwrites the file in place if only this program uses it: in a directory that others can write to, it may
// be a link to some other file.
func (f File) overwrite(content []byte) error {
	to, err := os.OpenFile(f.Path, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	var stat unix.Stat_t
	err = unix.Fstat(int(to.Fd()), &stat)
	if err == nil && (stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Nlink != 1 || int(stat.Uid) != os.Geteuid() ||
		stat.Size != fileSize) {
		err = errors.New("it does not belong to this program")
	}
	if err == nil {
		_, err = to.WriteAt(content, 0)
	}
	return errors.Join(err, to.Close())
}
