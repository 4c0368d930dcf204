package vet

import (
	"path/filepath"

	"foreman-dlm-updater/internal/file"
)

// State looks at the state file: whoever can write it, or put another into its place, decides which stage comes
// next. Nobody else may write to its directory, not even to a sticky one, where the file might not be there yet.
func (s *Session) State(path string) error {
	return s.file("state file", path, filepath.Dir(path), path)
}

// Lock looks at a lock file: whoever can open it can keep every invocation away.
func (s *Session) Lock(path string) error { return s.file("lock file", path, path) }

// file walks paths that are to be safe to their ends. What isn't there, using it will tell.
func (s *Session) file(kind, path string, paths ...string) error {
	found := &UnsafeError{Kind: kind, Path: path}
	for _, each := range paths {
		found.Add(Advise(s.Walk(each).Offenders, elsewhere)...)
	}
	return found.OrNil()
}

// Regular vets a path that has to lead to a regular file, and adds what is wrong to found.
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
