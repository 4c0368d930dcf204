package byhand

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHold(t *testing.T) {
	since := time.Date(2026, 11, 30, 14, 2, 3, 0, time.Local)
	for _, test := range []struct {
		hold Hold
		who  string
	}{
		{Hold{Lock: "web", Since: since}, "since 2026-11-30 14:02"},
		{Hold{Lock: "web.slot2", Since: since, By: "anna", Reason: "database migration"},
			"by anna since 2026-11-30 14:02: database migration"},
		{Hold{Lock: "web", Since: since, By: "anna", Command: []string{"backup", "--to", "a b"}, PID: 41, CommandPID: 42,
			Reason: "x"}, "by anna since 2026-11-30 14:02 for `backup --to 'a b'` (pid 42): x"},
		{Hold{Lock: "web", Since: since, Command: []string{"a\x1b[2J"}}, "since 2026-11-30 14:02 for `a\\x1b\\[2J`"},
	} {
		f := Beside(filepath.Join(t.TempDir(), "state"))
		if got, err := f.Read(); got != nil || err != nil {
			t.Errorf("no file: %v, %v", got, err)
		}
		if err := f.Write(test.hold); err != nil {
			t.Fatal(err)
		}
		want := test.hold
		want.Format = Format
		got, err := f.Read()
		if err != nil || cmp.Diff(&want, got) != "" {
			t.Errorf("%v, %s", err, cmp.Diff(&want, got))
		}
		if test.hold.Who() != test.who {
			t.Errorf("got %q, want %q", test.hold.Who(), test.who)
		}
		if err := errors.Join(f.Remove(), f.Remove()); err != nil {
			t.Error(err)
		}
		if files, _ := os.ReadDir(filepath.Dir(f.Path)); len(files) != 0 {
			t.Errorf("%v", files)
		}
	}
}

// TestUnclear: what can't be read or trusted is an error that names the file.
func TestUnclear(t *testing.T) {
	const good = `{"format":1,"lock":"web","since":"2026-11-30T01:00:00Z"}`
	for name, content := range map[string]string{
		"empty": "", "cut off": good[:30], "zeros": strings.Repeat("\x00", 512), "no format": `{"lock":"web"}`,
		"newer": `{"format":2,"lock":"web"}`, "no lock": `{"format":1}`, "escapes": `{"format":1,"lock":"\u001b[2J"}`,
		"escapes in the reason": `{"format":1,"lock":"web","reason":"\u001b[2J"}`,
	} {
		f := Beside(filepath.Join(t.TempDir(), "state"))
		if err := os.WriteFile(f.Path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		var unclear *Error
		if hold, err := f.Read(); hold != nil || !errors.As(err, &unclear) || !strings.Contains(err.Error(), f.Path) {
			t.Errorf("%s: %+v, %v", name, hold, err)
		}
	}
	f := Beside(filepath.Join(t.TempDir(), "state"))
	err := errors.Join(os.WriteFile(f.Path, []byte(good), 0o640), os.Chmod(f.Path, 0o666))
	if err != nil {
		t.Fatal(err)
	}
	if hold, err := f.Read(); hold != nil || !strings.Contains(err.Error(), "can be written by others") {
		t.Errorf("%+v, %v", hold, err)
	}
}
