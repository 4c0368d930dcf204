package process

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("TEST_RUN_HOOK"); path != "" {
		runByHand(path)
		return
	}
	if text := os.Getenv("TEST_FOREGROUND"); text != "" {
		os.Exit(inForegroundOf(text))
	}
	syscall.Umask(0o077) // not what hooks must get
	os.Exit(m.Run())
}

// script writes an executable into dir and returns its path.
func script(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	write(t, path, text, 0o755)
	return path
}

// run runs an executable, and logs as for a hook.
func run(r *Runner, path string, env ...string) Result {
	if r.Log == nil {
		r.Log = hclog.NewNullLogger()
	}
	r.Log.Info("hook started", "path", path)
	res := r.Run(Task{Kind: "hook", Name: filepath.Base(path), Argv: []string{path}, Env: env})
	r.Log.Info("hook ended", "result", res.String())
	return res
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sh writes a shell script into a new directory.
func sh(t testing.TB, text string) string {
	t.Helper()
	return script(t, tempDir(t), "10-test", "#!/bin/sh\n"+text+"\n")
}

func write(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	// A process that a parallel test starts right now would have the file open for writing, and nobody could run it.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
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

// output gives the logged lines of hooks as "stream: line".
func (r *record) output(t testing.TB) []string {
	t.Helper()
	var lines []string
	for _, e := range r.entries(t, "output") {
		lines = append(lines, e["stream"].(string)+": "+e["line"].(string))
	}
	return lines
}
