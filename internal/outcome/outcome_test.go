package outcome

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/state"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var at = time.Date(2026, 11, 22, 2, 14, 3, 123456789, time.UTC)

func beside(t *testing.T) File {
	t.Helper()
	return Beside(filepath.Join(t.TempDir(), "state"))
}

func TestWriteAndRead(t *testing.T) {
	f := beside(t)
	if o, err := f.Read(); o != nil || err != nil {
		t.Fatalf("where nothing is: %+v, %v", o, err)
	}
	record := &state.Record{RunID: "r", Stage: state.Update, StageBegan: at}
	want := Outcome{Format: 1, Ended: at, Result: Failed, Exit: 1, Since: at, First: at, Error: "disk <full>",
		Next: "free space", Stage: state.Update,
		Left: Of(record), RebootDue: &state.RebootDue{Time: at, Hook: "50-x", Message: "m", Boot: state.Boot{ID: "b"}}}
	for _, left := range []string{"", "half a one"} { // where nothing was; and over the first, with what a crash has left
		if left != "" {
			if err := os.WriteFile(filepath.Join(filepath.Dir(f.Path), ".state.last.new"), []byte(left), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Write(want); err != nil {
			t.Fatal(err)
		}
		got, err := f.Read()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Error(diff)
		}
		if !got.StillSo(record) {
			t.Error("the record is no longer known")
		}
	}
	info, err := os.Stat(f.Path)
	if err != nil || info.Mode() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if files, _ := os.ReadDir(filepath.Dir(f.Path)); len(files) != 1 {
		t.Errorf("%v", files)
	}
}

// TestLongTexts: whatever the texts, the file can be read again.
func TestLongTexts(t *testing.T) {
	for name, text := range map[string]string{"long": strings.Repeat("a", 9999), "runes": strings.Repeat("ä", 9999),
		"control": strings.Repeat("\x01", 9999)} {
		f := beside(t)
		if err := f.Write(Outcome{Ended: at, Error: text, Next: text,
			RebootDue: &state.RebootDue{Message: text}}); err != nil {
			t.Fatal(err)
		}
		if o, err := f.Read(); err != nil || o.Error == "" || !o.Ended.Equal(at) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
	}
}

func TestUnreadable(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "garbage": "\x00\x01", "no format": "{}", "newer": `{"format":2}`,
		"other types": `{"format":1,"exit":"one"}`, "too long": `{"format":1}` + strings.Repeat(" ", fileSize),
		"blank, and not of this program's size": "  ", "zeros": strings.Repeat("\x00", fileSize),
	} {
		f := beside(t)
		if err := os.WriteFile(f.Path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		if o, err := f.Read(); o != nil || err == nil || !strings.Contains(err.Error(), f.Path) {
			t.Errorf("%s: %+v, %v", name, o, err)
		}
		if err := f.Write(Outcome{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if o, err := f.Read(); o == nil || err != nil {
			t.Errorf("%s: it was not replaced: %v", name, err)
		}
	}
	f := beside(t)
	if err := unix.Mkfifo(f.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(); err == nil {
		t.Error("a FIFO is taken")
	}
}

// TestReserve: a file that was made room for says nothing, and one that says something stays.
func TestReserve(t *testing.T) {
	f := beside(t)
	for range 2 {
		if err := f.Reserve(); err != nil {
			t.Fatal(err)
		}
		if o, err := f.Read(); o != nil || err != nil {
			t.Errorf("what is reserved says %+v, %v", o, err)
		}
	}
	if info, err := os.Stat(f.Path); err != nil || info.Size() != fileSize {
		t.Errorf("%v, %v", info, err)
	}
	want := Outcome{Ended: at, Result: Failed}
	if err := errors.Join(f.Write(want), f.Reserve()); err != nil {
		t.Fatal(err)
	}
	if o, err := f.Read(); err != nil || o == nil || o.Result != Failed {
		t.Errorf("it was lost: %+v, %v", o, err)
	}
}

// TestOverwrite is what happens on a full disk: only a file that is this program's is written to. The full disk itself
// is in cmd/foreman-dlm-updater.
func TestOverwrite(t *testing.T) {
	content, err := encode(Outcome{Ended: at, Result: Failed})
	if err != nil {
		t.Fatal(err)
	}
	f := beside(t)
	if err := f.overwrite(content); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("where nothing is: %v", err)
	}
	if err := f.Write(Outcome{Result: Finished}); err != nil {
		t.Fatal(err)
	}
	if err := f.overwrite(content); err != nil {
		t.Fatal(err)
	}
	if o, err := f.Read(); err != nil || o.Result != Failed {
		t.Errorf("%+v, %v", o, err)
	}
	precious := filepath.Join(filepath.Dir(f.Path), "precious")
	for name, put := range map[string]func(string, string) error{"a link": os.Symlink, "a second name": os.Link} {
		text := strings.Repeat("x", fileSize)
		os.Remove(precious)
		os.Remove(f.Path)
		if err := errors.Join(os.WriteFile(precious, []byte(text), 0o600), put(precious, f.Path)); err != nil {
			t.Fatal(err)
		}
		if err := f.overwrite(content); err == nil {
			t.Errorf("%s was written to", name)
		}
		if got, _ := os.ReadFile(precious); string(got) != text {
			t.Errorf("%s: what it leads to has changed", name)
		}
	}
}

func TestAfter(t *testing.T) {
	later := at.Add(24 * time.Hour)
	tests := []struct {
		name         string
		before       *Outcome
		now, want    Outcome
		since, first time.Time
		success      time.Time
	}{
		{name: "the first", now: Outcome{Result: NotNow, Exit: 75}, since: later, first: later},
		{name: "the first, a success", now: Outcome{Result: NothingToDo}, since: later, first: later, success: later},
		{name: "the same", before: &Outcome{Result: NotNow, Exit: 75, Since: at, First: at},
			now: Outcome{Result: NotNow, Exit: 75}, since: at, first: at},
		{name: "the same reason", before: &Outcome{Result: NotNow, Exit: 75, Kind: "gate", Since: at, First: at},
			now: Outcome{Result: NotNow, Exit: 75, Kind: "gate"}, since: at, first: at},
		{name: "another reason", before: &Outcome{Result: NotNow, Exit: 75, Since: at, First: at},
			now: Outcome{Result: NotNow, Exit: 75, Kind: "gate"}, since: later, first: at},
		{name: "another stage", before: &Outcome{Result: Interrupted, Exit: 75, Stage: state.Update, Since: at, First: at},
			now: Outcome{Result: Interrupted, Exit: 75, Stage: state.PostUpdate}, since: later, first: at},
		{name: "failed in another stage",
			before: &Outcome{Result: Failed, Exit: 1, Stage: state.Update, Since: at, First: at},
			now:    Outcome{Result: Failed, Exit: 1, Stage: state.PostUpdate}, since: at, first: at},
		{name: "another exit code", before: &Outcome{Result: Failed, Exit: 1, Since: at, First: at},
			now: Outcome{Result: Failed, Exit: 77}, since: later, first: at},
		{name: "after a success", before: &Outcome{Result: Finished, Since: at, First: at, Success: at},
			now: Outcome{Result: NotNow, Exit: 75}, since: later, first: at, success: at},
		{name: "rebooting is none", before: &Outcome{Result: Finished, Since: at, First: at, Success: at},
			now: Outcome{Result: Rebooting}, since: later, first: at, success: at},
	}
	for _, test := range tests {
		got := test.now
		got.Ended = later
		got.After(test.before)
		if diff := cmp.Diff([]time.Time{test.since, test.first, test.success},
			[]time.Time{got.Since, got.First, got.Success}); diff != "" {
			t.Errorf("%s: since, first, success: %s", test.name, diff)
		}
	}
}

// TestDistrust: what somebody else may have written keeps its times, as far as they can be, and no text of its own.
func TestDistrust(t *testing.T) {
	before, later := at.Add(-24*time.Hour), at.Add(time.Hour)
	const evil = "run `evil`"
	got := Outcome{Ended: before, Since: before, First: before, Success: before,
		Result: NotNow, Exit: 75, Error: evil, Next: evil, Stage: state.LockGet,
		RebootDue: &state.RebootDue{Time: before, Hook: "50-kernel", Message: evil, Boot: state.Boot{ID: "b"}}}
	got.Distrust(at)
	want := Outcome{Ended: before, Since: before, First: before, Success: before,
		Result: NotNow, Exit: 75, Error: hiddenText, Next: "see the log", Stage: state.LockGet,
		RebootDue: &state.RebootDue{Time: before, Hook: "50-kernel", Message: hiddenText, Boot: state.Boot{ID: "b"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = Outcome{Ended: later, Success: later, Result: evil, Exit: 1, Stage: evil,
		RebootDue: &state.RebootDue{Time: later, Hook: evil}}
	got.Distrust(at)
	want = Outcome{Ended: at, Since: at, First: at, Success: at, Result: Failed, Exit: 1,
		Error: hiddenText, Next: "see the log", RebootDue: &state.RebootDue{Time: at, Hook: "?", Message: hiddenText}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = Outcome{Ended: before, Since: before, First: before, Result: NothingToDo}
	want = got
	got.Distrust(at)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStillSo(t *testing.T) {
	record := state.Record{RunID: "r", Stage: state.Update, StageBegan: at}
	o := Outcome{Left: Of(&record)}
	for name, change := range map[string]func(*state.Record){
		"another run":   func(r *state.Record) { r.RunID = "s" },
		"another stage": func(r *state.Record) { r.Stage = state.PostUpdate },
		"begun again":   func(r *state.Record) { r.StageBegan = at.Add(time.Minute) },
	} {
		other := record
		change(&other)
		if o.StillSo(&other) {
			t.Errorf("%s is taken for the same", name)
		}
	}
	if !o.StillSo(&record) || o.StillSo(nil) || (Outcome{}).StillSo(&record) || !(Outcome{}).StillSo(nil) ||
		!(Outcome{}).StillSo(&state.Record{Stage: state.NeedsUpdate}) {
		t.Error("nothing is not told from something")
	}
}

func TestPlain(t *testing.T) {
	pattern := regexp.MustCompile(`^[\w.-]{1,100}$`)
	for _, name := range []string{"", "50-apt", "a.b_C-9", "a b", " a", "a ", "a\n", "a/b", "ä", "\xff",
		strings.Repeat("a", 100), strings.Repeat("a", 101)} {
		if want := pattern.MatchString(name); isName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
