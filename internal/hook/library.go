package hook

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/vet"
)

// Library is a directory of ready-made hooks, DIR/STAGE.d/NAME. A symbolic link to one in a stage directory enables it.
type Library struct{ Dir string }

// Names lists the hooks that the library has for a stage; none if there is no library.
func (l Library) Names(stage string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(l.Dir, stage+".d"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read hook library: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() && !file.Leftover(entry.Name()) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// Path is where the library has a hook, or would have it.
func (l Library) Path(stage, name string) string { return filepath.Join(l.Dir, stage+".d", name) }

// maxHead limits the comment at the top of a hook, in bytes.
const maxHead = 64 << 10

// Description is the first sentence of the comment at the top of a hook, safe to show; empty if there is none.
func (l Library) Description(stage, name string) string {
	hook, err := file.Open(l.Path(stage, name))
	if err != nil {
		return ""
	}
	defer hook.Close()
	return file.Escape(firstSentence(hook))
}

// defaultNumber is the number of a hook whose place in its stage does not matter.
const defaultNumber = "50"

// numberLine is the line that gives a hook's number, in the comment at its top.
var numberLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^# Number: ([0-9]{2})$`) })

// Number is a hook's place in its stage: two digits, from the comment at its top; 50 if the comment has no number or
// can't be read.
func (l Library) Number(stage, name string) string {
	hook, err := file.Open(l.Path(stage, name))
	if err != nil {
		return defaultNumber
	}
	defer hook.Close()
	for lines := bufio.NewScanner(io.LimitReader(hook, maxHead)); lines.Scan() && strings.HasPrefix(lines.Text(), "#"); {
		if found := numberLine().FindStringSubmatch(lines.Text()); found != nil {
			return found[1]
		}
	}
	return defaultNumber
}

func firstSentence(hook io.Reader) string {
	var text strings.Builder
	lines := bufio.NewScanner(io.LimitReader(hook, maxHead))
	for lines.Scan() {
		line, comment := strings.CutPrefix(lines.Text(), "# ")
		switch {
		case strings.HasPrefix(lines.Text(), "#!"):
			continue
		case !comment:
			return text.String()
		}
		for word := range strings.FieldsSeq(line) {
			if text.Len() > 0 {
				text.WriteByte(' ')
			}
			text.WriteString(word)
			if strings.HasSuffix(word, ".") || strings.HasSuffix(word, "?") {
				return text.String()
			}
		}
	}
	return text.String()
}

// Leads returns the name of the library's hook that a link leads to, even if that hook no longer exists; empty if the
// link leads elsewhere, or is not a link.
func (l Library) Leads(stage, link string) string {
	target, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(link), target)
	}
	name, err := filepath.Rel(filepath.Join(l.Dir, stage+".d"), target)
	if err != nil || strings.Contains(name, "/") || name == ".." || name == "." {
		return ""
	}
	return name
}

// Enable creates a link in a stage directory to a hook of the library. It creates nothing if the hook would be refused
// (*vet.UnsafeError) or the name is taken.
func (l Library) Enable(stage, name, dir, link string) error {
	h := Hook{Name: link, Path: filepath.Join(dir, link)}
	s := vet.NewSession()
	found := &vet.UnsafeError{Kind: "stage directory", Path: dir}
	if _, readable := s.Dir(dir, found); readable {
		target := Hook{Name: name, Path: l.Path(stage, name)}
		home, _ := filepath.EvalSymlinks(filepath.Dir(target.Path))
		e := newVetter(s).entry(target, home, nil)
		found.Add(append(vet.Advise(e.Offenders, "install the package again"), e.Broken...)...)
		if e.Skipped != "" {
			found.Add(vet.Offender{Path: target.Path, Why: e.Skipped})
		}
	}
	switch {
	case len(found.Offenders) > 0:
		return found
	case file.Leftover(link):
		return fmt.Errorf("%q is the name of a leftover or hidden file, which is no hook", link)
	}
	if err := os.Symlink(l.Path(stage, name), h.Path); err != nil {
		return fmt.Errorf("enable hook: %w", err)
	}
	return nil
}
