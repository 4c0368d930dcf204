package logging

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

// noon is the clock of most tests.
func noon() time.Time {
	return time.Date(2026, 3, 4, 12, 0, 0, 5e6, time.FixedZone("", 2*60*60))
}

// logged returns what a logger with these options wrote to standard error and to the file.
func logged(t *testing.T, o Options, use func(hclog.Logger)) (stderr, file string) {
	t.Helper()
	return bulk(t, o, func(log hclog.Logger, _ func()) { use(log) })
}

// bulk is the same for more than fits into a queue: use is to wait after each line.
func bulk(t *testing.T, o Options, use func(log hclog.Logger, wait func())) (stderr, file string) {
	t.Helper()
	dir := t.TempDir()
	var err error
	o.Stderr, err = os.Create(filepath.Join(dir, "stderr"))
	must(t, err)
	defer o.Stderr.Close()
	if o.File != "" {
		o.File = filepath.Join(dir, o.File)
	}
	o.now = noon
	log, outs, err := New(o)
	must(t, err)
	use(log, func() { outs.Wait(t.Context()) })
	must(t, outs.Close())
	if o.File != "" {
		file = read(t, o.File)
	}
	return read(t, filepath.Join(dir, "stderr")), file
}

func TestOutputs(t *testing.T) {
	use := func(log hclog.Logger) { log.Named("dlm").With("run", 7).Warn("lock is held", "by", "a host") }
	const (
		text     = `2026-03-04T12:00:00.005+02:00 [WARN]  dlm: lock is held: run=7 by="a host"` + "\n"
		jsonText = `{"@level":"warn","@message":"lock is held","@module":"dlm",` +
			`"@timestamp":"2026-03-04T12:00:00.005000+02:00","by":"a host","run":7}` + "\n"
		jsonBare = `{"@level":"warn","@message":"lock is held","@module":"dlm","by":"a host","run":7}` + "\n"
		bare     = `[WARN]  dlm: lock is held: run=7 by="a host"` + "\n"
		short    = "12:00:00 " + bare
		coloured = "12:00:00 \x1b[93m[WARN] \x1b[0m dlm: lock is held: run=7 by=\"a host\"\n"
	)
	for name, tt := range map[string]struct {
		o            Options
		env          string
		stderr, file string
	}{
		"plain":                  {Options{}, "", text, ""},
		"plain, JSON":            {Options{JSON: true}, "", jsonText, ""},
		"cron with a file":       {Options{File: "log"}, "", "", text},
		"cron with a JSON file":  {Options{File: "log", JSON: true}, "", "", jsonText},
		"terminal":               {Options{Terminal: true}, "", coloured, ""},
		"terminal, no colour":    {Options{Terminal: true}, "NO_COLOR=1", short, ""},
		"terminal, empty":        {Options{Terminal: true}, "NO_COLOR=", coloured, ""},
		"dumb terminal":          {Options{Terminal: true}, "TERM=dumb", short, ""},
		"terminal and file":      {Options{Terminal: true, File: "log"}, "", coloured, text},
		"terminal and JSON file": {Options{Terminal: true, File: "log", JSON: true}, "", coloured, jsonText},
		"journal":                {Options{Journal: true}, "", "<4>" + bare, ""},
		"journal, JSON":          {Options{Journal: true, JSON: true}, "", "<4>" + jsonBare, ""},
		"journal and file":       {Options{Journal: true, File: "log"}, "", "<4>" + bare, text},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NO_COLOR", "")
			t.Setenv("TERM", "xterm")
			if key, value, ok := strings.Cut(tt.env, "="); ok {
				t.Setenv(key, value)
			}
			stderr, file := logged(t, tt.o, use)
			if diff := cmp.Diff(tt.stderr, stderr); diff != "" {
				t.Error("stderr", diff)
			}
			if diff := cmp.Diff(tt.file, file); diff != "" {
				t.Error("file", diff)
			}
		})
	}
}

