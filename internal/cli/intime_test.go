package cli

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/status"

	"github.com/hashicorp/go-hclog"
)

func TestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		defer close(hung)
		began := time.Now()
		err := inTime(func() error { <-hung; return nil })
		if took := time.Since(began); err == nil || took != reportPatience {
			t.Errorf("a disk that hangs: %v, after %s", err, took)
		}
		full := errors.New("no space left on device")
		if err := inTime(func() error { return full }); err != full {
			t.Errorf("a disk that is full: %v", err)
		}
	})
}

// TestMetricsOnADiskThatHangs: the goroutine that writes them never ends; the run does.
func TestMetricsOnADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		r := &reporter{log: hclog.New(&hclog.LoggerOptions{Output: &said}), events: make(chan events.Event, 1), over: make(chan struct{})}
		r.see(events.Event{Status: status.Status{Code: status.Running}})
		began := time.Now()
		r.end(t.Context(), events.Event{}, nil)
		if took := time.Since(began); took != reportPatience || !strings.Contains(said.String(), "metrics are not complete, or not written") {
			t.Errorf("after %s: %s", took, said.String())
		}
		close(r.over)
	})
}

// TestMistakeOfARun: Go would write what happened to standard error, and wait for somebody to read it.
func TestMistakeOfARun(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.ini")
	text := "[main]\nlock_name = web\nforeman_url = https://foreman.example.com\nclient_crt = /c\nclient_key = /k\nstate = " + dir + "/state\nlock = " + dir + "/lock\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	err = (&runCmd{}).Run(&Process{Stderr: stderr}, configPath(config)) // without a Context
	said, readErr := os.ReadFile(stderr.Name())
	if readErr != nil || exitCode(err) != exitFailed || !strings.Contains(string(said), "internal error") || !strings.Contains(string(said), "run.go") {
		t.Errorf("%v, %v: %s", err, readErr, said)
	}
}
