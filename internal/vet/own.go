package vet

import (
	"path/filepath"

	"foreman-dlm-updater/internal/file"
)

// State vets the state file: whoever can write it, or put another file in its place, decides which stage comes next.
// Nobody else may write to its directory, not even to a sticky one: the file might not exist yet.
func (s *Session) State(path string) error {
	return s.file("state file", path, filepath.Dir(path), path)
}

// Lock vets a lock file: whoever can open it can keep every invocation from starting.
func (s *Session) Lock(path string) error { return s.file("lock file", path, path) }

// file vets paths, their ends included. A missing file is no offender: whoever uses it will get the error.
func (s *Session) file(kind, path string, paths ...string) error {
	found := &UnsafeError{Kind: kind, Path: path}
	for _, each := range paths {
		found.Add(Advise(s.Walk(each).Offenders, elsewhere)...)
	}
	return found.OrNil()
}

// Regular vets a path that must lead to a regular file, and adds the offenders to found.
func (s *Session) Regular(path string, found *UnsafeError) {
	at := s.Walk(path)
	found.Add(Advise(at.Offenders, elsewhere)...)
	switch {
	case at.Info == nil:
		found.Add(Offender{Path: path, Why: "leads nowhere: " + file.Cause(at.Err).Error()})
	case !at.Info.Mode().IsRegular():
		found.Add(Offender{Path: path, Why: "is not a regular file"})
	}
}
