package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"foreman-dlm-updater/internal/file"

	"golang.org/x/sys/unix"
)

// Interpreters checks, without running a file, that the kernel would find the interpreter that its first line names. If
// that is env(1), the command must be in the PATH of the environment. It looks for each interpreter once: most hooks of
// a stage have the same one. Not safe for concurrent use.
type Interpreters struct {
	env   func() []string
	known map[string]error
}

// NewInterpreters is for files that will run with the environment that env returns. It calls env only if env(1) would
// use the environment.
func NewInterpreters(env func() []string) Interpreters { return Interpreters{env, map[string]error{}} }

// ErrDOS says that a script can't be executed because its first line ends in a carriage return.
var ErrDOS = errors.New("the file has DOS line endings")

// Check returns nil if the file has an interpreter, needs none, or may be executed but not read.
func (in Interpreters) Check(path string) error {
	head, err := readHead(path)
	if err != nil && errors.Is(unix.Access(path, unix.R_OK), unix.EACCES) {
		return nil
	}
	if err != nil {
		return err
	}
	line, script := bytes.CutPrefix(head, []byte("#!"))
	line, _, _ = bytes.Cut(line, []byte("\n"))
	words := strings.Fields(string(line))
	switch {
	case !script && bytes.HasPrefix(head, []byte("\x7fELF")):
		return nil
	case !script || len(words) == 0:
		return errors.New("it names no interpreter: there is no #! line at its beginning; " +
			"write one, #!/bin/sh for a shell script")
	case bytes.HasSuffix(line, []byte("\r")):
		return ErrDOS
	}
	known, seen := in.known[string(line)]
	if !seen {
		known = in.find(words)
		in.known[string(line)] = known
	}
	return known
}

// find looks for the interpreter that the words of a first line name.
func (in Interpreters) find(words []string) error {
	const install = "; install it, or correct the hook's first line"
	if info, err := os.Stat(words[0]); err != nil {
		return fmt.Errorf("interpreter %q: %s%s", words[0], file.Cause(err), install)
	} else if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 || Noexec(words[0]) {
		return fmt.Errorf("interpreter %q is not executable%s", words[0], install)
	}
	if filepath.Base(words[0]) != "env" {
		return nil
	}
	if command := commandOfEnv(words[1:]); command != "" {
		if _, err := LookPath(command, in.env()); err != nil {
			return fmt.Errorf("%w%s", err, install)
		}
	}
	return nil
}

// commandOfEnv is the command that env(1) looks for in its PATH. Empty if there is none, or if it is uncertain: an
// unknown option may have an argument, -S knows quotes, variables and comments, and env(1) may be told to change PATH.
func commandOfEnv(words []string) string {
	for i := 0; i < len(words); i++ {
		word := words[i]
		name, _, assigns := strings.Cut(word, "=")
		switch {
		case strings.ContainsAny(word, "\"'\\$") || strings.HasPrefix(word, "#"):
			return ""
		case slices.Contains([]string{"-S", "--split-string", "-v", "--debug", "--"}, word):
		case slices.Contains([]string{"-u", "--unset", "-C", "--chdir"}, word):
			i++
			if i < len(words) && words[i] == "PATH" {
				return ""
			}
		case name == "--chdir" || strings.HasPrefix(word, "-C"):
		case name == "--unset" || strings.HasPrefix(word, "-u"):
			if strings.HasSuffix(word, "PATH") {
				return ""
			}
		case strings.HasPrefix(word, "-") || name == "PATH":
			return ""
		case !assigns:
			return word
		}
	}
	return ""
}

// readHead reads as much of a file as the kernel does to find its interpreter.
func readHead(path string) ([]byte, error) {
	f, err := file.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %s", file.ShellWord(path), file.Cause(err))
	}
	defer f.Close()
	head := make([]byte, 256) // BINPRM_BUF_SIZE of the kernel's include/uapi/linux/binfmts.h
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", file.ShellWord(path), err)
	}
	return head[:n], nil
}

// Noexec reports whether the file system of a path is mounted noexec (mount(8)). It asks the mount, not the device: a
// bind mount of the same device can differ.
func Noexec(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0
}
