package cli

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

func TestInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		defer close(hung)
		began := time.Now()
		err := inTime(hclog.NewNullLogger(), reportPatience, func() error { <-hung; return nil })
		if took := time.Since(began); err == nil || took != reportPatience {
			t.Errorf("a disk that hangs: %v, after %s", err, took)
		}
		full := errors.New("no space left on device")
		if err := inTime(hclog.NewNullLogger(), reportPatience, func() error { return full }); err != full {
			t.Errorf("a disk that is full: %v", err)
		}
	})
}

// TestMetricsOnADiskThatHangs: the goroutine that writes them never ends; the run does.
func TestMetricsOnADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		hung := make(chan struct{})
		r := &reporter{log: hclog.New(&hclog.LoggerOptions{Output: &said}),
			news: passNewest(hclog.NewNullLogger(), func(<-chan events.Event) { <-hung })}
		r.see(events.Event{Status: status.Status{Code: status.Running}})
		began := time.Now()
		r.end(t.Context(), events.Event{}, nil)
		if took := time.Since(began); took != reportPatience ||
			!strings.Contains(said.String(), "metrics are not complete, or not written") {
			t.Errorf("after %s: %s", took, said.String())
		}
		r.see(events.Event{Status: status.Status{Code: status.Failed}, Record: &state.Record{}}) // too late, and no mistake
		close(hung)
	})
}

// TestReportsOnADiskThatHangs: the end waits for all of them at once.
func TestReportsOnADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(chan struct{})
		defer close(hung)
		report := func() {
			_ = inTime(hclog.NewNullLogger(), reportPatience, func() error { <-hung; return nil })
		}
		began := time.Now()
		together(hclog.NewNullLogger(), report, report, report)
		if took := time.Since(began); took != reportPatience {
			t.Errorf("three took %s", took)
		}
	})
}

// TestMistakesOfReports: the log tells of them, with the place, and everything else goes on.
func TestMistakesOfReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said strings.Builder
		log := hclog.New(&hclog.LoggerOptions{Output: &said})
		mistake := func(name string) func() { return func() { panic("mistake in " + name) } }
		done := false
		together(log, mistake("one of several"), func() { done = true })
		<-beside(log, mistake("a goroutine"))
		err := inTime(log, time.Second, func() error { panic("mistake at the end") })
		if err == nil || err.Error() != "internal error: mistake at the end" {
			t.Error(err)
		}
		n := passNewest(log, func(<-chan int) { panic("mistake of a listener") })
		synctest.Wait()
		n.pass(1)
		n.pass(2)
		n.close()
		for _, where := range []string{"one of several", "a goroutine", "at the end", "of a listener"} {
			if !strings.Contains(said.String(), where) {
				t.Errorf("the mistake %s is not reported", where)
			}
		}
		if !done || strings.Count(said.String(), "intime_test.go") < 4 {
			t.Errorf("done: %t; %s", done, said.String())
		}
	})
}

// TestNewest: a goroutine that is slow gets the last value last, and whoever passes values does not wait for it.
func TestNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		var got []int
		n := passNewest(hclog.NewNullLogger(), func(values <-chan int) {
			for value := range values {
				<-slow
				got = append(got, value)
			}
		})
		n.pass(1)
		synctest.Wait()
		for i := range 100 {
			n.pass(i + 2)
		}
		close(slow)
		n.close()
		n.pass(200)
		n.close()
		if want := []int{1, 101}; !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// TestSystemdThatDoesNotRead: a socket that nobody reads holds nobody up, and whoever reads it after all hears the last
// sentence last.
func TestSystemdThatDoesNotRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	full, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(full)
	for err == nil {
		err = unix.Sendto(full, []byte("STATUS=nobody reads this"), 0, &unix.SockaddrUnix{Name: path})
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	n := passNewest(hclog.NewNullLogger(), showSentences)
	for range 5000 {
		n.pass("another one")
	}
	n.pass("the last one")
	if err := inTime(hclog.NewNullLogger(), time.Millisecond, n.close); err == nil {
		t.Fatal("the socket is not full")
	}
	heard := make([]byte, 10000)
	for {
		if err := systemd.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		size, err := systemd.Read(heard)
		if err != nil {
			t.Fatalf("the last sentence was lost: %v", err)
		}
		if string(heard[:size]) == "STATUS=the last one" {
			return
		}
	}
}

// TestMistakeOfARun: Go would write what happened to standard error, and wait for somebody to read it.
func TestMistakeOfARun(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.ini")
	text := "[main]\nlock_name = web\nforeman_url = https://foreman.example.com\nclient_crt = /c\nclient_key = /k\n" +
		"state = " + dir + "/state\nlock = " + dir + "/lock\n"
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
	if readErr != nil || exitCode(err) != exitFailed || !strings.Contains(string(said), "internal error") ||
		!strings.Contains(string(said), "run.go") {
		t.Errorf("%v, %v: %s", err, readErr, said)
	}
}
