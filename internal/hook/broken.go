package hook

import (
	"errors"
	"fmt"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/vet"
)

// CheckInterpreter checks, without running the hook, that the kernel finds the interpreter that its first line names.
// If that is env(1), the command must be in the PATH of env. The hook must have been vetted.
func CheckInterpreter(h Hook, env []string) (vet.Offender, bool) {
	return badInterpreter(process.NewInterpreters(func() []string { return env }), h, h.Path)
}

// broken returns the reasons why the kernel would not execute a hook that leads to path.
func broken(in process.Interpreters, h Hook, path string) []vet.Offender {
	var found []vet.Offender
	if process.Noexec(path) {
		o := vet.Offender{Path: h.Path, Why: "is on a file system that is mounted noexec"}
		if path != h.Path {
			o.Fix = "install -m 0755 " + file.ShellWord(path) + " " + file.ShellWord(h.Path)
		}
		found = append(found, o)
	}
	if o, bad := badInterpreter(in, h, path); bad {
		found = append(found, o)
	}
	return found
}

func badInterpreter(in process.Interpreters, h Hook, path string) (vet.Offender, bool) {
	err := in.Check(path)
	switch {
	case err == nil:
		return vet.Offender{}, false
	case errors.Is(err, process.ErrDOS):
		return vet.Offender{Path: h.Path, Why: err.Error(), Fix: `sed -i 's/\r$//' ` + file.ShellWord(path)}, true
	}
	disable := "chmod a-x " + file.ShellWord(h.Path)
	if path != h.Path {
		disable = "rm " + file.ShellWord(h.Path)
	}
	return vet.Offender{Path: h.Path, Why: fmt.Sprintf("%s; `%s` disables the hook", err, disable)}, true
}
