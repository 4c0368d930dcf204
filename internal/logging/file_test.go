package logging

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// at is noon of a day in March 2026.
func at(day int) time.Time { return time.Date(2026, 3, day, 12, 0, 0, 0, time.Local) }

// clock is a clock that a test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

// old writes a file whose last line is of that time.
func old(t *testing.T, path, text string, mtime time.Time) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o640))
	must(t, os.Chtimes(path, mtime, mtime))
}

// files gives the content of all files in dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	content := map[string]string{}
	for _, e := range entries {
		content[e.Name()] = read(t, filepath.Join(dir, e.Name()))
	}
	return content
}

// open opens the log in dir; trouble fails the test.
func open(t *testing.T, dir string, keep int, now func() time.Time) *daily {
	t.Helper()
	d, err := openDaily(filepath.Join(dir, "log"), keep, now, func(err error) { t.Error(err) })
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func put(t *testing.T, d *daily, text string) {
	t.Helper()
	if n, err := d.Write([]byte(text)); n != len(text) || err != nil {
		t.Errorf("write: %d, %v", n, err)
	}
}

func TestOpen(t *testing.T) {
	midnight := time.Date(2026, 3, 4, 0, 0, 0, 0, time.Local)
	for name, tt := range map[string]struct {
		prepare func(t *testing.T, log string)
		want    map[string]string
	}{
		"new": {func(t *testing.T, log string) {}, map[string]string{"log": "new\n"}},
		"of today": {func(t *testing.T, log string) { old(t, log, "old\n", at(4)) },
			map[string]string{"log": "old\nnew\n"}},
		"just today": {func(t *testing.T, log string) { old(t, log, "old\n", midnight) },
			map[string]string{"log": "old\nnew\n"}},
		"of the future": {func(t *testing.T, log string) { old(t, log, "old\n", at(9)) },
			map[string]string{"log": "old\nnew\n"}},
		"empty": {func(t *testing.T, log string) { old(t, log, "", at(1)) }, map[string]string{"log": "new\n"}},
		"just yesterday": {func(t *testing.T, log string) { old(t, log, "old\n", midnight.Add(-1)) },
			map[string]string{"log": "new\n", "log.2026-03-03": "old\n"}},
		"of some days ago": {func(t *testing.T, log string) { old(t, log, "old\n", at(1)) },
			map[string]string{"log": "new\n", "log.2026-03-01": "old\n"}},
		"name is taken": {func(t *testing.T, log string) {
			old(t, log, "old\n", at(3))
			old(t, log+".2026-03-03", "older\n", at(3))
		}, map[string]string{"log": "old\nnew\n", "log.2026-03-03": "older\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tt.prepare(t, filepath.Join(dir, "log"))
			put(t, open(t, dir, 7, func() time.Time { return at(4) }), "new\n")
			if diff := cmp.Diff(tt.want, files(t, dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOpenMode(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	dir := t.TempDir()
	open(t, dir, 7, time.Now)
	info, err := os.Stat(filepath.Join(dir, "log"))
	must(t, err)
	if info.Mode() != 0o640 {
		t.Error(info.Mode())
	}
}

func TestOpenError(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	for path, want := range map[string]string{
		dir + "/no/log": "open log file " + dir + "/no/log: no such file or directory",
		dir:             "open log file " + dir + ": is a directory",
		dir + "/fifo":   "open log file " + dir + "/fifo: no such device or address",
	} {
		_, _, err := New(Options{File: path})
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestLinkAndDevice: a link and a device stay as they are.
func TestLinkAndDevice(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "log")
	old(t, target, "old\n", at(1))
	must(t, os.Symlink(target, filepath.Join(dir, "log")))
	put(t, open(t, dir, 7, func() time.Time { return at(4) }), "new\n")
	if diff := cmp.Diff(map[string]string{"log": "old\nnew\n"}, files(t, elsewhere)); diff != "" {
		t.Error(diff)
	}
	d, err := openDaily("/dev/null", 0, time.Now, func(err error) { t.Error(err) })
	must(t, err)
	put(t, d, "gone\n")
	must(t, d.Close())
}

// TestLinkOfAnother: others who may write to the log's directory, as the group syslog may to Ubuntu's /var/log, must
// not decide which file root appends to.
func TestLinkOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
	const nobody = 65534
	dir, elsewhere := t.TempDir(), t.TempDir()
	target := filepath.Join(elsewhere, "of value")
	old(t, target, "kept\n", at(1))
	link := filepath.Join(dir, "log")
	must(t, os.Symlink(target, link))
	must(t, os.Lchown(link, nobody, nobody))
	_, err := openDaily(link, 7, time.Now, func(err error) { t.Error(err) })
	want := "open log file " + link + ": it is a symbolic link of another user (uid 65534): remove it"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}

	// In the middle: the log goes on in the file that was open, and the error is reported.
	must(t, os.Remove(link))
	now, told := at(4), []error{}
	d, err := openDaily(link, 7, func() time.Time { return now }, func(err error) { told = append(told, err) })
	must(t, err)
	must(t, os.Remove(link))
	must(t, os.Symlink(target, link))
	must(t, os.Lchown(link, nobody, nobody))
	now = at(5)
	put(t, d, "line\n")
	if len(told) != 1 {
		t.Errorf("told %v, want one error", told)
	}
	if diff := cmp.Diff(map[string]string{"of value": "kept\n"}, files(t, elsewhere)); diff != "" {
		t.Error(diff)
	}
}

func TestPrune(t *testing.T) {
	names := []string{
		"log.2025-12-31", "log.2026-02-01", "log.2026-02-28", "log.2026-03-01", // by the original or by us
		"log.2026-02-01.gz", "log.2026-13-01", "log.2026-2-1", "log.1", "log.", "log.old", "xlog.2026-02-01",
		"other.2025-01-01",
	}
	for keep, gone := range map[int]string{0: "", 9: "", 4: "", 3: "log.2025-12-31",
		1: "log.2025-12-31 log.2026-02-01 log.2026-02-28"} {
		dir := t.TempDir()
		for _, name := range names {
			old(t, filepath.Join(dir, name), name, at(1))
		}
		must(t, os.Mkdir(filepath.Join(dir, "log.2020-01-01"), 0o700))
		open(t, dir, keep, func() time.Time { return at(4) })
		var missing []string
		for _, name := range names {
			if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
				missing = append(missing, name)
			}
		}
		if diff := cmp.Diff(gone, strings.Join(missing, " ")); diff != "" {
			t.Errorf("keep %d: %s", keep, diff)
		}
		if _, err := os.Stat(filepath.Join(dir, "log.2020-01-01")); err != nil {
			t.Error(err)
		}
	}
}

func TestMidnight(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	now := &clock{now: at(4)}
	d := open(t, dir, 2, now.time)
	for _, step := range []struct {
		now  time.Time
		text string
	}{
		{at(4), "4a\n"},
		{time.Date(2026, 3, 4, 23, 59, 59, 999999999, time.Local), "4b\n"},
		{time.Date(2026, 3, 5, 0, 0, 0, 0, time.Local), "5a\n"},
		{at(5), "5b\n"},
		{at(4), "5c\n"}, // a clock that was set back
		{at(8), "8\n"},
		{at(9), "9\n"},
	} {
		now.set(step.now)
		put(t, d, step.text)
		must(t, os.Chtimes(log, step.now, step.now))
		if step.text == "5c\n" {
			must(t, os.Chtimes(log, at(5), at(5)))
		}
	}
	want := map[string]string{"log.2026-03-05": "5a\n5b\n5c\n", "log.2026-03-08": "8\n", "log": "9\n"}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestMidnightOfOthers: many processes see the same midnight. (Several open files behave like several processes.)
func TestMidnightOfOthers(t *testing.T) {
	dir := t.TempDir()
	now := &clock{now: at(4)}
	var all []*daily
	for i := range 16 {
		all = append(all, open(t, dir, 7, now.time))
		put(t, all[i], "old\n")
	}
	must(t, os.Chtimes(filepath.Join(dir, "log"), at(4), at(4)))
	now.set(at(5))
	var done sync.WaitGroup
	for _, d := range all {
		done.Go(func() { put(t, d, "new\n") })
	}
	done.Wait()
	want := map[string]string{"log": strings.Repeat("new\n", 16), "log.2026-03-04": strings.Repeat("old\n", 16)}
	if diff := cmp.Diff(want, files(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// TestDirectoryGone: if the log can be neither renamed nor opened, the open file stays in use.
func TestDirectoryGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	must(t, os.Mkdir(dir, 0o700))
	now := &clock{now: at(4)}
	var trouble []error
	d, err := openDaily(filepath.Join(dir, "log"), 7, now.time, func(err error) { trouble = append(trouble, err) })
	must(t, err)
	defer d.Close()
	must(t, os.Rename(dir, dir+".moved"))
	now.set(at(5))
	put(t, d, "a\n")
	now.set(at(6))
	put(t, d, "b\n")
	if diff := cmp.Diff(map[string]string{"log": "a\nb\n"}, files(t, dir+".moved")); diff != "" {
		t.Error(diff)
	}
	want := fmt.Sprintf("open log file %s/log: no such file or directory", dir)
	if len(trouble) != 1 || trouble[0].Error() != want {
		t.Error(trouble)
	}
}

// TestFull writes to a disk that is full.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	must(t, err)
	defer stderr.Close()
	log, closer, err := New(Options{File: "/dev/full", Stderr: stderr, now: noon})
	must(t, err)
	for range 3 {
		log.Info("lost")
	}
	must(t, closer.Close())
	log.Info("after the end")
	want := `2026-03-04T12:00:00.005+02:00 [ERROR] log file is in trouble; lines may be missing from it: ` +
		`error="write /dev/full: no space left on device"` + "\n"
	if diff := cmp.Diff(want, read(t, filepath.Join(dir, "stderr"))); diff != "" {
		t.Error(diff)
	}
}

// TestTorn fills a file up to its limit in the middle of a log line. The next entry begins on a new line.
func TestTorn(t *testing.T) {
	dir := t.TempDir()
	var trouble []error
	d, err := openDaily(filepath.Join(dir, "log"), 7, time.Now, func(err error) { trouble = append(trouble, err) })
	must(t, err)
	defer d.Close()

	var limit unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_FSIZE, &limit))
	put(t, d, "whole\n")
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 10, Max: limit.Max}))
	put(t, d, "not whole\n")
	put(t, d, "lost\n")
	must(t, unix.Setrlimit(unix.RLIMIT_FSIZE, &limit))
	put(t, d, "again\n")
	put(t, d, "and again\n")
	if diff := cmp.Diff(map[string]string{"log": "whole\nnot \nagain\nand again\n"}, files(t, dir)); diff != "" {
		t.Error(diff)
	}
	if len(trouble) != 1 || !errors.Is(trouble[0], unix.EFBIG) {
		t.Error(trouble)
	}
}

// TestCrash: the panic that ends the program is in the log file.
func TestCrash(t *testing.T) {
	if path := os.Getenv("LOGGING_TEST_CRASH"); path != "" {
		_, _, err := New(Options{File: path})
		must(t, err)
		over := make(chan struct{})
		go func() { panic("nobody recovers from this") }()
		<-over
	}
	path := filepath.Join(t.TempDir(), "log")
	self, err := os.Executable()
	must(t, err)
	program := exec.Command(self, "-test.run=^TestCrash$")
	program.Env = append(os.Environ(), "LOGGING_TEST_CRASH="+path)
	if err := program.Run(); err == nil {
		t.Error("it has not crashed")
	}
	if got := read(t, path); !strings.HasPrefix(got, "panic: nobody recovers from this\n") ||
		!strings.Contains(got, "file_test.go") {
		t.Errorf("the log has %q", got)
	}
}

// TestMistake: a panic while a line is written ends neither the program nor the log, and is reported.
func TestMistake(t *testing.T) {
	dir := t.TempDir()
	var trouble []error
	mistaken := false
	d, err := openDaily(filepath.Join(dir, "log"), 7, func() time.Time {
		if mistaken {
			panic("there is no time")
		}
		return at(1)
	}, func(err error) { trouble = append(trouble, err) })
	must(t, err)
	defer d.Close()
	mistaken = true
	put(t, d, "lost\n")
	mistaken = false
	put(t, d, "line\n")
	if diff := cmp.Diff(map[string]string{"log": "line\n"}, files(t, dir)); diff != "" {
		t.Error(diff)
	}
	if len(trouble) != 1 || !strings.Contains(trouble[0].Error(), "internal error: there is no time\n") {
		t.Errorf("told %v", trouble)
	}
}
