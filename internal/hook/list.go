// Package hook says which files of a stage directory are hooks, vets them, and runs one.
//
// It knows neither the stages nor what an exit code means to them.
package hook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/vet"

	"github.com/hashicorp/go-hclog"
)

// Hook is an executable of a stage directory that was found safe to run.
type Hook struct {
	Name string // its name in the directory
	Path string // the directory as configured, and the name
}

// Missing reports whether there is nothing at all at dir; a link that leads nowhere is something.
func Missing(dir string) bool {
	_, err := os.Lstat(dir)
	return errors.Is(err, fs.ErrNotExist)
}

// Entry describes one entry of a stage directory.
type Entry struct {
	Hook
	// Skipped says why the entry is not a hook; empty if it is one.
	Skipped string
	// Offenders are the files that somebody else could change; none if the entry is safe.
	Offenders []vet.Offender
	// Broken says why the hook can't be executed; empty if it can.
	Broken []vet.Offender
	// Forgotten is set for an executable with the name of a leftover.
	Forgotten bool
}

// Disabled reports whether it is a file that would be a hook if it were executable.
func (e Entry) Disabled() bool { return e.Skipped == notExecutable }

const notExecutable = "not executable"

// Entries looks at everything in dir, in byte order of the names. It reads the first line of each hook, and runs
// nothing. The error, a *vet.UnsafeError, is about dir itself.
func Entries(s *vet.Session, dir string) ([]Entry, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		offender := vet.Offender{Path: dir, Why: err.Error()}
		return nil, &vet.UnsafeError{Kind: "stage directory", Path: dir, Offenders: []vet.Offender{offender}}
	}
	found := &vet.UnsafeError{Kind: "stage directory", Path: dir}
	v := newVetter(s)
	real, readable := s.Dir(dir, found)
	known := slices.Clone(found.Offenders)
	var entries []Entry
	if readable {
		names, err := os.ReadDir(dir)
		if err != nil {
			found.Add(vet.Offender{Path: dir, Why: file.Cause(err).Error()})
		}
		for _, name := range names { // os.ReadDir sorts as Go compares strings: by bytes
			hook := Hook{Name: name.Name(), Path: filepath.Join(dir, name.Name())}
			entries = append(entries, v.entry(hook, real, known))
		}
	}
	return entries, found.OrNil()
}

// vetter vets the entries of a directory.
type vetter struct {
	session      *vet.Session
	interpreters process.Interpreters
}

func newVetter(s *vet.Session) vetter {
	return vetter{s, process.NewInterpreters(process.Environment)}
}

// entry looks at one entry of a directory. real is where the directory leads. known are the offenders of the directory
// itself; they are left out here.
func (v vetter) entry(h Hook, real string, known []vet.Offender) Entry {
	at := v.session.Walk(h.Path)
	at.Offenders = slices.DeleteFunc(at.Offenders, func(o vet.Offender) bool {
		return slices.ContainsFunc(known, func(k vet.Offender) bool { return k.Path == o.Path })
	})
	e := Entry{Hook: h, Skipped: skipped(h.Name, at)}
	switch {
	case e.Skipped == "" && at.Info == nil:
		e.Offenders = append(at.Offenders, vet.Offender{Path: h.Path, Why: "leads nowhere: " + file.Cause(at.Err).Error() +
			"; restore what it points to, or remove the link if this host does not need that hook"})
	case e.Skipped == "":
		e.Offenders = copyHere(h, at, real)
		e.Broken = broken(v.interpreters, h, at.Path)
	case at.Linked && !file.Leftover(h.Name): // whoever can change the path to it can make it a hook at any time
		for _, offender := range vet.Advise(at.Offenders, "remove the link "+file.ShellWord(h.Path)) {
			if offender.Path != at.Path {
				e.Offenders = append(e.Offenders, offender)
			}
		}
	}
	e.Forgotten = file.Leftover(h.Name) && executable(at)
	return e
}

// copyHere returns the offenders on the path to a hook. A directory that a link leads through may be somebody's home,
// or have another use. So the advice is to leave it alone and to copy the script into the stage directory, real.
func copyHere(h Hook, at vet.Place, real string) []vet.Offender {
	outside := func(o vet.Offender) bool { return filepath.Dir(o.Path) != real }
	through := func(o vet.Offender) bool { return outside(o) && o.Path != at.Path }
	if filepath.Dir(at.Path) != real && slices.ContainsFunc(at.Offenders, through) {
		for i, o := range at.Offenders {
			if outside(o) {
				at.Offenders[i].Why += "; read the script, then copy it here"
				at.Offenders[i].Fix = "install -m 0755 " + file.ShellWord(at.Path) + " " + file.ShellWord(h.Path)
			}
		}
	}
	return at.Offenders
}

// List vets dir and returns its hooks in byte order of their names. It logs what it skips: an executable with a
// leftover's name as a warning, a file that is just not executable at info, everything else at debug.
//
// The error is a *vet.UnsafeError that names every offender: hooks and directories that somebody else could change,
// links that lead nowhere, hooks that can't be executed (no #!, no such interpreter, a noexec mount), and a dir that is
// missing or is no directory.
func List(s *vet.Session, dir string, log hclog.Logger) ([]Hook, error) {
	return listHooks(s, dir, log, true)
}

func listHooks(s *vet.Session, dir string, log hclog.Logger, working bool) ([]Hook, error) {
	entries, err := Entries(s, dir)
	found := &vet.UnsafeError{Kind: "stage directory", Path: dir}
	errors.As(err, &found)
	var hooks []Hook
	for _, e := range entries {
		found.Add(e.Offenders...)
		if working {
			found.Add(e.Broken...)
		}
		switch {
		case e.Skipped == "":
			hooks = append(hooks, e.Hook)
		case e.Forgotten:
			log.Warn("hook skipped", "path", e.Path, "why", e.Skipped)
		case e.Disabled():
			log.Info("hook skipped", "path", e.Path, "why", e.Skipped)
		default:
			log.Debug("hook skipped", "path", e.Path, "why", e.Skipped)
		}
	}
	if len(found.Offenders) > 0 {
		return nil, found
	}
	return hooks, nil
}

// skipped says why an entry is not a hook; empty if it is one, safe or not.
func skipped(name string, at vet.Place) string {
	switch {
	case errors.Is(at.Err, fs.ErrNotExist) && !at.Linked:
		return "vanished meanwhile"
	case file.Leftover(name):
		return "the name of a leftover or hidden file"
	case at.Info == nil:
		return ""
	case at.Info.IsDir():
		return "a directory"
	case !at.Info.Mode().IsRegular():
		return "not a regular file"
	case !executable(at):
		return notExecutable
	}
	return ""
}

// executable reports whether the entry leads to a regular file that its owner may execute.
func executable(at vet.Place) bool {
	return at.Info != nil && at.Info.Mode().IsRegular() && at.Info.Mode().Perm()&0o100 != 0
}
