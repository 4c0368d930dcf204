package hook

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
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

// newRecord is a log, and what it writes.
func newRecord() (*bytes.Buffer, hclog.Logger) {
	var text bytes.Buffer
	return &text, hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &text, JSONFormat: true, DisableTime: true})
}

// logged are the entries that were logged.
func logged(t testing.TB, text *bytes.Buffer) (entries []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(text.Bytes()) {
		var entry map[string]any
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		entries = append(entries, entry)
	}
	return entries
}
