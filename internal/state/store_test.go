package state

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func store(t *testing.T, content string) Store {
	t.Helper()
	s := Store{Path: filepath.Join(t.TempDir(), "state")}
	if content != "absent" {
		if err := os.WriteFile(s.Path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func full() Record {
	soft := uint64(2)
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.UTC)
	boot := Boot{ID: "b", Init: 17, SoftReboots: &soft}
	return Record{
		Stage: PostUpdate, Format: Format, RunID: "20261122-021403-ABCD", Began: at, StageBegan: at, Lock: "web",
		MachineID: "m", Boot: &boot, Interrupted: 1, Asked: &Asked{Time: at, Boot: boot, Uptime: time.Hour}, Reboots: 2,
		Rebooted: true, Error: &Error{Time: at, Stage: Update, Hook: "50-apt", Message: "exit 100"},
	}
}

func TestSaveAndLoad(t *testing.T) {
	s := store(t, "absent")
	want := full()
	if err := s.Save(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Error(diff)
	}
	content, err := os.ReadFile(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	// The original reads the first line only; ours is one JSON object in one more.
	lines := strings.Split(string(content), "\n")
	if len(lines) != 3 || lines[0] != "post_update" || lines[1][0] != '{' || lines[2] != "" {
		t.Errorf("file:\n%s", content)
	}
	if info, err := os.Stat(s.Path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(); got != nil || err != nil {
		t.Errorf("after Clear: %v, %v", got, err)
	}
	if err := s.Clear(); err != nil {
		t.Errorf("Clear without a file: %v", err)
	}
}

// TestOriginal: a file that the original wrote is its stage alone.
func TestOriginal(t *testing.T) {
	for _, stage := range Stages {
		for _, end := range []string{"", "\n", "\r\n", "\n\n"} {
			got, err := store(t, string(stage)+end).Load()
			if err != nil || !cmp.Equal(got, &Record{Stage: stage}) {
				t.Errorf("%q: %+v, %v", string(stage)+end, got, err)
			}
		}
	}
}

// TestUnreadable: what is no record is refused, said what it is, and left as it was.
func TestUnreadable(t *testing.T) {
	//bad:State files: name said
	tests := []struct{ name, content, said string }{
		{"empty", "", "is empty"},
		{"blank", "\n\n", "is empty"},
		{"unknown stage", "updating\n", `not a stage's name: "updating"`},
		{"two words", "update now\n", `"update now"`},
		{"upper case", "UPDATE\n", `"UPDATE"`},
		{"binary", "\x00\x01\x1b[31m", `"\x00\x01\x1b[31m"`},
		{"long garbage", strings.Repeat("x", 5000), "..."},
		{"too large", "update\n" + strings.Repeat(" ", maxSize), "too long (more than 1048576 bytes)"},
		{"cut off JSON", "update\n{\"format\":1,", "no JSON object"},
		{"not JSON", "update\nhello\n", "no JSON object"},
		{"a JSON array", "update\n[1]\n", "no JSON object"},
		{"two objects", "update\n{\"format\":1}\n{\"format\":1}\n", "no JSON object"},
		{"no version", "update\n{\"run\":\"x\"}\n", "no format version"},
		{"version 0", "update\n{\"format\":0}\n", "no format version"},
		{"newer version", "update\n{\"format\":2,\"boot\":\"x\"}\n",
			"newer version of this program (format 2; this one knows 1)"},
		{"wrong type", "update\n{\"format\":1,\"reboots\":\"many\"}\n", "not a record"},
		{"negative counter", "update\n{\"format\":1,\"reboots\":-1}\n", "a negative count"},
		{"an escape sequence in the lock's name", "update\n{\"format\":1,\"lock\":\"web\\u001b[2J\"}\n",
			"a control character in a name"},
		{"a NUL in the run's id", "update\n{\"format\":1,\"run\":\"a\\u0000b\"}\n", "a control character in a name"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := store(t, test.content)
			_, err := s.Load()
			var unreadable *UnreadableError
			if !errors.As(err, &unreadable) || !strings.Contains(err.Error(), test.said) ||
				!strings.Contains(err.Error(), s.Path) {
				t.Errorf("got %v", err)
			}
			if after, _ := os.ReadFile(s.Path); string(after) != test.content {
				t.Errorf("the file was changed to %q", after)
			}
		})
	}
}

func TestNotAFile(t *testing.T) {
	s := Store{Path: t.TempDir()}
	var unreadable *UnreadableError
	if _, err := s.Load(); !errors.As(err, &unreadable) {
		t.Errorf("a directory: %v", err)
	}
}

// TestSaveFails: the old content stays, and the error names the path.
func TestSaveFails(t *testing.T) {
	s := Store{Path: filepath.Join(t.TempDir(), "missing", "state")}
	if err := s.Save(Record{Stage: Update}); err == nil || !strings.Contains(err.Error(), s.Path) {
		t.Errorf("got %v", err)
	}
	if os.Geteuid() != 0 {
		t.Log("not root: a full disk is not tried")
		return
	}
	full := mountSmall(t)
	s = Store{Path: filepath.Join(full, "state")}
	if err := s.Save(Record{Stage: PreUpdate, RunID: "old"}); err != nil {
		t.Fatal(err)
	}
	fill(t, full)
	if err := s.Save(Record{Stage: Update, RunID: strings.Repeat("n", 100_000)}); err == nil ||
		!strings.Contains(err.Error(), "no space left") {
		t.Errorf("a full disk: %v", err)
	}
	if got, err := s.Load(); err != nil || got.Stage != PreUpdate || got.RunID != "old" {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(full, ".state*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestLinkInItsPlace: a symbolic link at the state file's path is replaced or removed, and what it leads to is left
// alone.
func TestLinkInItsPlace(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "of value")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, act := range map[string]func(Store) error{
		"Save":  func(s Store) error { return s.Save(Record{Stage: Update}) },
		"Clear": func(s Store) error { return s.Clear() },
	} {
		s := Store{Path: filepath.Join(dir, "state")}
		if err := os.Symlink(target, s.Path); err != nil {
			t.Fatal(err)
		}
		if err := act(s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if info, err := os.Lstat(s.Path); err == nil && !info.Mode().IsRegular() {
			t.Errorf("%s left %v", name, info.Mode())
		}
		if content, err := os.ReadFile(target); err != nil || string(content) != "kept" {
			t.Errorf("%s: what the link led to is %q, %v now", name, content, err)
		}
		os.Remove(s.Path)
	}
}

// TestClearSweeps: what a power cut in the middle of Save left behind goes with the run. What is another state's stays.
func TestClearSweeps(t *testing.T) {
	s := store(t, "update")
	dir := filepath.Dir(s.Path)
	for _, name := range []string{".state.new", ".state2.new", ".state2123", ".state-of-things", "state.bak"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{".state-of-things", ".state2.new", ".state2123", "state.bak"}, left); diff != "" {
		t.Error(diff)
	}
}

// TestSaveOverLeftovers: a file that a power cut left behind, or a link, is in nobody's way, and nothing is written
// where it leads.
func TestSaveOverLeftovers(t *testing.T) {
	s := store(t, "absent")
	dir := filepath.Dir(s.Path)
	for name, put := range map[string]func(path string) error{
		"a file": func(path string) error { return os.WriteFile(path, []byte("half"), 0o400) },
		"a link": func(path string) error { return os.Symlink(filepath.Join(dir, "elsewhere"), path) },
	} {
		if err := put(filepath.Join(dir, "."+filepath.Base(s.Path)+".new")); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(Record{Stage: Update, RunID: name}); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(); err != nil || got.RunID != name {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("%s: left behind: %v, %v", name, entries, err)
		}
	}
}

// idleDisk is one on which nothing may be written or synced.
type idleDisk struct {
	hostDisk
	t *testing.T
}

func (d idleDisk) Replace(string, []byte) error { d.t.Error("the state is written"); return nil }
func (d idleDisk) SyncDir(string) error         { d.t.Error("a directory is synced"); return nil }

// TestNothingToDo: a run that is in needs_update is not kept, so a night with nothing to do costs no write. What an
// earlier one left goes.
func TestNothingToDo(t *testing.T) {
	s := store(t, "absent")
	idle := Store{Path: s.Path, Disk: idleDisk{t: t}}
	if err := errors.Join(idle.Save(Record{Stage: NeedsUpdate}), idle.Clear()); err != nil {
		t.Fatal(err)
	}
	failed := Record{Stage: NeedsUpdate, Error: &Error{Stage: NeedsUpdate, Message: "exit 127"}}
	if err := s.Save(failed); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(); err != nil || got == nil || got.InProgress() || got.Error == nil {
		t.Errorf("after a failure: %+v, %v", got, err)
	}
	if err := s.Save(Record{Stage: NeedsUpdate}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Load(); got != nil || err != nil {
		t.Errorf("the night after: %+v, %v", got, err)
	}
}

func TestSameBoot(t *testing.T) {
	n := func(v uint64) *uint64 { return &v }
	tests := []struct {
		name string
		a, b Boot
		same bool
	}{
		{"all alike", Boot{"x", 1, n(0), 7}, Boot{"x", 1, n(0), 7}, true},
		{"another boot id", Boot{"x", 1, n(0), 7}, Boot{"y", 1, n(0), 7}, false},
		{"a container was rebooted: a new PID namespace", Boot{"x", 1, nil, 7}, Boot{"x", 2, nil, 8}, false},
		{"a container was rebooted: a new one with the old number", Boot{"x", 1, nil, 7}, Boot{"x", 2, nil, 7}, false},
		{"a container was rebooted, after an earlier version had written the record", Boot{"x", 1, nil, 0},
			Boot{"x", 2, nil, 7}, false},
		{"a soft reboot", Boot{"x", 1, n(0), hostNamespace}, Boot{"x", 1, n(1), hostNamespace}, false},
		{"systemd did not answer: that proves nothing", Boot{"x", 1, n(1), 7}, Boot{"x", 1, nil, 7}, true},
		{"PID 1 is no init: that proves nothing", Boot{"x", 1, nil, 7}, Boot{"x", 0, nil, 8}, true},
		{"on the host, and in a container on it", Boot{"x", 1, nil, hostNamespace}, Boot{"x", 2, nil, 8}, true},
		{"on the host, after an earlier version in a PID namespace of its own", Boot{"x", 2, nil, 0},
			Boot{"x", 1, nil, hostNamespace}, true},
	}
	for _, test := range tests {
		if got, back := test.a.Same(test.b), test.b.Same(test.a); got != test.same || back != test.same {
			t.Errorf("%s: %v and %v", test.name, got, back)
		}
	}
}

// FuzzParse: any content is a record with a known stage, or an error; never a guess.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "update", "update\n{\"format\":1}",
		"post_update\n{\"format\":1,\"asked\":{\"boot\":{\"id\":\"x\"}}}\n", "lock_get\n{\"format\":9}", "update\r\n",
		"\x00", "update\nnull"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		record, err := parse(content)
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("control characters in %q", err)
			}
			return
		}
		if !record.Stage.Known() || record.Format > Format || record.Reboots < 0 ||
			record.Interrupted < 0 || !record.namesAreText() {
			t.Errorf("%q gave %+v", content, record)
		}
		store := Store{Path: filepath.Join(t.TempDir(), "state")}
		if err := store.Save(*record); err != nil {
			t.Skip("a time that RFC 3339 can't write: ", err)
		}
		if record.Stage == NeedsUpdate && record.Error == nil { // not kept
			return
		}
		again, err := store.Load()
		record.Format = Format
		if diff := cmp.Diff(record, again); err != nil || diff != "" {
			t.Errorf("%q is not what it was when it was written anew: %v %s", content, err, diff)
		}
	})
}

// TestStoryIsBounded: a run that fails for weeks keeps its last steps, and a clone keeps its own.
func TestStoryIsBounded(t *testing.T) {
	var story Story
	for i := range 250 {
		story.Add(Step{Stage: Update, TookMS: int64(i)})
	}
	clone := story.Clone()
	story.Add(Step{Stage: Update, TookMS: 250})
	if len(story.Steps) != 200 || story.Dropped != 51 || story.Steps[0].TookMS != 51 || story.Steps[199].TookMS != 250 {
		t.Errorf("%d steps from %d on, %d dropped", len(story.Steps), story.Steps[0].TookMS, story.Dropped)
	}
	if len(clone.Steps) != 200 || clone.Steps[0].TookMS != 50 {
		t.Errorf("the clone has %d steps from %d on", len(clone.Steps), clone.Steps[0].TookMS)
	}
}

// TestNotesStay: the notes of a hook outlive the steps of a run that fails for weeks, and replace its earlier ones.
func TestNotesStay(t *testing.T) {
	var story *Story
	if got := story.Notes(); got != nil {
		t.Errorf("no story has notes: %q", got)
	}
	story = &Story{}
	story.Add(Step{Stage: PreUpdate, Hook: "60-snapper", Notes: []string{"old"}})
	story.Add(Step{Stage: PreUpdate, Hook: "60-snapper", Notes: []string{"undo: 1", "undo: 2"}})
	story.Add(Step{Stage: PostUpdate, Hook: "60-snapper", Notes: []string{"post"}})
	story.Add(Step{Stage: PreUpdate, Hook: "60-snapper"})
	for range 250 {
		story.Add(Step{Stage: Update})
	}
	want := []string{"pre_update/60-snapper: undo: 1", "pre_update/60-snapper: undo: 2", "post_update/60-snapper: post"}
	if diff := cmp.Diff(want, story.Notes()); diff != "" {
		t.Error(diff)
	}
	if len(story.Steps) != 200 || story.Dropped != 54 {
		t.Errorf("%d steps, %d dropped", len(story.Steps), story.Dropped)
	}
	for range 250 {
		story.Add(Step{Stage: PostUpdate, Hook: "x", Notes: []string{"many"}})
	}
	if len(story.Steps) != 200 {
		t.Errorf("%d steps", len(story.Steps))
	}
}
