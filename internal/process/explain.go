package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

// exitError explains the two exit codes with which shells, env(1) and the like report that they could not execute a
// command (POSIX, Shell Command Language 2.8.2); nil for every other code.
func exitError(exit int) error {
	switch exit {
	case 126:
		return errors.New("a command that it calls is no program, or may not be executed")
	case 127:
		return errors.New("a command that it calls was not found, or lacks a library")
	}
	return nil
}

// explain says what an error of execve(2) or fork(2) means for path.
func explain(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("%w (no #! line at its beginning, or a program for another machine)", syscall.ENOEXEC)
	case errors.Is(err, fs.ErrNotExist):
		return missing(path)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%w (it or its interpreter is not executable, or mounted noexec)", syscall.EACCES)
	}
	var inner *fs.PathError
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// missing tells which file is missing, for which execve(2) just says ENOENT: path itself, a script's interpreter, or a
// program's loader.
func missing(path string) error {
	head, err := readHead(path)
	if err != nil {
		return err
	}
	line, script := bytes.CutPrefix(head, []byte("#!"))
	if !script {
		return errors.New("the loader that the program was built for doesn't exist (ldd tells its name)")
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if bytes.HasSuffix(line, []byte("\r")) {
		line = bytes.TrimSpace(bytes.TrimSuffix(line, []byte("\r")))
		return fmt.Errorf("interpreter %q does not exist (the file has DOS line endings)", line)
	}
	interpreter, _, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
	return fmt.Errorf("interpreter %q does not exist", interpreter)
}
