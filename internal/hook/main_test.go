package hook

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// script writes an executable into dir and returns the hook.
func script(t testing.TB, dir, name, text string) Hook {
	t.Helper()
	path := filepath.Join(dir, name)
	write(t, path, text, 0o755)
	return Hook{Name: name, Path: path}
}

// sh writes a shell script as the only hook of a new directory.
func sh(t testing.TB, text string) Hook {
	t.Helper()
	return script(t, tempDir(t), "10-test", "#!/bin/sh\n"+text+"\n")
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// tempDir is a directory with the mode that stage directories have.
func tempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// record is a logger's output, read back.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func newRecord() (*record, hclog.Logger) {
	r := &record{}
	return r, hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: r, JSONFormat: true, DisableTime: true})
}

// entries gives what was logged with the message; all of it if that is empty.
func (r *record) entries(t testing.TB, msg string) []map[string]any {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []map[string]any
	for line := range bytes.Lines(r.buf.Bytes()) {
		var entry map[string]any
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if msg == "" || entry["@message"] == msg {
			list = append(list, entry)
		}
	}
	return list
}
