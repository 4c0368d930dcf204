package process

import (
	"context"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

// deaf is a log that nobody reads, as a full pipe is, until the test is over.
type deaf struct{ over <-chan struct{} }

func (d deaf) Write(p []byte) (int, error) {
	<-d.over
	return len(p), nil
}

func deafLog(t *testing.T) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: deaf{t.Context().Done()}})
}

// TestUnreadLog: a log that nobody reads delays neither the timeout, nor a signal, nor whoever waits for the hook.
func TestUnreadLog(t *testing.T) {
	type unread struct {
		name, script string
		kill         bool
		held         bool // by Wait, not by the logger
	}
	tests := []unread{
		{"timeout of a silent hook", "exec sleep 60", false, false},
		{"timeout of one that writes without end", "exec yes", false, false},
		{"kill of a silent hook", "exec sleep 60", true, false},
		{"kill of one that writes without end", "exec yes", true, false},
		{"timeout, and a daemon that writes without end", "setsid timeout 20 yes & exec sleep 60", false, false},
		{"of one that has ended by itself", "exit 7", false, false},
	}
	for _, test := range tests {
		test.name, test.held = "held up, "+test.name, true
		tests = append(tests, test)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path, wait := fifo(t)
			kill, cancel := context.WithCancel(t.Context())
			r := &Runner{Log: deafLog(t), Kill: kill, Grace: 200 * time.Millisecond, Linger: 200 * time.Millisecond}
			if !test.kill {
				r.Timeout = 200 * time.Millisecond
			}
			if test.held {
				r.Log, r.Wait = nil, func() { <-t.Context().Done() }
			}
			results := make(chan Result, 1)
			go func() { results <- run(r, sh(t, "echo $$ >"+path+"\n"+test.script)) }()
			pid, _ := strconv.Atoi(wait()) // it runs, whatever becomes of the log
			if test.kill {
				cancel()
			}
			select {
			case res := <-results:
				if res.Killed != test.kill || res.Exit != 7 && res.TimedOut == test.kill {
					t.Errorf("%+v", res)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("whoever waits for the hook is held up by the log")
			}
			stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
			if err == nil && !strings.Contains(string(stat), ") Z ") {
				t.Errorf("the hook is still there: %s", stat)
				_ = syscall.Kill(-pid, syscall.SIGKILL)
			}
			cancel()
		})
	}
}

// TestUnreadLogIsHurriedByKill: if a hook has ended but nobody reads the log, Run returns soon after the second signal.
func TestUnreadLogIsHurriedByKill(t *testing.T) {
	kill, cancel := context.WithCancel(t.Context())
	r := &Runner{Log: deafLog(t), Kill: kill, Grace: 100 * time.Millisecond}
	results := make(chan Result, 1)
	path, wait := fifo(t)
	go func() { results <- run(r, sh(t, "echo >"+path+"; exit 7")) }()
	wait()
	cancel()
	select {
	case <-results:
	case <-time.After(20 * time.Second):
		t.Fatal("the second signal does not end it")
	}
}
