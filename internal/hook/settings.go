package hook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/vet"
)

// VetSettings vets the files NAME.conf in dir. Hooks read them as shell code, so they must be as safe as the hooks. The
// error is a *vet.UnsafeError. A missing dir is no error.
func VetSettings(s *vet.Session, dir string) error {
	found := &vet.UnsafeError{Kind: "settings directory", Path: dir}
	at := s.Walk(dir)
	if errors.Is(at.Err, fs.ErrNotExist) && !at.Linked {
		return nil
	}
	if _, readable := s.Dir(dir, found); readable {
		entries, err := os.ReadDir(dir)
		if err != nil {
			found.Add(vet.Offender{Path: dir, Why: file.Cause(err).Error()})
		}
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), ".conf") {
				s.Regular(filepath.Join(dir, entry.Name()), found)
			}
		}
	}
	return found.OrNil()
}
