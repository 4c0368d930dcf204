package hook

import "path/filepath"

// VetState looks at the state file: whoever can write it, or put another into its place, decides which stage comes
// next. Nobody else may write to its directory, not even to a sticky one, where the file might not be there yet.
func VetState(path string) error { return vetFile("state file", path, filepath.Dir(path), path) }

// VetLock looks at a lock file: whoever can open it can keep every invocation away.
func VetLock(path string) error { return vetFile("lock file", path, path) }

// vetFile walks paths that are to be safe to their ends. What isn't there, using it will tell.
func vetFile(kind, path string, paths ...string) error {
	found := &UnsafeError{Kind: kind, Path: path}
	v := newVetter()
	for _, each := range paths {
		found.add(advise(v.walk(each).offenders, elsewhere)...)
	}
	if len(found.Offenders) > 0 {
		return found
	}
	return nil
}
