package hook

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	regular "foreman-dlm-updater/internal/file"
)

// CheckInterpreter sees, without running it, whether the kernel finds what a hook's first line names, and env(1) what it is to look for in the
// PATH of env. It is meant for hooks that were vetted.
func CheckInterpreter(h Hook, env []string) (Offender, bool) {
	err := checkInterpreter(h.Path, env)
	switch {
	case err == nil:
		return Offender{}, false
	case errors.Is(err, errDOS):
		return Offender{Path: h.Path, Why: err.Error(), Fix: `sed -i 's/\r$//' ` + quote(h.Path)}, true
	}
	why := fmt.Sprintf("%s: install it, or correct the hook's first line; `chmod a-x %s` disables the hook", err, quote(h.Path))
	return Offender{Path: h.Path, Why: why}, true
}

var errDOS = errors.New("the lines of the file end as in DOS")

func checkInterpreter(path string, env []string) error {
	head, err := readHead(path)
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
		return errors.New("it names no interpreter: there is no #! line at its beginning")
	case bytes.HasSuffix(line, []byte("\r")):
		return errDOS
	}
	if info, err := os.Stat(words[0]); err != nil {
		return fmt.Errorf("interpreter %q: %s", words[0], reason(err))
	} else if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return fmt.Errorf("interpreter %q is not executable", words[0])
	}
	if filepath.Base(words[0]) != "env" {
		return nil
	}
	for _, word := range words[1:] {
		if !strings.HasPrefix(word, "-") && !strings.Contains(word, "=") {
			_, err := LookPath(word, env)
			return err
		}
	}
	return nil
}

// readHead reads as much of a file as the kernel does to find its interpreter.
func readHead(path string) ([]byte, error) {
	f, err := regular.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %s", quote(path), reason(err))
	}
	defer f.Close()
	head := make([]byte, 256) // BINPRM_BUF_SIZE of the kernel's include/uapi/linux/binfmts.h
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", quote(path), err)
	}
	return head[:n], nil
}
