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

// unread is the Wait of a log that nobody reads.
func unread(ctx context.Context) { <-ctx.Done() }

// TestUnreadLog: a log that nobody reads delays neither the timeout, nor a signal, nor whoever waits for the hook.
func TestUnreadLog(t *testing.T) {
	for _, test := range []struct {
		name, script string
		kill         bool
	}{
		{"timeout of a hook that writes a line", "echo; exec sleep 60", false},
		{"timeout of one that writes without end", "exec yes", false},
		{"kill of a hook that writes a line", "echo; exec sleep 60", true},
		{"kill of one that writes without end", "exec yes", true},
		{"timeout, and a daemon that writes without end", "setsid timeout 20 yes & exec sleep 60", false},
		{"of one that has ended by itself", "echo; exit 7", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path, wait := fifo(t)
			rec, log := newRecord()
			log.SetLevel(hclog.Warn) // of the flood only what this test reads
			kill, cancel := context.WithCancel(t.Context())
			r := &Runner{Log: log, Wait: unread, Kill: kill, Grace: 200 * time.Millisecond, Linger: 200 * time.Millisecond}
			if !test.kill {
				r.Timeout = 200 * time.Millisecond
			}
			results := make(chan Result, 1)
			script := test.script
			if test.kill { // a timeout may come before the hook says that it runs
				script = "echo >" + path + "\n" + script
			}
			go func() { results <- run(r, sh(t, script)) }()
			if test.kill {
				wait()
				cancel()
			}
			var res Result
			select {
			case res = <-results:
				if res.Killed != test.kill || res.Exit != 7 && res.TimedOut == test.kill {
					t.Errorf("%+v", res)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("whoever waits for the hook is held up by the log")
			}
			ended := rec.entries(t, "ending the process group")
			if (len(ended) == 1) != (res.TimedOut || res.Killed) {
				t.Errorf("%d warnings that it was ended: %+v", len(ended), res)
			}
			for _, e := range ended {
				pid := int(e["pgid"].(float64))
				stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
				if err == nil && !strings.Contains(string(stat), ") Z ") {
					t.Errorf("the hook is still there: %s", stat)
					_ = syscall.Kill(-pid, syscall.SIGKILL)
				}
			}
			cancel()
		})
	}
}

// TestUnreadLogIsHurriedByKill: if a hook has ended but nobody reads the log, Run returns soon after the second signal.
func TestUnreadLogIsHurriedByKill(t *testing.T) {
	kill, cancel := context.WithCancel(t.Context())
	r := &Runner{Wait: unread, Kill: kill, Grace: 100 * time.Millisecond}
	results := make(chan Result, 1)
	path, wait := fifo(t)
	go func() { results <- run(r, sh(t, "echo >"+path+"; echo; exit 7")) }()
	wait()
	cancel()
	select {
	case <-results:
	case <-time.After(20 * time.Second):
		t.Fatal("the second signal does not end it")
	}
}
