// Package outcome keeps how the last invocation of `run` ended, in a small file beside the state. Most invocations
// leave nothing else behind: those that found nothing to do, those that gave up, and those that failed before they
// could begin. It is for people and for monitoring; nothing is decided by it.
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

// Format is the version of the file that this program writes. A file with a newer one says nothing.
const Format = 1

// Result is how an invocation ended.
type Result string

// The results. Other programs know them: none ever changes its meaning.
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
	// Since is when the first of the latest invocations ended that have all ended like this one, with the same result
	// and exit code.
	Since time.Time `json:"since"`
	// First is when the first invocation on record ended, Success when an invocation last finished a run or found
	// nothing to do.
	First   time.Time `json:"first"`
	Success time.Time `json:"success,omitzero"`

	// Error is why it did not succeed, Next what to do about it; empty if it did.
	Error string `json:"error,omitempty"`
	Next  string `json:"next,omitempty"`
	// Stage is the stage that was not finished; empty: none was begun.
	Stage state.Stage `json:"stage,omitempty"`

	// Left is what was on record of a run then, to see whether something has changed it since; nil: nothing.
	Left *Left `json:"left,omitempty"`
	// RebootDue is a reboot that may be due, in the boot that it names; nil: none.
	RebootDue *state.RebootDue `json:"reboot_due,omitempty"`
}

// Left tells one record of a run from another.
type Left struct {
	Run        string      `json:"run"`
	Stage      state.Stage `json:"stage"`
	StageBegan time.Time   `json:"stage_began,omitzero"`
}

// Of returns what tells a record from others; nil for a record that means that no run is in progress.
func Of(record *state.Record) *Left {
	if record == nil || record.Stage == state.NeedsUpdate {
		return nil
	}
	return &Left{record.RunID, record.Stage, record.StageBegan}
}

// StillSo reports whether the record is the one that the invocation left: nobody has gone on with the run, or cleared
// it, since.
func (o Outcome) StillSo(record *state.Record) bool {
	a, b := o.Left, Of(record)
	if a == nil || b == nil {
		return a == b
	}
	return a.Run == b.Run && a.Stage == b.Stage && a.StageBegan.Equal(b.StageBegan)
}

// Succeeded reports whether the host had all updates then.
func (r Result) Succeeded() bool { return r == Finished || r == NothingToDo }

// After completes an outcome by the one before it; nil: none is known.
func (o *Outcome) After(before *Outcome) {
	if before == nil {
		before = &Outcome{}
	}
	o.Since, o.First, o.Success = o.Ended, o.Ended, before.Success
	if before.Result == o.Result && before.Exit == o.Exit {
		o.Since = before.Since
	}
	if !before.First.IsZero() {
		o.First = before.First
	}
	if o.Result.Succeeded() {
		o.Success = o.Ended
	}
}

// distrusted takes the place of texts for people.
const distrusted = "not known, others could have changed the file that says it"

// Distrust leaves of an outcome that somebody else may have written what monitoring would miss and what can do no harm:
// no texts for people, and no times that are to come.
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
		o.Error, o.Next = distrusted, "see the log"
	}
	if o.RebootDue == nil {
		return
	}
	due := *o.RebootDue
	due.Message = distrusted
	if due.Time.After(now) {
		due.Time = now
	}
	if !plain(due.Hook) {
		due.Hook = "?"
	}
	o.RebootDue = &due
}

// plain reports whether a name can't be taken for a text. A regular expression with {1,100} takes half a millisecond to
// compile, at each start.
func plain(name string) bool {
	const fits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
	return name != "" && len(name) <= 100 && strings.Trim(name, fits) == ""
}

// File is the file beside the state. Its methods are not safe for concurrent use.
type File struct{ Path string }

// Beside is the file that belongs to a state file.
func Beside(statePath string) File { return File{statePath + ".last"} }

// size is the file's, in bytes, always: what it holds is padded, so that it can be replaced on a full disk without
// another block.
const size = 4096

// mode lets the group read it, as the state.
const mode = 0o640

// Reserve makes a file that says nothing, if there is none yet: should the disk get full, there is one to overwrite.
func (f File) Reserve() error {
	if _, err := os.Lstat(f.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := file.ReplaceUnsynced(f.Path, reserved, mode); err != nil {
		return fmt.Errorf("reserve outcome: %w", err)
	}
	return nil
}

// reserved is the content of a file that says nothing yet.
var reserved = bytes.Repeat([]byte(" "), size)

// Read returns what the file says. No file, or one that is only reserved, gives nil and no error; whatever else can't be
// read, an error.
func (f File) Read() (*Outcome, error) {
	content, err := file.Read(f.Path, size)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read outcome: %w", err)
	}
	if bytes.Equal(content, reserved) {
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

// Write replaces the file, at once. Nothing is synced: a power cut may take it, and then nothing is known. On a full
// disk, which is one of the outcomes to be told, what is there is overwritten in place.
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

// encode makes the padded content. It cuts the end off texts that are too long.
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
	if b.Len() > size { // a text that is all control characters
		return encode(Outcome{Ended: o.Ended, Result: o.Result, Exit: o.Exit, Since: o.Since, First: o.First, Success: o.Success, Error: "see the log"})
	}
	return append(b.Bytes(), bytes.Repeat([]byte(" "), size-b.Len())...), nil
}

// overwrite writes into the file that is there, if it is this program's alone: in a directory that others can write to,
// the name may belong to something else.
func (f File) overwrite(content []byte) error {
	to, err := os.OpenFile(f.Path, os.O_WRONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	var is unix.Stat_t
	err = unix.Fstat(int(to.Fd()), &is)
	if err == nil && (is.Mode&unix.S_IFMT != unix.S_IFREG || is.Nlink != 1 || int(is.Uid) != os.Geteuid() || is.Size != size) {
		err = errors.New("it is not this program's")
	}
	if err == nil {
		_, err = to.WriteAt(content, 0)
	}
	return errors.Join(err, to.Close())
}
