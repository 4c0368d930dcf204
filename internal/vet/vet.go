// Package vet checks whether somebody else could change a file, or put another one in its place: a hook, a setting, the
// state, a lock.
package vet

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"foreman-dlm-updater/internal/file"
)

// maxLinks is how many symbolic links one path may lead through: MAXSYMLINKS of the kernel's
// include/linux/namei.h.
const maxLinks = 40

// Offender is a file, link or directory that is not safe, or not usable: the stage that needs it is refused.
type Offender struct {
	Path string
	Why  string
	Fix  string // a shell command that fixes it; empty if none is known
}

// String is a line for a person.
func (o Offender) String() string {
	line := file.ShellWord(o.Path) + ": " + o.Why
	if o.Fix != "" {
		line += "; fix it with: " + o.Fix
	}
	return line
}

// UnsafeError refuses a directory or a file, and names everything that is wrong with it.
type UnsafeError struct {
	Kind      string // "stage directory", "state file" and the like
	Path      string
	Offenders []Offender
}

// Error gives one line for the refusal and one for each offender, with the command that fixes it. Names with odd
// characters are quoted, so that they can't play tricks on a terminal.
func (e *UnsafeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "refused %s %s:", e.Kind, file.ShellWord(e.Path))
	for _, o := range e.Offenders {
		fmt.Fprintf(&b, "\n%s", o)
	}
	return b.String()
}

// Add adds offenders, each only once: files share the directories on their paths.
func (e *UnsafeError) Add(offenders ...Offender) {
	for _, o := range offenders {
		if !slices.Contains(e.Offenders, o) {
			e.Offenders = append(e.Offenders, o)
		}
	}
}

// OrNil is the error, or nil if it names nothing.
func (e *UnsafeError) OrNil() error {
	if len(e.Offenders) == 0 {
		return nil
	}
	return e
}

// Place is where a path leads.
type Place struct {
	Path      string      // without links; if it leads nowhere, the path of the missing file
	Info      fs.FileInfo // nil if it leads nowhere
	Err       error       // why it leads nowhere
	Linked    bool        // the path leads through at least one symbolic link
	Offenders []Offender  // on the way there, the end of the path included
}

// Session is one look at the host's files. It looks at each directory only once, since most paths share their first
// directories. Use a new Session to look again later, or after something else has run. Not safe for concurrent use.
type Session struct {
	owners []uint32               // the users that may own the files
	dirs   map[string]fs.FileInfo // the directories that were looked at
}

// NewSession begins a look for the user that the program runs as.
func NewSession() *Session {
	return &Session{[]uint32{0, uint32(os.Geteuid())}, map[string]fs.FileInfo{}}
}

// lstat remembers only directories: other files come up once.
func (s *Session) lstat(path string) (fs.FileInfo, error) {
	if info, known := s.dirs[path]; known {
		return info, nil
	}
	info, err := os.Lstat(path)
	if err == nil && info.IsDir() {
		s.dirs[path] = info
	}
	return info, err
}

// Dir vets a directory and all directories above it, and adds the offenders to found. It returns where dir leads, and
// whether there is a directory to read.
func (s *Session) Dir(dir string, found *UnsafeError) (real string, readable bool) {
	at := s.Walk(dir)
	found.Add(Advise(at.Offenders, elsewhere)...)
	const install = "install -d -m 0755 "
	create := install + file.ShellWord(dir)
	switch {
	case errors.Is(at.Err, fs.ErrNotExist) && at.Linked:
		target := file.ShellWord(at.Path)
		found.Add(Offender{dir, "leads to " + target + ", which does not exist", install + target})
	case errors.Is(at.Err, fs.ErrNotExist):
		found.Add(Offender{dir, "does not exist", create})
	case errors.Is(at.Err, syscall.ELOOP):
		found.Add(Offender{dir, file.Cause(at.Err).Error(), "rm " + file.ShellWord(dir) + " && " + create})
	case errors.Is(at.Err, syscall.ENOTDIR), at.Err == nil && !at.Info.IsDir():
		move := fmt.Sprintf("mv %s %s && ", file.ShellWord(at.Path), file.ShellWord(at.Path+".saved"))
		found.Add(Offender{at.Path, "is not a directory", move + create})
	case at.Err != nil:
		found.Add(Offender{dir, file.Cause(at.Err).Error(), ""})
	default:
		return at.Path, true
	}
	return at.Path, false
}

