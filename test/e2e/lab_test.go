//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// lab is a network of hosts, and two lock servers in it, which the hosts know as https://server:8443 (the stand-in
// Foreman) and https://server:8444 (a FleetLock server, whose group "fleet" has one slot).
type lab struct {
	t *testing.T
	// dir is for all that is made: the lab itself, and in "given" what the hosts see as /e2e.
	dir string
}

// newLab builds what the hosts need and starts the server. It skips the test where hosts can't be booted. In the end,
// whatever that is, nothing is left but the cached root filesystem.
func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		unavailable(t, errors.New("only root may boot hosts"))
	}
	dir, err := os.MkdirTemp("", "foreman-dlm-updater-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t, dir}
	l.destroyInTheEnd()
	for _, step := range [][]string{{"deps"}, {"net", "true"}} {
		if _, err := output(l.script(step[0], step[1:]...)); err != nil {
			unavailable(t, err)
		}
	}
	must(t, l.script("rootfs"))
	if err := os.CopyFS(l.path("given"), os.DirFS("given")); err != nil {
		t.Fatal(err)
	}
	l.build()
	l.publishLedger("old", "1.0")
	l.publishLedger("new", "2.0")
	l.publishProduct()
	l.serve("server.log", ":8443")
	l.serve("fleetlock.log", ":8444", "--fleetlock", "--group", "fleet=1")
	return l
}

// unavailable skips the test, but in CI, where nobody would notice.
func unavailable(t *testing.T, why error) {
	t.Helper()
	if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatalf("no hosts can be booted here, and CI=%s: %v", ci, why)
	}
	t.Skipf("NOT TESTED: no hosts can be booted here: %v", why)
}

func (l *lab) path(name string) string { return filepath.Join(l.dir, name) }

// read reads a file that was made; one that isn't there is empty.
func (l *lab) read(name string) []byte {
	content, err := os.ReadFile(l.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		l.t.Fatal(err)
	}
	return content
}

// destroyInTheEnd leaves the cleaning up to a process that waits for the end of this one: also a panic, a timeout of
// `go test` and SIGKILL are ends.
func (l *lab) destroyInTheEnd() {
	const wait = `cat >/dev/null
		if trouble=$(../lab/boot-lab.sh destroy 2>&1); then rm -rf --one-file-system "$1"; else echo "$trouble"; exit 1; fi`
	cmd := exec.Command("sh", "-c", wait, "sh", l.dir)
	cmd.Env = l.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of the terminal's ^C
	var told bytes.Buffer
	cmd.Stdout, cmd.Stderr = &told, &told
	alive, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		alive.Close()
		if err := cmd.Wait(); err != nil {
			l.t.Errorf("destroy the lab in %s: %v: %s", l.dir, err, told.String())
		}
	})
}

// build builds the programs that the test itself uses.
func (l *lab) build() {
	l.t.Helper()
	cmd := l.command("go", "build", "-C", "../..", "-o", l.path("given/bin")+"/", "./cmd/...")
	cmd.Env = append(cmd.Env, "CGO_ENABLED=0")
	must(l.t, cmd)
}

// serve starts a lock server. It records what happens to locks in the file "record".
func (l *lab) serve(logName, address string, flags ...string) {
	l.t.Helper()
	log, err := os.Create(l.path(logName))
	if err != nil {
		l.t.Fatal(err)
	}
	cmd := l.script("net", append([]string{l.path("given/bin/dlm-sandbox"), "serve", "--dir", l.path("given/ca"),
		"--listen", address, "--name", "server", "--record", l.path("record")}, flags...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			l.t.Errorf("the server: %v\n%s", err, l.read(logName))
		}
		log.Close()
	})
	err = poll(func() error {
		if log := l.read(logName); !bytes.Contains(log, []byte("listening on")) {
			return fmt.Errorf("it says %q", log)
		}
		return nil
	})
	if err != nil {
		l.t.Fatalf("the server does not listen: %v", err)
	}
}

func (l *lab) environment() []string {
	return append(os.Environ(), "BOOT_LAB_DIR="+l.path("lab"), "BOOT_LAB_NSPAWN=--bind-ro="+l.path("given")+":/e2e",
		// as in ../hooks/real.sh, to share its root filesystem
		"BOOT_LAB_PKGS=bats,needrestart,apt-utils,dpkg-dev,gpg,gpg-agent,gpgconf",
		"BOOT_LAB_TIMEOUT="+fmt.Sprint(patience.Seconds()))
}

// script is a call of boot-lab.sh.
func (l *lab) script(what string, args ...string) *exec.Cmd {
	return l.command("../lab/boot-lab.sh", append([]string{what}, args...)...)
}

// command is a command that does not outlive this process. It has a process group of its own.
func (l *lab) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = l.environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	return cmd
}

// output runs a command and returns its standard output. The error has its standard error. A command that hangs is
// killed, so that it fails its own test and not all of them.
func output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = patience // for who holds its output, after its end
	err := cmd.Start()
	if err == nil {
		hangs := time.AfterFunc(4*patience, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		if err = cmd.Wait(); !hangs.Stop() {
			err = fmt.Errorf("not done after %s: %w", 4*patience, err)
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}

func must(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	text, err := output(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// poll checks again and again until there is no error, and gives up with the last one.
func poll(check func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// stoppedCommand: a host that goes down stops what runs in it for a moment, and a command of the lab's does not stay
// so.
func stoppedCommand(t *testing.T, l *lab) {
	h := l.boot(t, "stopped")
	said := make(chan string)
	go func() {
		text, err := h.try("sh", "-c", "echo $$ >/run/stopped; kill -STOP $$; echo went on")
		said <- fmt.Sprint(text, err)
	}()
	h.eventually("the command is stopped", func() error {
		text, err := h.try("sh", "-c", "cat /proc/$(cat /run/stopped)/stat")
		if err == nil && !strings.Contains(text, ") T ") {
			return errors.New(text)
		}
		return err
	})
	h.run("sh", "-c", "kill -CONT $(cat /run/stopped)")
	if got := <-said; got != "went on\n<nil>" {
		t.Errorf("a command that was stopped: %s", got)
	}
}

// removedHost: while a host is removed, the others' /etc/hosts, which has the server, is never empty.
func removedHost(t *testing.T, l *lab) {
	h := l.boot(t, "stays")
	must(t, l.script("up", "goes"))
	t.Cleanup(func() { _ = l.script("rm", "goes").Run() })
	lost := make(chan string)
	go func() {
		text, err := h.try("sh", "-c", `touch /run/looks; lost=0
			until [ -e /run/enough ]; do read -r line </etc/hosts || lost=$((lost + 1)); done; echo $lost`)
		lost <- fmt.Sprint(text, err)
	}()
	h.eventually("somebody looks", func() error {
		_, err := h.try("test", "-e", "/run/looks")
		return err
	})
	must(t, l.script("rm", "goes"))
	if got := h.run("sh", "-c", "touch /run/enough; getent hosts goes || echo gone"); got != "gone\n" {
		t.Errorf("the address of the removed host: %s", got)
	}
	if got := <-lost; got != "0\n<nil>" {
		t.Errorf("times that /etc/hosts was empty: %s", got)
	}
}
