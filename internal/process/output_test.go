package process

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// discard is a logger that formats and writes nowhere.
func discard() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Info, Output: failing{}})
}

// failing is a disk that is full.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// TestLogged: hclog logs the output of a hook as the same text in both formats, escaped once.
func TestLogged(t *testing.T) {
	h := sh(t, `printf 'a "b" \\x \033[1m \377 \302\205\n'`)
	var text, structured record
	run(&Runner{Log: hclog.New(&hclog.LoggerOptions{Output: &text, DisableTime: true})}, h)
	_, rest, _ := strings.Cut(text.buf.String(), "\n") // "hook started"
	first, _, _ := strings.Cut(rest, "\n")
	if diff := cmp.Diff(`[INFO]  output: hook=10-test stream=stdout line="a \"b\" \x \x1b[1m \xff \u0085"`,
		first); diff != "" {
		t.Error(diff)
	}
	run(&Runner{Log: hclog.New(&hclog.LoggerOptions{Output: &structured, JSONFormat: true})}, h)
	if diff := cmp.Diff([]string{`stdout: a "b" \x \x1b[1m \xff \u0085`}, structured.output(t)); diff != "" {
		t.Error(diff)
	}
}

func TestOutput(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		text string
		want []string
	}{
		{"printf ''", nil},
		{"echo; echo", []string{"stdout: ", "stdout: "}},
		{"printf 'a\\nb'", []string{"stdout: a", "stdout: b"}},
		{"printf 'a\\r\\nb\\r'", []string{"stdout: a", `stdout: b`}},
		{"printf 'a\\rb\\r\\r\\n'", []string{`stdout: a\rb\r`}},
		{"printf 'b\\nc' >&2", []string{"stderr: b", "stderr: c"}},
		{line(maxLine), []string{"stdout: " + long(maxLine)}},
		{line(maxLine) + `; printf '\r\n'`, []string{"stdout: " + long(maxLine)}},
		{line(maxLine+1) + "; echo; echo z", []string{"stdout: " + long(maxLine) + " [1 more bytes left out]", "stdout: z"}},
		{line(maxLine+1) + "; printf '\\r\\n'", []string{"stdout: " + long(maxLine) + " [2 more bytes left out]"}},
		{line(maxLine-1) + "; printf '\\303\\274\\n'", []string{"stdout: " + long(maxLine-1) + " [2 more bytes left out]"}},
		{line(1000000) + "; echo", []string{"stdout: " + long(maxLine) +
			fmt.Sprintf(" [%d more bytes left out]", 1000000-maxLine)}},
	} {
		rec, log := newRecord()
		if res := run(&Runner{Log: log}, sh(t, tt.text)); !res.OK() {
			t.Error(res)
		}
		if diff := cmp.Diff(tt.want, rec.output(t)); diff != "" {
			t.Errorf("%s: %s", tt.text, diff)
		}
	}
}

// line is a command that prints n times x.
func line(n int) string { return fmt.Sprintf("head -c %d /dev/zero | tr '\\0' x", n) }

// TestOutputOrder: a line on one stream is logged before a later line on the other. The hook waits until each line is
// logged: otherwise the order would not be certain on a busy machine.
func TestOutputOrder(t *testing.T) {
	path, _ := fifo(t)
	heard, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	defer heard.Close()
	rec, _ := newRecord()
	log := hclog.New(&hclog.LoggerOptions{JSONFormat: true, Output: writerFunc(func(p []byte) {
		_, _ = rec.Write(p)
		if strings.Contains(string(p), `"line"`) {
			_, _ = heard.WriteString("\n")
		}
	})})
	script := "exec 3<" + path
	var want []string
	for i := range 50 {
		script += fmt.Sprintf("; echo o%d; read -r _ <&3; echo e%[1]d >&2; read -r _ <&3", i)
		want = append(want, fmt.Sprintf("stdout: o%d", i), fmt.Sprintf("stderr: e%d", i))
	}
	script += "; printf a; echo b >&2; read -r _ <&3; echo d"
	want = append(want, "stderr: b", "stdout: ad")
	if res := run(&Runner{Log: log}, sh(t, script)); !res.OK() {
		t.Error(res)
	}
	if diff := cmp.Diff(want, rec.output(t)); diff != "" {
		t.Error(diff)
	}
}

// TestOutputStreams checks that neither stream starves or loses anything while both are busy.
func TestOutputStreams(t *testing.T) {
	h := sh(t, "seq -f e%.0f 5000 >&2 & seq -f o%.0f 5000; wait")
	rec, log := newRecord()
	run(&Runner{Log: log}, h)
	next := map[string]int{"stdout: o": 1, "stderr: e": 1}
	for _, l := range rec.output(t) {
		if want := fmt.Sprint(l[:9], next[l[:9]]); l != want {
			t.Fatalf("%q, want %q", l, want)
		}
		next[l[:9]]++
	}
	if diff := cmp.Diff(map[string]int{"stdout: o": 5001, "stderr: e": 5001}, next); diff != "" {
		t.Error(diff)
	}
}

// TestOutputLive reads a line from the log while its hook still runs.
func TestOutputLive(t *testing.T) {
	path, _ := fifo(t)
	seen := make(chan struct{})
	log := hclog.New(&hclog.LoggerOptions{Output: writerFunc(func(p []byte) {
		if strings.Contains(string(p), "line=hello") {
			close(seen)
		}
	})})
	done := make(chan Result, 1)
	go func() { done <- run(&Runner{Log: log}, sh(t, "echo hello; read -r _ <"+path)) }()
	<-seen
	must(t, os.WriteFile(path, []byte("\n"), 0))
	if res := <-done; !res.OK() {
		t.Error(res)
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

func TestFailingLogger(t *testing.T) {
	h := sh(t, "seq 20000; exit 9")
	if res := run(&Runner{Log: discard()}, h); res.Exit != 9 {
		t.Error(res)
	}
	if res := run(&Runner{}, h); res.Exit != 9 {
		t.Error(res)
	}
}

// TestOutputMemory: one line is far longer than the memory that may be allocated for it.
func TestOutputMemory(t *testing.T) {
	const size = 300_000_000
	h := sh(t, line(size))
	rec, log := newRecord()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	res := run(&Runner{Log: log}, h)
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 4<<20 {
		t.Errorf("%d bytes allocated", allocated)
	}
	want := "stdout: " + strings.Repeat("x", maxLine) + fmt.Sprintf(" [%d more bytes left out]", size-maxLine)
	if diff := cmp.Diff([]string{want}, rec.output(t)); diff != "" || !res.OK() {
		t.Error(res, diff)
	}
}

// TestNotes: notes are whole lines of standard output, and no more than a few.
func TestNotes(t *testing.T) {
	_, log := newRecord()
	res := run(&Runner{Log: log}, sh(t, `echo "DLM_NOTE:  undo it "; echo "x DLM_NOTE: no"; echo "DLM_NOTE: no" >&2
		echo "DLM_NOTE: "; for i in 1 2 3 4 5 6 7 8 9; do echo "DLM_NOTE: $i"; done`))
	if diff := cmp.Diff([]string{"undo it", "1", "2", "3", "4", "5", "6", "7"}, res.Notes); diff != "" {
		t.Error(diff)
	}
}
