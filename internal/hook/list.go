// Package hook says which files of a stage directory are hooks, and runs one.
//
// It does not know the stages, nor what an exit code means to one of them.
package hook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
)

// Hook is an executable of a stage directory that was found safe to run.
type Hook struct {
	Name string // its name in the directory
	Path string // the directory as configured, and the name
}

// leftovers are what editors and package managers leave beside a file: a suffix of the name.
// .rpmsave, .rpmnew, .rpmorig: rpm(8); a trailing ~ is emacs's, .swp vim's, .rej and .orig patch's.
var leftovers = []string{"~", ".bak", ".orig", ".rej", ".swp", ".rpmsave", ".rpmnew", ".rpmorig"}

// leftover reports whether name is hidden, or one that an editor or a package manager left behind.
func leftover(name string) bool {
	if strings.HasPrefix(name, ".") || strings.Contains(name, ".dpkg-") || strings.Contains(name, ".ucf-") {
		return true
	}
	for _, suffix := range leftovers {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// Entry is what there is to say of one entry of a stage directory.
type Entry struct {
	Hook
	// Skipped is why it is no hook; empty if it is one.
	Skipped string
	// Offenders are what somebody else could change; none if it is safe.
	Offenders []Offender
	// Broken is why a hook could not be executed; empty if it can be.
	Broken []Offender
	// Forgotten: an executable with the name of a leftover.
	Forgotten bool
}

// Disabled reports whether it is a file that would be a hook if it were executable.
func (e Entry) Disabled() bool { return e.Skipped == notExecutable }

const notExecutable = "not executable"

// Entries looks at everything in dir, in byte order of the names. It reads the first line of each hook, and runs
// nothing. The error, an *UnsafeError, is about dir itself.
func Entries(dir string) ([]Entry, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, &UnsafeError{Kind: "stage directory", Path: dir, Offenders: []Offender{{Path: dir, Why: err.Error()}}}
	}
	found := &UnsafeError{Kind: "stage directory", Path: dir}
	v := newVetter()
	real, readable := v.stageDir(dir, found)
	known := slices.Clone(found.Offenders)
	var entries []Entry
	if readable {
		names, err := os.ReadDir(dir)
		if err != nil {
			found.add(Offender{Path: dir, Why: reason(err)})
		}
		for _, name := range names { // os.ReadDir sorts as Go compares strings: by bytes
			entries = append(entries, v.entry(Hook{Name: name.Name(), Path: filepath.Join(dir, name.Name())}, real, known))
		}
	}
	if len(found.Offenders) > 0 {
		return entries, found
	}
	return entries, nil
}

// entry looks at one entry of a directory, which leads to real, and leaves out what is known to be wrong with the
// directory itself.
func (v vetter) entry(h Hook, real string, known []Offender) Entry {
	at := v.walk(h.Path)
	at.offenders = slices.DeleteFunc(at.offenders, func(o Offender) bool {
		return slices.ContainsFunc(known, func(k Offender) bool { return k.Path == o.Path })
	})
	e := Entry{Hook: h, Skipped: skipped(h.Name, at)}
	switch {
	case e.Skipped == "" && at.info == nil:
		e.Offenders = append(at.offenders, Offender{Path: h.Path, Why: "leads nowhere: " + reason(at.err) +
			"; restore what it points to, or remove the link if this host does not need that hook"})
	case e.Skipped == "":
		e.Offenders = copyHere(h, at, real)
		e.Broken = v.interpreters.broken(h, at.path)
	case at.linked && !leftover(h.Name): // who can change the way there can make it a hook, or none, at any time
		for _, offender := range advise(at.offenders, "remove the link "+quote(h.Path)) {
			if offender.Path != at.path {
				e.Offenders = append(e.Offenders, offender)
			}
		}
	}
	e.Forgotten = leftover(h.Name) && executable(at)
	return e
}

// copyHere returns what is wrong on the way to a hook. A directory that a link leads through may be a home, or have
// another use. So the advice is not to change it, but to copy the script into the stage directory, which is real.
func copyHere(h Hook, at place, real string) []Offender {
	outside := func(o Offender) bool { return filepath.Dir(o.Path) != real }
	through := func(o Offender) bool { return outside(o) && o.Path != at.path }
	if filepath.Dir(at.path) != real && slices.ContainsFunc(at.offenders, through) {
		for i, o := range at.offenders {
			if outside(o) {
				at.offenders[i].Why += "; read the script, then copy it here"
				at.offenders[i].Fix = "install -m 0755 " + quote(at.path) + " " + quote(h.Path)
			}
		}
	}
	return at.offenders
}

// List vets dir and returns its hooks in byte order of their names. What it skips it logs: with a warning if it is an
// executable with a leftover's name, at info if it is a file that only lacks the permission to be executed, else at
// debug.
//
// The error is an *UnsafeError that names every offender: hooks and directories that somebody else could change, links
// that lead nowhere, hooks that can't be executed (no #!, no such interpreter, a noexec mount), and a dir that is
// missing or is no directory.
func List(dir string, log hclog.Logger) ([]Hook, error) { return listHooks(dir, log, true) }

func listHooks(dir string, log hclog.Logger, working bool) ([]Hook, error) {
	entries, err := Entries(dir)
	found := &UnsafeError{Kind: "stage directory", Path: dir}
	errors.As(err, &found)
	var hooks []Hook
	for _, e := range entries {
		found.add(e.Offenders...)
		if working {
			found.add(e.Broken...)
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
func skipped(name string, at place) string {
	switch {
	case errors.Is(at.err, fs.ErrNotExist) && !at.linked:
		return "vanished meanwhile"
	case leftover(name):
		return "the name of a leftover or hidden file"
	case at.info == nil:
		return ""
	case at.info.IsDir():
		return "a directory"
	case !at.info.Mode().IsRegular():
		return "not a regular file"
	case !executable(at):
		return notExecutable
	}
	return ""
}

// executable reports whether the entry leads to a regular file that its owner may execute.
func executable(at place) bool {
	return at.info != nil && at.info.Mode().IsRegular() && at.info.Mode().Perm()&0o100 != 0
}
