// Package hook says which files of a stage directory are hooks, and runs one.
//
// It does not know the stages, nor what an exit code means to one of them.
package hook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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

	forgotten bool // an executable with the name of a leftover
}

// Entries looks at everything in dir, in byte order of the names, and opens none of the files. The error, an *UnsafeError, is about dir
// itself.
func Entries(dir string) ([]Entry, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, &UnsafeError{Kind: "stage directory", Path: dir, Offenders: []Offender{{Path: dir, Why: err.Error()}}}
	}
	found := &UnsafeError{Kind: "stage directory", Path: dir}
	v := newVetter()
	readable := v.stageDir(dir, found)
	var entries []Entry
	if readable {
		names, err := os.ReadDir(dir)
		if err != nil {
			found.add(Offender{Path: dir, Why: reason(err)})
		}
		for _, name := range names { // os.ReadDir sorts as Go compares strings: by bytes
			entries = append(entries, v.entry(Hook{Name: name.Name(), Path: filepath.Join(dir, name.Name())}))
		}
	}
	if len(found.Offenders) > 0 {
		return entries, found
	}
	return entries, nil
}

// entry looks at one entry.
func (v vetter) entry(h Hook) Entry {
	at := v.walk(h.Path)
	e := Entry{Hook: h, Skipped: skipped(h.Name, at)}
	switch {
	case e.Skipped == "":
		e.Offenders = at.offenders
		if at.info == nil {
			e.Offenders = append(e.Offenders, Offender{Path: h.Path, Why: "leads nowhere: " + reason(at.err) +
				"; restore what it points to, or remove the link if this host does not need that hook"})
		}
	case at.linked && !leftover(h.Name): // who can change the way there can make it a hook, or none, at any time
		for _, offender := range at.offenders {
			if offender.Path != at.path {
				e.Offenders = append(e.Offenders, offender)
			}
		}
	}
	e.forgotten = leftover(h.Name) && executable(at)
	return e
}

// List vets dir and returns its hooks in byte order of their names. What it skips it logs: with a
// warning if it is an executable with a leftover's name, else at debug. It opens none of the files.
//
// The error is an *UnsafeError that names every offender: hooks and directories that somebody else
// could change, links that lead nowhere, and a dir that is missing or is no directory.
func List(dir string, log hclog.Logger) ([]Hook, error) {
	entries, err := Entries(dir)
	found := &UnsafeError{Kind: "stage directory", Path: dir}
	errors.As(err, &found)
	var hooks []Hook
	for _, e := range entries {
		found.add(e.Offenders...)
		switch {
		case e.Skipped == "":
			hooks = append(hooks, e.Hook)
		case e.forgotten:
			log.Warn("hook skipped", "path", e.Path, "why", e.Skipped)
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
		return "not executable"
	}
	return ""
}

// executable reports whether the entry leads to a regular file that its owner may execute.
func executable(at place) bool {
	return at.info != nil && at.info.Mode().IsRegular() && at.info.Mode().Perm()&0o100 != 0
}
