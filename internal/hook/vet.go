package hook

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
)

// maxLinks is how many symbolic links one path may lead through: MAXSYMLINKS of the kernel's
// include/linux/namei.h.
const maxLinks = 40

// Offender is a file, link or directory because of which a stage is refused.
type Offender struct {
	Path string
	Why  string
	Fix  string // a shell command that fixes it; empty if none is known
}

// String is a line for a person.
func (o Offender) String() string {
	line := quote(o.Path) + ": " + o.Why
	if o.Fix != "" {
		line += "; fix it with: " + o.Fix
	}
	return line
}

// UnsafeError refuses a directory or a file. It names all that is wrong with it.
type UnsafeError struct {
	Kind      string // "stage directory", "state file" and the like
	Path      string
	Offenders []Offender
}

// Error gives one line for the whole and one for each offender, with the command that fixes it.
// Names with odd characters are quoted: nothing of them reaches a terminal raw.
func (e *UnsafeError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "refused %s %s:", e.Kind, quote(e.Path))
	for _, o := range e.Offenders {
		fmt.Fprintf(&b, "\n%s", o)
	}
	return b.String()
}

// add takes each offender once: hooks share the directories on their paths.
func (e *UnsafeError) add(offenders ...Offender) {
	for _, o := range offenders {
		if !slices.Contains(e.Offenders, o) {
			e.Offenders = append(e.Offenders, o)
		}
	}
}

// place is where a path leads.
type place struct {
	path      string      // without links; of what is missing if it leads nowhere
	info      fs.FileInfo // nil if it leads nowhere
	err       error       // why it leads nowhere
	linked    bool        // through at least one symbolic link
	offenders []Offender  // met on the way, its end included
}

// vetter walks paths and looks at every step.
type vetter struct {
	owners       []uint32 // the users that may own what it meets
	interpreters interpreters
}

func newVetter() vetter {
	return vetter{[]uint32{0, uint32(os.Geteuid())}, interpreters{Environment(), map[string]error{}}}
}

// stageDir vets the stage directory and all above it, and adds what is wrong to found. It returns where dir leads, and
// whether there is a directory to be read.
func (v vetter) stageDir(dir string, found *UnsafeError) (real string, readable bool) {
	at := v.walk(dir)
	found.add(advise(at.offenders, elsewhere)...)
	install := "install -d -m 0755 "
	switch {
	case errors.Is(at.err, fs.ErrNotExist) && at.linked:
		found.add(Offender{dir, "leads to " + quote(at.path) + ", which does not exist", install + quote(at.path)})
	case errors.Is(at.err, fs.ErrNotExist):
		found.add(Offender{dir, "does not exist", install + quote(dir)})
	case errors.Is(at.err, syscall.ELOOP):
		found.add(Offender{dir, reason(at.err), "rm " + quote(dir) + " && " + install + quote(dir)})
	case errors.Is(at.err, syscall.ENOTDIR), at.err == nil && !at.info.IsDir():
		move := fmt.Sprintf("mv %s %s && ", quote(at.path), quote(at.path+".saved"))
		found.add(Offender{at.path, "is not a directory", move + install + quote(dir)})
	case at.err != nil:
		found.add(Offender{dir, reason(at.err), ""})
	default:
		return at.path, true
	}
	return at.path, false
}

// elsewhere is the advice about a directory that is not to be changed for our sake.
const elsewhere = "leave it as it is, and name another place in the configuration, below directories that belong to root"

// advise says what to do about offenders for which no command is known.
func advise(offenders []Offender, what string) []Offender {
	for i, o := range offenders {
		if o.Fix == "" {
			offenders[i].Why += "; " + what
		}
	}
	return offenders
}

// walk follows an absolute path as the kernel would, and looks at each directory, link and file that it
// meets on the way: whoever may change one of them may change what is executed.
//
// An ancestor that is sticky and root's, like /tmp, is accepted although all may write to it: nobody
// else can rename or remove what root or we own there (unlink(2), EPERM), and each entry that the path
// goes through is looked at itself. The end of the path gets no such exception: in a stage directory
// like that anybody could add a hook.
func (v vetter) walk(path string) place {
	at := place{path: "/"}
	rest := split(path)
	for links := 0; ; {
		info, err := os.Lstat(at.path)
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
			at.err = err
			if errors.Is(err, fs.ErrNotExist) {
				at.path = filepath.Join(append([]string{at.path}, rest...)...)
			}
			return at
		}
		if o, bad := v.check(at.path, info, len(rest) > 0); bad {
			at.offenders = append(at.offenders, o)
		}

		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(at.path)
			if err != nil {
				at.err = err
				return at
			}
			at.linked = true
			at.path = filepath.Dir(at.path)
			if filepath.IsAbs(target) {
				at.path = "/"
			}
			rest = append(split(target), rest...)
		case len(rest) == 0:
			at.info = info
			return at
		case rest[0] == ".": // nothing but a directory may have that behind it
			rest = rest[1:]
		case rest[0] == "..":
			at.path, rest = filepath.Dir(at.path), rest[1:]
		default:
			at.path, rest = filepath.Join(at.path, rest[0]), rest[1:]
		}
	}
}

// split gives the names in a path that change where it leads, and a last "." if only a directory may be there: after a slash or a dot.
func split(path string) []string {
	names := slices.DeleteFunc(strings.Split(path, "/"), func(name string) bool { return name == "" || name == "." })
	if strings.HasSuffix(path, "/") || strings.HasSuffix(path, "/.") {
		names = append(names, ".")
	}
	return names
}

// check says what is wrong with the owner and the mode of one file. A link has no mode of its own. There is no command
// for a directory that is somebody else's home, or that is only on the way: it has another use.
func (v vetter) check(path string, info fs.FileInfo, ancestor bool) (Offender, bool) {
	uid := info.Sys().(*syscall.Stat_t).Uid
	link := info.Mode()&fs.ModeSymlink != 0
	sticky := ancestor && uid == 0 && info.Mode()&fs.ModeSticky != 0

	var why, fix []string
	theirs := !slices.Contains(v.owners, uid)
	if theirs {
		why = append(why, "belongs to "+username(uid))
		chown := "chown root:root "
		if link {
			chown = "chown -h root:root "
		}
		fix = append(fix, chown+quote(path))
	}
	if info.Mode().Perm()&0o022 != 0 && !link && !sticky {
		why = append(why, fmt.Sprintf("can be written by others (mode %04o)", info.Sys().(*syscall.Stat_t).Mode&0o7777))
		fix = append(fix, "chmod go-w "+quote(path))
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

// username gives the name, where it has one, and the number of a user.
func username(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return fmt.Sprintf("%s (uid %s)", u.Username, id)
	}
	return "uid " + id
}

// reason is an error without the operation and the path, which its reader has seen already.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// quote makes a path one word of the shell. With unprintable characters in it that is bash's and
// POSIX 2024's $'…', so that the word can be shown as well.
func quote(path string) string {
	const plain = "+,-./:@_" // beside letters and digits
	odd := func(r rune) bool {
		return !strings.ContainsRune(plain, r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	switch shown := escape([]byte(path)); {
	case path != "" && strings.IndexFunc(path, odd) < 0:
		return path
	case shown == path:
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	default:
		return "$'" + escape([]byte(strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(path))) + "'"
	}
}
