package schedule

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/calendar"
	"foreman-dlm-updater/internal/vet"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// at is a moment of one week; 1 is Monday, 30 November 2026.
func at(day, hour, minute int) time.Time {
	return time.Date(2026, 11, 29+day, hour, minute, 0, 0, time.UTC)
}

func windows(t *testing.T, text string) calendar.Windows {
	t.Helper()
	w, err := calendar.ParseWindows(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func put(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600),
		os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// TestAsk: each question by itself, and which comes first.
func TestAsk(t *testing.T) {
	var (
		pause = Pause{Reason: "database migration", By: "anna", Since: at(1, 1, 0)}
		until = Pause{Reason: "audit", Since: at(1, 1, 0), Until: at(1, 3, 0)}
		end   = "2026-11-30 .. 2026-12-01 UTC  end of year\n"
		week  = "Mon..Fri 02:00-05:00 UTC"
		out   = "outside the maintenance window"
		late  = "the maintenance window closes at 05:00, and no run begins in its last 30m"
	)
	for name, test := range map[string]struct {
		pause    *Pause
		freezes  string
		windows  string
		last     time.Duration
		now      time.Time
		question Question
		why      string
		since    time.Time
		until    time.Time
	}{
		"nothing": {now: at(1, 2, 0)},
		"paused": {pause: &pause, now: at(1, 2, 0), question: AskPause,
			why: "paused by anna: database migration", since: at(1, 1, 0)},
		"paused until": {pause: &until, now: at(1, 2, 59), question: AskPause,
			why: "paused: audit", since: at(1, 1, 0), until: at(1, 3, 0)},
		"a pause that is over": {pause: &until, now: at(1, 3, 0)},
		"frozen": {freezes: end, now: at(1, 0, 0), question: AskFreeze,
			why: "frozen: end of year", since: at(1, 0, 0), until: at(3, 0, 0)},
		"before a freeze":       {freezes: end, now: at(0, 23, 59)},
		"a freeze that is over": {freezes: end, now: at(3, 0, 0)},
		"a freeze with no reason": {freezes: "2026-11-30 UTC\n", now: at(1, 9, 0), question: AskFreeze,
			why: "frozen: 2026-11-30 UTC", since: at(1, 0, 0), until: at(2, 0, 0)},
		"of two freezes, the longer": {
			freezes: "2026-11-30 UTC a\n2026-11-30 .. 2026-12-02 UTC b\n2026-11-29 .. 2026-12-01 UTC c\n",
			now:     at(1, 9, 0), question: AskFreeze, why: "frozen: b", since: at(1, 0, 0), until: at(4, 0, 0)},
		"open":                {windows: week, last: 30 * time.Minute, now: at(1, 2, 0)},
		"the last start":      {windows: week, last: 30 * time.Minute, now: at(1, 4, 30)},
		"before it opens":     {windows: week, now: at(1, 1, 59), question: AskWindow, why: out, until: at(1, 2, 0)},
		"after it has closed": {windows: week, now: at(1, 5, 0), question: AskWindow, why: out, until: at(2, 2, 0)},
		"at the weekend":      {windows: week, now: at(6, 3, 0), question: AskWindow, why: out, until: at(8, 2, 0)},
		"too late to begin": {windows: week, last: 30 * time.Minute, now: at(1, 4, 31), question: AskWindow, why: late,
			since: at(1, 4, 30), until: at(2, 2, 0)},
		"until it closes": {windows: week, now: at(1, 4, 59)},
		"the next is too short": {windows: "Mon 02:00-05:00 UTC; Tue 02:00-02:10 UTC; Wed 02:00-03:00 UTC", last: time.Hour,
			now: at(1, 6, 0), question: AskWindow, why: out, until: at(3, 2, 0)},
		"too short by itself": {windows: "Mon 02:00-05:00 UTC", last: 4 * time.Hour, now: at(1, 3, 0), question: AskWindow,
			why: "the maintenance window closes at 05:00, and no run begins in its last 4h", since: at(1, 2, 0)},
		"open at any time": {windows: "00:00-24:00", last: time.Hour, now: at(1, 3, 0)},
		"two that touch":   {windows: "Mon 22:00-24:00 UTC; Tue 00:00-03:00 UTC", last: time.Hour, now: at(1, 23, 30)},
		"the pause comes first": {pause: &pause, freezes: end, windows: week, now: at(1, 9, 0), question: AskPause,
			why: "paused by anna: database migration", since: at(1, 1, 0)},
		"then the freeze": {pause: &until, freezes: end, windows: week, now: at(1, 9, 0), question: AskFreeze,
			why: "frozen: end of year", since: at(1, 0, 0), until: at(3, 0, 0)},
	} {
		dir := t.TempDir()
		s := Schedule{PauseBeside(dir + "/state"), dir + "/freeze.d", windows(t, test.windows), test.last, nil}
		if test.pause != nil {
			if err := s.Pause.Write(*test.pause); err != nil {
				t.Fatal(err)
			}
		}
		if test.freezes != "" {
			put(t, dir+"/freeze.d/company", test.freezes, 0o644)
		}
		var want *Refusal
		if test.question != "" {
			want = &Refusal{test.question, test.why, test.since, test.until}
		}
		got, err := s.Ask(test.now)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	if no, err := (Schedule{}).Ask(at(1, 0, 0)); no != nil || err != nil {
		t.Errorf("without anything set: %v, %v", no, err)
	}
}

func TestOpens(t *testing.T) {
	s := Schedule{Windows: windows(t, "Mon,Tue 02:00-05:00 UTC"), LastStart: 30 * time.Minute}
	var got []string
	for _, window := range s.Opens(at(1, 3, 0)) {
		got = append(got, window.Start.Format(time.DateTime)+" "+window.End.Format(time.TimeOnly))
	}
	want := []string{"2026-12-01 02:00:00 05:00:00", "2026-12-07 02:00:00 05:00:00", "2026-12-08 02:00:00 05:00:00",
		"2026-12-14 02:00:00 05:00:00", "2026-12-15 02:00:00 05:00:00"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := (Schedule{}).Opens(at(1, 0, 0)); got != nil {
		t.Errorf("without windows: %v", got)
	}
}

func TestFrozen(t *testing.T) {
	freezes, err := calendar.ParseFreezes("company", "2026-11-30 12:00 .. 2026-12-01 12:00 UTC sale\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		from, to time.Time
		want     string
	}{
		{at(1, 12, 0), at(2, 11, 59), "frozen: sale"},
		{at(1, 12, 0), at(2, 12, 0), ""}, // a run may begin at 12:00
		{at(1, 11, 59), at(1, 13, 0), ""},
		{at(3, 0, 0), at(3, 1, 0), ""},
	} {
		if got := Frozen(freezes, test.from, test.to); got != test.want {
			t.Errorf("from %s to %s: %q", test.from, test.to, got)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{30 * time.Minute: "30m", time.Hour: "1h", 90 * time.Minute: "1h30m",
		90 * time.Second: "1m30s", 0: "0s", 10 * time.Hour: "10h", 10 * time.Second: "10s"} {
		if got := Short(d); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestPauseWriteAndRead(t *testing.T) {
	f := PauseBeside(filepath.Join(t.TempDir(), "state"))
	if p, err := f.Read(); p != nil || err != nil {
		t.Fatalf("where nothing is: %+v, %v", p, err)
	}
	if err := f.Remove(); err != nil {
		t.Errorf("nothing to remove: %v", err)
	}
	for _, want := range []Pause{
		{Format: 1, Reason: "a \"migration\" <ä>", Since: at(1, 2, 3), By: "anna"},
		{Format: 1, Reason: strings.Repeat("r", 500), Since: at(1, 2, 3), Until: at(2, 0, 0)},
	} {
		if err := f.Write(want); err != nil { // the second over the first
			t.Fatal(err)
		}
		if got, err := f.Read(); err != nil || cmp.Diff(&want, got) != "" {
			t.Errorf("%v, %s", err, cmp.Diff(&want, got))
		}
	}
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info, err)
	}
	put(t, filepath.Join(filepath.Dir(f.Path), ".state.pause.new"), "half a one", 0o600) // left by a crash
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Dir(f.Path)); len(files) != 0 {
		t.Errorf("%v", files)
	}
}

// TestPauseUnclear: whatever can't be read or trusted is an error that names the file, and never "not paused".
func TestPauseUnclear(t *testing.T) {
	const good = `{"format":1,"reason":"audit","since":"2026-11-30T01:00:00Z","until":"2026-11-30T03:00:00Z"}`
	holds := func(text string) func(path string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o640) }
	}
	for name, make := range map[string]func(path string) error{
		"empty":         holds(""),
		"cut off":       holds(good[:40]),
		"two":           holds(good + good),
		"no format":     holds(`{"reason":"a"}`),
		"newer":         holds(`{"format":2,"reason":"a"}`),
		"other types":   holds(`{"format":1,"reason":1}`),
		"no reason":     holds(`{"format":1}`),
		"escapes":       holds(`{"format":1,"reason":"\u001b[2J"}`),
		"zeros":         holds(strings.Repeat("\x00", 512)),
		"too long":      holds(good + strings.Repeat(" ", 16<<10)),
		"a FIFO":        func(path string) error { return unix.Mkfifo(path, 0o640) },
		"a directory":   func(path string) error { return os.Mkdir(path, 0o755) },
		"leads nowhere": func(path string) error { return os.Symlink("nowhere", path) },
		"writable by others": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(good), 0o640), os.Chmod(path, 0o666))
		},
		"in a directory that others can write to": func(path string) error {
			return errors.Join(os.WriteFile(path, []byte(good), 0o640), os.Chmod(filepath.Dir(path), 0o777))
		},
	} {
		dir := t.TempDir()
		s := Schedule{Pause: PauseBeside(dir + "/state")}
		if err := make(s.Pause.Path); err != nil {
			t.Fatal(err)
		}
		no, err := s.Ask(at(9, 0, 0)) // a good one would be over
		var unclear *PauseError
		if no != nil || !errors.As(err, &unclear) || !IsUnclear(err) || !strings.Contains(err.Error(), s.Pause.Path) {
			t.Errorf("%s: %+v, %v", name, no, err)
		}
		if err := errors.Join(os.Chmod(dir, 0o755), s.Pause.Remove()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if no, err := s.Ask(at(9, 0, 0)); no != nil || err != nil {
			t.Errorf("%s: after its removal: %+v, %v", name, no, err)
		}
	}
}

func TestFreezes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "freeze.d")
	if got, err := Freezes(dir); got != nil || err != nil {
		t.Errorf("a missing directory: %v, %v", got, err)
	}
	put(t, dir+"/10-company", "# comment\n\n2026-12-18 .. 2027-01-06  end of year\n", 0o644)
	put(t, dir+"/20-shop.freeze", "2026-11-27 08:00 .. 2026-11-30 20:00 Europe/Berlin   sales weekend", 0o644)
	for _, leftover := range []string{".hidden", "10-company~", "10-company.bak", "10-company.rpmsave", "x.dpkg-old"} {
		put(t, dir+"/"+leftover, "nonsense", 0o666)
	}
	freezes, err := Freezes(dir)
	var got []string
	for _, f := range freezes {
		got = append(got, strings.TrimPrefix(f.Where, dir+"/")+" "+f.Reason)
	}
	want := []string{"10-company:3 end of year", "20-shop.freeze:1 sales weekend"}
	if !slices.Equal(want, got) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFreezesUnclear: what can't be read or trusted is an error that names it, and never "not frozen".
