package process

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal opens a new terminal.
func terminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { master.Close() })
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// TestTerminal: under a run by hand a hook that asks for a password is told that there is no terminal. In the
// background of a terminal it would stop (SIGTTIN), and the run with it.
func TestTerminal(t *testing.T) {
	_, slave := terminal(t)
	h := sh(t, "read -r answer </dev/tty; echo \"exit $? $answer\"\n(stty sane <>/dev/tty) || echo no stty")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_RUN_HOOK="+h)
	cmd.Stdin = slave
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Run(); err != nil {
		t.Fatal(err, out.String())
	}
	got := out.String()
	if !strings.Contains(got, "/dev/tty: No such device or address") || !strings.Contains(got, "no stty") ||
		!strings.HasSuffix(got, "exit 0\n") {
		t.Errorf("got %s", got)
	}
}

// runByHand is the program in TestTerminal.
func runByHand(path string) {
	_, log := newRecord()
	r := &Runner{Log: log, Timeout: 10 * time.Second, Grace: time.Second}
	res := run(r, path)
	fmt.Println(strings.Join(res.Last, "\n"))
	fmt.Println(res)
}

// TestStopped: a hook that was stopped (SIGSTOP, SIGTTOU) hears TERM, and needs no KILL.
func TestStopped(t *testing.T) {
	h := sh(t, "trap 'exit 3' TERM; kill -STOP $$; exit 4")
	res := inTime(0, func(timeout time.Duration) Result {
		return run(&Runner{Timeout: timeout, Grace: 10 * time.Second}, h)
	})
	if !res.TimedOut || res.Exit != 3 {
		t.Errorf("%+v", res)
	}
}
