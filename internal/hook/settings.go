package hook

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// VetSettings looks at the files NAME.conf in dir, which hooks read as shell code: they must be as safe as hooks are. The error is
// an *UnsafeError. A dir that isn't there has no settings.
func VetSettings(dir string) error {
	found := &UnsafeError{Kind: "settings directory", Path: dir}
	v := newVetter()
	at := v.walk(dir)
	if errors.Is(at.err, fs.ErrNotExist) && !at.linked {
		return nil
	}
	if _, readable := v.stageDir(dir, found); readable {
		entries, err := os.ReadDir(dir)
		if err != nil {
			found.add(Offender{Path: dir, Why: reason(err)})
		}
		for _, entry := range entries {
			if strings.HasSuffix(entry.Name(), ".conf") {
				v.regular(filepath.Join(dir, entry.Name()), found)
			}
		}
	}
	if len(found.Offenders) > 0 {
		return found
	}
	return nil
}

// regular vets a path that has to lead to a regular file.
func (v vetter) regular(path string, found *UnsafeError) {
	at := v.walk(path)
	found.add(advise(at.offenders, elsewhere)...)
	switch {
	case at.info == nil:
		found.add(Offender{Path: path, Why: "leads nowhere: " + reason(at.err)})
	case !at.info.Mode().IsRegular():
		found.add(Offender{Path: path, Why: "is not a regular file"})
	}
}