func TestFreezesUnclear(t *testing.T) {
	for name, test := range map[string]struct {
		make   func(dir string) error
		says   string
		unsafe bool
	}{
		"a line that can't be read": {func(dir string) error {
			return os.WriteFile(dir+"/b", []byte("2026-12-18\nnever\n"), 0o644)
		}, "b:2: ", false},
		"two files": {func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/b", []byte("never\n"), 0o644), os.WriteFile(dir+"/c", []byte("x\n"), 0o644))
		}, "c:1: ", false},
		"too long": {func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/b", nil, 0o644), os.Truncate(dir+"/b", maxFreezes+1))
		}, "too long", false},
		"writable by others": {func(dir string) error {
			return errors.Join(os.WriteFile(dir+"/b", nil, 0o644), os.Chmod(dir+"/b", 0o666))
		}, "can be written by others", true},
		"leads nowhere":  {func(dir string) error { return os.Symlink("nowhere", dir+"/b") }, "leads nowhere", true},
		"a FIFO":         {func(dir string) error { return unix.Mkfifo(dir+"/b", 0o644) }, "is not a regular file", true},
		"a subdirectory": {func(dir string) error { return os.Mkdir(dir+"/b", 0o755) }, "is not a regular file", true},
		"no directory": {func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.WriteFile(dir, nil, 0o644))
		}, "is not a directory", true},
		"a link to none": {func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.Symlink("nowhere", dir))
		}, "does not exist", true},
		"an open directory": {func(dir string) error { return os.Chmod(dir, 0o777) }, "can be written by others", true},
	} {
		dir := filepath.Join(t.TempDir(), "freeze.d")
		put(t, dir+"/a", "2020-01-01 long ago\n", 0o644)
		if err := test.make(dir); err != nil {
			t.Fatal(err)
		}
		no, err := Schedule{FreezeDir: dir}.Ask(at(1, 0, 0))
		var unsafe *vet.UnsafeError
		if no != nil || !IsUnclear(err) || !strings.Contains(err.Error(), test.says) ||
			errors.As(err, &unsafe) != test.unsafe {
			t.Errorf("%s: %+v, %v", name, no, err)
		}
	}
}