func TestLevels(t *testing.T) {
	all := func(log hclog.Logger) {
		log.Trace("trace")
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		log.Error("error")
	}
	for level, want := range map[string]string{
		"trace":    "<7>trace <7>debug <6>info <4>warn <3>error",
		"DEBUG":    "<7>debug <6>info <4>warn <3>error",
		"Info":     "<6>info <4>warn <3>error",
		"":         "<6>info <4>warn <3>error",
		"WARNING":  "<4>warn <3>error",
		"warn":     "<4>warn <3>error",
		"ERROR":    "<3>error",
		"CRITICAL": "<3>error",
	} {
		stderr, _ := logged(t, Options{Level: level, Journal: true}, all)
		got := regexp.MustCompile(`\[\w+\] +`).ReplaceAllString(stderr, "")
		got = strings.ReplaceAll(strings.TrimSpace(got), "\n", " ")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", level, diff)
		}
	}
	if _, _, err := New(Options{Level: "loud"}); err == nil || !strings.Contains(err.Error(), `"loud"`) {
		t.Error(err)
	}
	stderr, _ := logged(t, Options{Level: "ERROR", Journal: true}, func(log hclog.Logger) {
		if log.IsInfo() {
			t.Error("info is on")
		}
		log.SetLevel(hclog.Info)
		log.Named("x").Info("now")
	})
	if diff := cmp.Diff("<6>[INFO]  x: now\n", stderr); diff != "" {
		t.Error(diff)
	}
}

type stringer struct{ text string }

func (s stringer) String() string { return s.text }

// TestInjection logs hostile text in every place that an entry has.
func TestInjection(t *testing.T) {
	const evil = "a\x1b[31m\r\tb\xff\x9b \u009b\u202e\u2028\x7f\x00\nEVIL"
	places := map[string]func(hclog.Logger){
		"message":  func(l hclog.Logger) { l.Info(evil) },
		"name":     func(l hclog.Logger) { l.Named(evil).Info("m") },
		"key":      func(l hclog.Logger) { l.Info("m", evil, 1) },
		"odd":      func(l hclog.Logger) { l.Info("m", evil) },
		"with":     func(l hclog.Logger) { l.With("k", evil).Info("m") },
		"string":   func(l hclog.Logger) { l.Info("m", "k", evil) },
		"error":    func(l hclog.Logger) { l.Info("m", "k", errors.New(evil)) },
		"stringer": func(l hclog.Logger) { l.Info("m", "k", stringer{evil}) },
		"bytes":    func(l hclog.Logger) { l.Info("m", "k", []byte(evil)) },
		"strings":  func(l hclog.Logger) { l.Info("m", "k", []string{"x", evil}) },
		"errors":   func(l hclog.Logger) { l.Info("m", "k", []error{errors.New(evil)}) },
		"struct":   func(l hclog.Logger) { l.Info("m", "k", struct{ A string }{evil}) },
		"map":      func(l hclog.Logger) { l.Info("m", "k", map[string]string{evil: evil}) },
		"format":   func(l hclog.Logger) { l.Info("m", "k", hclog.Fmt("%s", evil)) },
		"quote":    func(l hclog.Logger) { l.Info("m", "k", hclog.Quote(evil)) },
		"standard": func(l hclog.Logger) { l.StandardLogger(nil).Print(evil) },
	}
	for place, use := range places {
		for format, o := range map[string]Options{"text": {}, "JSON": {JSON: true}, "journal": {Journal: true}} {
			got, _ := logged(t, o, use)
			for i, line := range strings.SplitAfter(strings.TrimSuffix(got, "\n"), "\n") {
				body := strings.TrimSuffix(line, "\n")
				if shown := clean(body, false); shown != body {
					t.Errorf("%s in %s: raw %q", place, format, line)
				}
				if o.JSON {
					var entry map[string]any
					must(t, json.Unmarshal([]byte(line), &entry))
				}
				if o.Journal && !strings.HasPrefix(body, "<6>") {
					t.Errorf("%s in %s: no priority: %q", place, format, line)
				}
				body = strings.TrimPrefix(body, "<6>")
				if i > 0 && (o.JSON || !strings.HasPrefix(body, "  ")) {
					t.Errorf("%s in %s: a line of its own: %q", place, format, line)
				}
			}
			if !o.JSON && place != "bytes" && !strings.Contains(got, `\x1b[31m\r\tb\xff`) &&
				!strings.Contains(got, `\\x1b[31m\\r`) {
				t.Errorf("%s in %s: %q", place, format, got)
			}
		}
	}
}

