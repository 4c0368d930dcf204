package logging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"foreman-dlm-updater/internal/file"

	"golang.org/x/sys/unix"
)

const day = "2006-01-02"

// daily is a log file that is renamed at the end of a day to LOG.YYYY-MM-DD, the day on which its last line was
// written. Python's TimedRotatingFileHandler(when="midnight") uses the same names, so the files that the original
// program left behind are counted and removed with ours.
//
// Days begin at midnight in the clock's time zone. Several processes may write to one file.
type daily struct {
	path   string
	keep   int // how many files of earlier days to keep; 0: all
	now    func() time.Time
	report func(error) // called once at most

	mu       sync.Mutex
	file     *os.File // nil once closed
	next     time.Time
	reported bool
	torn     bool // the last line is not whole
}

// openDaily opens the file for appending. A file of an earlier day is renamed first: a process that runs once a day is
// not there at midnight. report gets the first error that comes later; it must not write to this file.
func openDaily(path string, keep int, now func() time.Time, report func(error)) (*daily, error) {
	d := &daily{path: path, keep: keep, now: now, report: report}
	rotateErr := d.putAside()
	if err := d.reopen(); err != nil {
		return nil, err
	}
	d.complain(rotateErr)
	d.complain(d.prune())
	return d, nil
}

// Write appends p, which should be whole lines, with one write(2). It never fails: what can't be written is lost, and
// the first such error is reported. A panic in here is reported too: it must not end the program.
func (d *daily) Write(p []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer func() {
		if mistake := recover(); mistake != nil {
			d.complain(internalError(mistake))
			n = len(p)
		}
	}()
	if d.file == nil {
		return len(p), nil
	}
	if !d.now().Before(d.next) {
		d.rotate()
	}
	line := p
	if d.torn {
		line = append([]byte("\n"), p...)
	}
	if n, err = d.file.Write(line); err != nil {
		d.torn = d.torn && n == 0 || n > 0
		d.complain(err)
		return len(p), nil
	}
	d.torn = false
	return len(p), nil
}

// Close closes the file. Later writes go nowhere.
func (d *daily) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		return nil
	}
	err := d.file.Close()
	d.file = nil
	return err
}

// rotate begins a new day. Whatever goes wrong, a file is open afterwards.
func (d *daily) rotate() {
	d.complain(d.putAside())
	d.complain(d.reopen())
	d.complain(d.prune())
}

// reopen opens the file that is now at the path, and only then closes the old one.
func (d *daily) reopen() error {
	now := d.now()
	d.next = time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, now.Location())
	// Without O_NONBLOCK a FIFO that nobody reads would block here for ever (open(2)).
	flags := os.O_WRONLY | os.O_APPEND | os.O_CREATE | unix.O_NONBLOCK
	trusted, err := trustedLink(d.path)
	if !trusted {
		flags |= unix.O_NOFOLLOW
	}
	var opened *os.File
	if err == nil {
		opened, err = os.OpenFile(d.path, flags, 0o640) // #nosec G302 -- the group may read it, as it may other logs
	}
	if err != nil {
		return fmt.Errorf("open log file %s: %w", d.path, file.Cause(err))
	}
	if d.file != nil {
		d.file.Close()
	}
	d.file = opened
	// A panic that nothing recovers from ends the program. Go prints it to standard error, which nobody may read (cron);
	// so this file gets a copy, unescaped.
	_ = debug.SetCrashOutput(opened, debug.CrashOptions{})
	return nil
}

// trustedLink reports whether the path is a symbolic link that belongs to root or to our user. If others may write to
// the log's directory, as the group syslog may to Ubuntu's /var/log, their link would decide which file root appends
// to.
func trustedLink(path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false, nil // opening the path will return the error
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != 0 && int(uid) != os.Geteuid() {
		return false, fmt.Errorf("it is a symbolic link of another user (uid %d): remove it", uid)
	}
	return true, nil
}

// putAside renames a file whose last line was written on an earlier day. Another process may be doing the same: then
// the new name is taken, or the file at the path is today's. Links and devices are left alone.
func (d *daily) putAside() error {
	info, err := os.Lstat(d.path)
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return nil // opening the path will return the error
	}
	now := d.now()
	written := info.ModTime().In(now.Location()).Format(day)
	if written >= now.Format(day) {
		return nil
	}
	err = renameNew(d.path, d.path+"."+written)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("rename log file %s to %s.%s: %w", d.path, filepath.Base(d.path), written, err)
	}
	return nil
}

// renameNew renames a file, but never onto an existing one. If the file system can't do that in one step (NFS: EINVAL),
// it makes a link and removes the old name.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOSYS) {
		return err
	}
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}

// prune removes the oldest files of earlier days, until no more than keep are left.
func (d *daily) prune() error {
	if d.keep <= 0 {
		return nil
	}
	dir := filepath.Dir(d.path)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for old log files: %w", err)
	}
	var old []string // as os.ReadDir sorts them, oldest first
	for _, entry := range entries {
		suffix, ok := strings.CutPrefix(entry.Name(), filepath.Base(d.path)+".")
		if _, err := time.Parse(day, suffix); ok && err == nil && !entry.IsDir() {
			old = append(old, entry.Name())
		}
	}
	var errs []error
	for len(old) > d.keep {
		if err := os.Remove(filepath.Join(dir, old[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove old log file: %w", err))
		}
		old = old[1:]
	}
	return errors.Join(errs...)
}

// complain reports only the first error: a full disk would cause one for every line.
func (d *daily) complain(err error) {
	if err != nil && !d.reported {
		d.reported = true
		d.report(err)
	}
}

// internalError is a panic as an error.
func internalError(mistake any) error {
	return fmt.Errorf("internal error: %v\n%s", mistake, debug.Stack())
}
