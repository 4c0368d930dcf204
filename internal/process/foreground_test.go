package process

import (
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// inForegroundOf is the program in the tests below: it runs a shell script with Foreground.
func inForegroundOf(text string) int {
	c := Caller{Files: [3]*os.File{os.Stdin, os.Stdout, os.Stderr}, Umask: 0o027}
	if signal.Ignored(syscall.SIGHUP) {
		c.Ignored = []os.Signal{syscall.SIGHUP}
	}
	res := c.Foreground("/bin/sh", []string{"sh", "-c", text}, []string{"OWN=own"}, c.Signals(), func(int) {})
	if res.Signal != 0 {
		return 128 + int(res.Signal)
	}
	return res.Exit
}

// screen is what a terminal shows.
type screen struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func (s *screen) copyFrom(master io.Reader) {
	b := make([]byte, 1024)
	for {
		n, err := master.Read(b)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.text.Write(b[:n])
		s.mu.Unlock()
		select {
		case s.more <- struct{}{}:
		default:
		}
	}
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func (s *screen) waitFor(t *testing.T, text string) {
	t.Helper()
	patience := time.After(20 * time.Second)
	for !strings.Contains(s.String(), text) {
		select {
		case <-s.more:
		case <-patience:
			t.Fatalf("no %q on the terminal: %q", text, s)
		}
	}
}

// TestForegroundTerminal: under a shell with job control, the command reads the terminal, hears one SIGINT after
// Ctrl-C, stops with Ctrl-Z, goes on with fg, and its exit code arrives. It keeps the terminal in a pipeline, too.
func TestForegroundTerminal(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		if ci := os.Getenv("CI"); ci != "" && ci != "false" {
			t.Fatal(err) // nobody would notice the skip
		}
		t.Skip("NOT TESTED: bash is not installed")
	}
	const command = `n=0; trap 'n=$((n+1)); echo INT' INT
		ask() { until read -r said </dev/tty; do :; done; echo "got $said"; }
		echo "mode $(umask) $OWN"; ask; ask; ask; echo "heard $n"; exit 3`
	for name, line := range map[string]string{
		"alone":         `"$PROGRAM"`,
		"in a pipeline": `"$PROGRAM" | (trap "" INT; cat)`,
	} {
		t.Run(name, func(t *testing.T) {
			master, slave := terminal(t)
			shell := exec.Command(bash, "-m", "-c", line+"; echo \"status $?\"; fg >/dev/null; echo \"status $?\"")
			shell.Env = append(os.Environ(), "PROGRAM="+os.Args[0], "TEST_FOREGROUND="+command)
			shell.Stdin, shell.Stdout, shell.Stderr = slave, slave, slave
			shell.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
			must(t, shell.Start()) // slave stays open: after the last close, Linux may refuse to show what is still to be read
			shows := &screen{more: make(chan struct{}, 1)}
			go shows.copyFrom(master)
			types := func(keys, want string) {
				t.Helper()
				_, err := master.WriteString(keys)
				must(t, err)
				shows.waitFor(t, want)
			}
			shows.waitFor(t, "mode 0027 own")
			types("one\n", "got one")
			types("\x03", "^C")
			types("two\n", "got two") // a shell that was about to read runs its trap only now
			shows.waitFor(t, "INT")
			types("\x1a", "status 148") // 128 + SIGTSTP
			types("three\n", "heard 1")
			if name == "alone" {
				shows.waitFor(t, "status 3")
			}
			must(t, shell.Wait())
		})
	}
}

// TestForeground: signals that come from elsewhere are passed on, and the end of the command is told apart.
func TestForeground(t *testing.T) {
	hearHangup(t)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1,
		syscall.SIGUSR2} {
		for text, want := range map[string]int{"trap 'exit 9' HUP INT QUIT TERM USR1 USR2; ": 9, "": 128 + int(s)} {
			dir := t.TempDir()
			ready, never := filepath.Join(dir, "ready"), filepath.Join(dir, "never")
			must(t, syscall.Mkfifo(ready, 0o600))
			must(t, syscall.Mkfifo(never, 0o600))
			program := exec.Command(os.Args[0])
			program.Env = append(os.Environ(), "TEST_FOREGROUND="+text+"read -r x <"+ready+"; read -r x <"+never)
			program.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // without a terminal
			must(t, program.Start())
			must(t, os.WriteFile(ready, []byte("\n"), 0o600)) // returns once it is open at the other end
			must(t, program.Process.Signal(s))
			// A shell that hears it right before it opens the next FIFO forgets it there, until it hears it again.
			again := time.AfterFunc(5*time.Second, func() { _ = program.Process.Signal(s) })
			defer again.Stop()
			if err := program.Wait(); program.ProcessState.ExitCode() != want {
				t.Errorf("%v, %q: %v, want %d", s, text, err, want)
			}
		}
	}
}

// hearHangup lets this process hear SIGHUP, which the programs that it starts then don't ignore, even under nohup(1).
func hearHangup(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(heard) })
}

// TestForegroundIgnored: what nohup(1) has ignored stays ignored in the command.
func TestForegroundIgnored(t *testing.T) {
	program := exec.Command("/bin/sh", "-c", `trap '' HUP; exec "$0"`, os.Args[0])
	program.Env = append(os.Environ(), "TEST_FOREGROUND=kill -HUP $$; exit 4")
	if err := program.Run(); program.ProcessState.ExitCode() != 4 {
		t.Error(err)
	}
}
