package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/outcome"
	"foreman-dlm-updater/internal/status"

	"golang.org/x/sys/unix"
)

// TestRefusedSince: how long no run could begin counts from the first that failed, or from the change that keeps it
// from beginning.
func TestRefusedSince(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	mkdir(t, open)
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	changed := func(path string) time.Time {
		var is unix.Stat_t
		if err := unix.Lstat(path, &is); err != nil {
			t.Fatal(err)
		}
		return time.Unix(is.Ctim.Unix())
	}
	ended := time.Date(2026, 11, 22, 2, 14, 3, 0, time.UTC)
	tests := []struct {
		name, dir string
		last      *outcome.Result
		want      time.Time
	}{
		{"others can write to the directory", "open", nil, changed(open)},
		{"and the last run succeeded", "open", new(outcome.Finished), changed(open)},
		{"and the last run failed", "open", new(outcome.Failed), ended},
		{"the directory is missing", "none", nil, changed(dir)},
	}
	for _, test := range tests {
		c := &config.Config{State: filepath.Join(dir, test.dir, "state"), Lock: filepath.Join(dir, "lock")}
		s := &status.Status{}
		if test.last != nil {
			s.Last = &status.Last{Ended: ended, Result: *test.last}
		}
		refused := refusedNow(c)
		if refused == nil {
			t.Fatalf("%s: it is not refused", test.name)
		}
		if got := refusedSince(s.Last, c, refused); !got.Equal(test.want) {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}
