package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

func TestWrap(t *testing.T) {
	tests := []struct {
		name, line string
		width      int
		want       string
	}{
		{"fits", "ok: hooks: needs_update 1\n", 25, "ok: hooks: needs_update 1\n"},
		{"a sentence", "stage update failed 02:14 in 50-apt (exit 100), lock kept\n", 24,
			"stage update failed\n  02:14 in 50-apt (exit\n  100), lock kept\n"},
		{"an indented one", "  /etc/x.d: can be written by others (mode 0775)\n", 24,
			"  /etc/x.d: can be\n    written by others\n    (mode 0775)\n"},
		{"a table", "  runs       50-apt     Are there newer packages on this host?\n", 40,
			"  runs       50-apt     Are there newer\n                        packages on this\n" +
				"                        host?\n"},
		{"a last column that begins too far on the right", "  runs       50-apt-security            Are there any?\n", 40,
			"  runs       50-apt-security\n             Are there any?\n"},
		{"a last column that stays together", "key   = /a/value  # /etc/config.ini:2\n", 25,
			"key   = /a/value\n      # /etc/config.ini:2\n"},
		{"a word that does not fit below its column", "  x update      exit 2: /a/long/path/of/a/file\n", 24,
			"  x update      exit 2:\n  /a/long/path/of/a/file\n"},
		{"a word that does not fit", "state = /var/lib/foreman_dlm_updater/state # default\n", 20,
			"state =\n/var/lib/foreman_dlm_updater/state\n  # default\n"},
		{"colours take no room", "\x1b[31mstage update failed\x1b[0m\n", 19, "\x1b[31mstage update failed\x1b[0m\n"},
		{"characters do, not bytes", "für über\n", 8, "für über\n"},
		{"no line end", "stage update", 8, "stage\n  update"},
	}
	for _, test := range tests {
		if diff := cmp.Diff(test.want, wrap(test.line, test.width)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// TestOutput: lines that come in pieces are broken on a terminal, and stay whole elsewhere; so does JSON.
func TestOutput(t *testing.T) {
	for width, want := range map[int]string{0: "one two three\n{\"a\": \"one two three\"}\n",
		9: "one two\n  three\n{\"a\": \"one two three\"}\n"} {
		var got bytes.Buffer
		out := &output{Writer: &got, width: width}
		for _, piece := range []string{"one", " two thr", "ee\n"} {
			if n, err := out.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		if _, err := whole(out).Write([]byte("{\"a\": \"one two three\"}\n")); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("width %d (-want +got):\n%s", width, diff)
		}
	}
}

// TestNobodyReads runs every command, and asks each for help, into a pipe that nobody reads (`| head`): it does not
// complain, and its exit code is what it would have been.
func TestNobodyReads(t *testing.T) {
	for _, node := range nodes(t) {
		command := commandWords(node)
		lines := []string{command + " --help"}
		if node.Leaf() {
			line := strings.TrimSpace(command + " " + argument(t, node))
			lines = append(lines, line)
			for _, flag := range node.Flags {
				if flag.Name == "json" || flag.Name == "watch" {
					lines = append(lines, line+" --"+flag.Name)
				}
			}
		}
		for _, line := range lines {
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				var want int
				switch {
				case strings.Contains(line, "--watch"): // which would not end
				case line == "check": // monitoring has to hear that it was told nothing
					want = int(pluginUnknown)
				default:
					want, _ = invoke(t, line, true)
				}
				code, complaints := invoke(t, line, false)
				if code != want || strings.Contains(complaints, "pipe") || strings.Contains(complaints, "nobody") {
					t.Errorf("exit code %d, want %d; standard error: %s", code, want, complaints)
				}
			})
		}
	}
}

// invoke runs a command on a host of its own, with somebody who reads its output or without, and returns its exit code
// and standard error.
func invoke(t *testing.T, line string, read bool) (int, string) {
	t.Helper()
	dir := t.TempDir()
	layOut(t, dir)
	config := withForeman(t, dir)
	stderr, err := os.Create(filepath.Join(dir, "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	defer reader.Close()
	if read {
		go io.Copy(io.Discard, reader)
	} else {
		reader.Close()
	}
	args := append(strings.Fields(line), "-c", config)
	if strings.HasPrefix(line, "hooks") {
		args = append(args, "--library", filepath.Join(dir, "lib"))
	}
	code := Main(Process{Context: t.Context(), Kill: t.Context(), Stdout: writer, Stderr: stderr}, args)
	text, err := os.ReadFile(stderr.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(text)
}

// withForeman lets the host of layOut ask a Foreman, and returns its configuration.
func withForeman(t *testing.T, dir string) string {
	t.Helper()
	ca, err := sandbox.NewCA(filepath.Join(dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("host.example.com", sandbox.IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	running, err := sandbox.New(sandbox.Options{}).Start(ca)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { running.Close() })
	template, err := os.ReadFile(filepath.Join(dir, "config.ini"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("https://foreman.example.com", running.URL, "/crt", cert,
		"/key", key).Replace(string(template)) +
		"ca = " + ca.File() + "\nlock = " + dir + "/lock\nlock_settle = 1ms\nreboot_cmd = /bin/false\n"
	put(t, filepath.Join(dir, "config.ini"), text, 0o644)
	return filepath.Join(dir, "config.ini")
}

// hungWriter is a full pipe that nobody reads.
type hungWriter chan struct{}

func (h hungWriter) Write(text []byte) (int, error) { <-h; return len(text), nil }

// TestToldToStopWhileNobodyReads: status --watch, for instance, behind a pager that is not looked at.
func TestToldToStopWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hung := make(hungWriter)
		ctx, stop := context.WithCancel(t.Context())
		time.AfterFunc(time.Hour, stop)
		began := time.Now()
		_, err := fmt.Fprintln(whole(newOutput(hung, ctx.Done())), "nobody reads this")
		if took := time.Since(began); err != errUnread || took != time.Hour+unreadPatience {
			t.Errorf("%v after %s", err, took)
		}
		close(hung)
		if _, err := fmt.Fprintln(newOutput(hung, ctx.Done()), "somebody does"); err != nil {
			t.Errorf("a command that was told to stop can't say so: %v", err)
		}
	})
}