func TestValues(t *testing.T) {
	use := func(log hclog.Logger) {
		log.Info("m", "int", 1, "float", 1.5, "bool", true, "nil", nil, "duration", 90*time.Second, "error",
			errors.New("it's"),
			"list", []string{"a b", "c"}, "time", noon(), "umlaut", "ü", "empty", "", "backslash", `a\nb`, "lines", "one\ntwo")
	}
	text, _ := logged(t, Options{Journal: true}, use)
	want := `<6>[INFO]  m: int=1 float=1.5 bool=true nil=<nil> duration=1m30s error="it's" list=["a b", "c"] ` +
		`time="2026-03-04T12:00:00.005+02:00" umlaut="ü" empty="" backslash=a\nb
<6>  lines=
<6>  | one
<6>  | two
<6>  
`
	if diff := cmp.Diff(want, text); diff != "" {
		t.Error(diff)
	}
	jsonText, _ := logged(t, Options{Journal: true, JSON: true}, use)
	want = `<6>{"@level":"info","@message":"m","backslash":"a\\nb","bool":true,"duration":"1m30s","empty":"",` +
		`"error":"it's","float":1.5,"int":1,"lines":"one\ntwo","list":["a b","c"],"nil":null,` +
		`"time":"2026-03-04T12:00:00.005+02:00","umlaut":"ü"}` + "\n"
	if diff := cmp.Diff(want, jsonText); diff != "" {
		t.Error(diff)
	}
}

// TestWhole: many goroutines log at the same time, and no line is torn.
func TestWhole(t *testing.T) {
	line := strings.Repeat("x", 3000)
	stderr, file := bulk(t, Options{File: "log", Journal: true}, func(log hclog.Logger, wait func()) {
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 50 {
					log.Info("m", "k", line)
					wait()
				}
			})
		}
		all.Wait()
	})
	if want := strings.Repeat("<6>[INFO]  m: k="+line+"\n", 400); stderr != want {
		t.Error("stderr is torn")
	}
	if want := strings.Repeat("2026-03-04T12:00:00.005+02:00 [INFO]  m: k="+line+"\n", 400); file != want {
		t.Error("file is torn")
	}
}

// TestClosedPipe: nobody reads standard error any more. By default Go would end the program.
func TestClosedPipe(t *testing.T) {
	if os.Getenv("LOGGING_TEST_CLOSED_PIPE") == "" {
		r, w, err := os.Pipe()
		must(t, err)
		must(t, r.Close())
		self, err := os.Executable()
		must(t, err)
		p, err := os.StartProcess(self, []string{self, "-test.run=^TestClosedPipe$"}, &os.ProcAttr{
			Env: append(os.Environ(), "LOGGING_TEST_CLOSED_PIPE=1"), Files: []*os.File{nil, nil, w},
		})
		must(t, err)
		must(t, w.Close())
		state, err := p.Wait()
		must(t, err)
		if !state.Success() {
			t.Error(state)
		}
		return
	}
	log, outputs, err := New(Options{})
	must(t, err)
	log.Info("into the void")
	must(t, outputs.Close())
}

func TestDetect(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "f"))
	must(t, err)
	defer f.Close()
	var stat unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &stat))
	own := itoa(uint64(stat.Dev)) + ":" + itoa(stat.Ino)
	for env, want := range map[string]bool{own: true, "": false, "8:1": false, own + "1": false, "x": false,
		itoa(uint64(stat.Dev)): false} {
		t.Setenv("JOURNAL_STREAM", env)
		terminal, journal := Detect(f)
		if terminal || journal != want {
			t.Errorf("JOURNAL_STREAM=%q: %v %v", env, terminal, journal)
		}
	}
	if ptmx, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err == nil {
		defer ptmx.Close()
		if terminal, _ := Detect(ptmx); !terminal {
			t.Error("a terminal is none")
		}
	}
}

func itoa(n uint64) string {
	text, _ := json.Marshal(n)
	return string(text)
}

var _ io.Writer = journal{}

// TestEdit: messages, texts and errors are changed, numbers and keys are not.
func TestEdit(t *testing.T) {
	edit := func(key, text string) string {
		if key == "line" {
			return text
		}
		return strings.ReplaceAll(text, "run", "walk")
	}
	stderr, file := logged(t, Options{File: "log", Terminal: true, Edit: edit}, func(log hclog.Logger) {
		log.Info("a run", "run", "run 1", "line", "run 2", "error", errors.New("no run"), "n", 3)
	})
	for name, text := range map[string]string{"stderr": stderr, "file": file} {
		if want := `a walk: run="walk 1" line="run 2" error="no walk" n=3`; !strings.Contains(text, want) {
			t.Errorf("%s has %q, not %q", name, text, want)
		}
	}
}