// elsewhere is the advice about a directory that should not be changed for this program's sake.
const elsewhere = "leave it as it is, and name another place in the configuration, " +
	"below directories that belong to root"

// Advise adds advice to offenders for which no command is known.
func Advise(offenders []Offender, what string) []Offender {
	for i, o := range offenders {
		if o.Fix == "" {
			offenders[i].Why += "; " + what
		}
	}
	return offenders
}

// Walk follows an absolute path as the kernel would, and looks at each directory, link and file on the way: whoever can
// change one of them can change what is executed.
//
// An ancestor that is sticky and root's, like /tmp, is accepted although everybody may write to it: nobody else can
// rename or remove files that root or our user owns there (unlink(2), EPERM), and each entry on the path is looked at
// itself. The end of the path gets no such exception: in a stage directory like that anybody could add a hook.
func (s *Session) Walk(path string) Place {
	at := Place{Path: "/"}
	rest := split(path)
	for links := 0; ; {
		info, err := s.lstat(at.Path)
		if err == nil && len(rest) > 0 && !info.IsDir() && info.Mode()&fs.ModeSymlink == 0 {
			err = syscall.ENOTDIR
		}
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			links++
			if links > maxLinks {
				err = syscall.ELOOP
			}
		}
		if err != nil {
			at.Err = err
			if errors.Is(err, fs.ErrNotExist) {
				at.Path = filepath.Join(append([]string{at.Path}, rest...)...)
			}
			return at
		}
		if o, bad := s.check(at.Path, info, len(rest) > 0); bad {
			at.Offenders = append(at.Offenders, o)
		}

		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at.Path)
			if err != nil {
				at.Err = err
				return at
			}
			at.Linked = true
			at.Path = filepath.Dir(at.Path)
			if filepath.IsAbs(target) {
				at.Path = "/"
			}
			rest = append(split(target), rest...)
		case len(rest) == 0:
			at.Info = info
			return at
		case rest[0] == ".": // only a directory may have that behind it
			rest = rest[1:]
		case rest[0] == "..":
			at.Path, rest = filepath.Dir(at.Path), rest[1:]
		default:
			at.Path, rest = filepath.Join(at.Path, rest[0]), rest[1:]
		}
	}
}

// split returns the names in a path that change where it leads. The last is "." if the path ends in a slash or a dot:
// then only a directory may be there.
func split(path string) []string {
	names := slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
	if strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") {
		names = append(names, ".")
	}
	return names
}

// check says what is wrong with the owner and the mode of one file. A link has no mode of its own. It suggests no
// command for a directory that is somebody's home or only on the way: that directory has another use.
func (s *Session) check(path string, info fs.FileInfo, ancestor bool) (Offender, bool) {
	uid := info.Sys().(*syscall.Stat_t).Uid
	link := info.Mode()&fs.ModeSymlink != 0
	sticky := ancestor && uid == 0 && info.Mode()&fs.ModeSticky != 0

	var why, fix []string
	theirs := !slices.Contains(s.owners, uid)
	if theirs {
		why = append(why, "belongs to "+username(uid))
		chown := "chown root:root "
		if link {
			chown = "chown -h root:root "
		}
		fix = append(fix, chown+file.ShellWord(path))
	}
	if info.Mode().Perm()&0o022 != 0 && !link && !sticky {
		why = append(why, fmt.Sprintf("can be written by others (mode %04o)", info.Sys().(*syscall.Stat_t).Mode&0o7777))
		fix = append(fix, "chmod go-w "+file.ShellWord(path))
	}
	if theirs && info.IsDir() && (ancestor || isHome(path, uid)) {
		fix = nil
	}
	return Offender{Path: path, Why: strings.Join(why, " and "), Fix: strings.Join(fix, " && ")}, len(why) > 0
}

// isHome reports whether path is the home directory of a user.
func isHome(path string, uid uint32) bool {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	return err == nil && filepath.Clean(u.HomeDir) == path
}

// username gives the name, if there is one, and the number of a user.
func username(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return fmt.Sprintf("%s (uid %s)", u.Username, id)
	}
	return "uid " + id
}
