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

// VetSettings looks at the files NAME.conf in dir, which hooks read as shell code: they must be as safe as hooks are.
// The error is a *vet.UnsafeError. A dir that isn't there has no settings.
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
