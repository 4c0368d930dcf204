package configcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/config"

	"github.com/google/go-cmp/cmp"
)

// TestFiles: each finding names the key, and what to do.
func TestFiles(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(c *config.Config, dir string)
		want   string // without the directory DIR
	}{
		{"all is well", func(*config.Config, string) {}, ""},
		{"no directory, for two keys", func(c *config.Config, dir string) {
			c.State, c.History = dir+"/none/state", dir+"/none/history"
		}, "state, history: directory DIR/none does not exist; fix it with: install -d -m 0755 DIR/none"},
		{"no directories", func(c *config.Config, dir string) {
			c.MetricsTextfile, c.Log = dir+"/a b/x.prom", dir+"/none/log"
		}, "metrics_textfile: directory 'DIR/a b' does not exist; fix it with: install -d -m 0755 'DIR/a b'\n" +
			"log: directory DIR/none does not exist; fix it with: install -d -m 0755 DIR/none"},
		{"a directory", func(c *config.Config, dir string) { c.Log = dir },
			"log: DIR is a directory: name a file, such as DIR/NAME"},
		{"a FIFO", func(c *config.Config, _ string) { c.Log = "/dev/null" },
			"log: /dev/null is not a regular file: name another"},
		{"below a file", func(c *config.Config, dir string) { c.Log = dir + "/file/log" },
			"log: DIR/file is not a directory: name a file in another place"},
		{"below a file that is below a file", func(c *config.Config, dir string) { c.Log = dir + "/file/x/log" },
			"log: directory DIR/file/x: not a directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			c := &config.Config{State: dir + "/state", Lock: dir + "/lock", History: dir + "/history"}
			test.change(c, dir)
			got := ""
			if err := checkFiles(t.Context(), c).Err; err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
