package schedule

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"foreman-dlm-updater/internal/calendar"
	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/vet"
)

// FreezeError says that a freeze can't be read or trusted, so nobody knows whether this day is frozen.
type FreezeError struct{ Err error }

func (e *FreezeError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *FreezeError) Unwrap() error { return e.Err }

const maxFreezes = 1 << 20 // bytes of one file

// Freezes reads all files of a directory but leftovers (file.Leftover). The directory may be missing. The error is a
// *FreezeError that names every line that can't be read; it wraps a *vet.UnsafeError if somebody else could change a
// file, or if something other than a file is there. Freezes that could be read are returned all the same.
func Freezes(dir string) ([]calendar.Freeze, error) {
	if dir == "" || missing(dir) {
		return nil, nil
	}
	paths, err := freezeFiles(vet.NewSession(), dir)
	if err != nil {
		return nil, &FreezeError{err}
	}
	var all []calendar.Freeze
	var wrong []error
	for _, path := range paths {
		content, err := file.Read(path, maxFreezes)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("read freezes: %w", err))
			continue
		}
		freezes, err := calendar.ParseFreezes(path, string(content))
		if err != nil {
			wrong = append(wrong, err)
		}
		all = append(all, freezes...)
	}
	if len(wrong) > 0 {
		return all, &FreezeError{errors.Join(wrong...)}
	}
	return all, nil
}

// freezeFiles vets a directory and its files, as hook.VetSettings does.
func freezeFiles(s *vet.Session, dir string) (paths []string, err error) {
	found := &vet.UnsafeError{Kind: "freeze directory", Path: dir}
	if _, readable := s.Dir(dir, found); readable {
		entries, err := os.ReadDir(dir)
		if err != nil {
			found.Add(vet.Offender{Path: dir, Why: file.Cause(err).Error()})
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if file.Leftover(entry.Name()) || missing(path) { // it vanished meanwhile
				continue
			}
			s.Regular(path, found)
			paths = append(paths, path)
		}
	}
	return paths, found.OrNil()
}

// missing reports whether there is nothing at all at a path; a link that leads nowhere is something. On most hosts this
// is all that a night costs.
func missing(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// inForce returns the freeze that covers a moment; of several, the one that ends last. nil if there is none.
func inForce(freezes []calendar.Freeze, at time.Time) (freeze *calendar.Freeze) {
	for i, f := range freezes {
		if !at.Before(f.Start) && at.Before(f.End) && (freeze == nil || f.End.After(freeze.End)) {
			freeze = &freezes[i]
		}
	}
	return freeze
}

// frozen is the reason in one line, always in the same words.
func frozen(f calendar.Freeze) string {
	reason := f.Reason
	if reason == "" {
		reason = f.When
	}
	return file.Escape("frozen: " + reason)
}

// Frozen says which freeze keeps runs from beginning from one moment to another, both included; "" if none does.
func Frozen(freezes []calendar.Freeze, from, to time.Time) string {
	first := inForce(freezes, from)
	if first == nil || !first.End.After(to) {
		return ""
	}
	return frozen(*first)
}

// IsUnclear reports whether an error says that a pause or a freeze can't be read or trusted.
func IsUnclear(err error) bool {
	var pause *PauseError
	var freeze *FreezeError
	return errors.As(err, &pause) || errors.As(err, &freeze)
}
