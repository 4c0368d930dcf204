package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil { // scripts wait more than they work
		log.Fatal(err)
	}
	testscript.Main(m, map[string]func(){"foreman-dlm-updater": main, "foreman_dlm_updater": main})
}

// TestScripts runs the program as a person would, one script a behaviour. Each has a host of its own in $WORK and a
// Foreman on loopback; the commands that it has beyond testscript's are below.
func TestScripts(t *testing.T) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // so that the scripts don't ignore it, even under nohup(1)
	t.Cleanup(func() { signal.Stop(hangups) })
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: setUp,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"conf":      conf,
			"deaf":      deaf,
			"exits":     exits,
			"fleetlock": fleetLockCommand,
			"foreman":   foremanCommand,
			"metric":    metric,
			"reboot":    reboot,
			"valid":     valid,
			"waitfor":   waitFor,
		},
	})
}

type foremanKey struct{}

// setUp makes a host: a configuration, five stage directories, a certificate, and a Foreman that knows it.
func setUp(env *testscript.Env) error {
	work := env.WorkDir
	ca, err := sandbox.NewCA(filepath.Join(work, "ca"))
	if err != nil {
		return err
	}
	cert, key, err := ca.Issue("host.example.com", sandbox.IssueOptions{})
	if err != nil {
		return err
	}
	server := sandbox.New(sandbox.Options{Hosts: []string{"host.example.com", "other.example.com"}})
	server.SetHolder("web", "") // so that it exists
	running, err := server.Start(ca)
	if err != nil {
		return err
	}
	env.Defer(func() { running.Close() })
	env.Values[foremanKey{}], env.Values[fleetKey{}] = server, map[string]*fleetServer{}
	config := fmt.Sprintf(`[main]
lock_name = web
foreman_url = %s
client_crt = %s
client_key = %s
ca = %s
`, running.URL, cert, key, ca.File())
	for _, stage := range []string{"needs_update", "pre_update", "update", "needs_reboot", "post_update"} {
		dir := filepath.Join(work, stage+".d")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		hooks, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil {
			return err
		}
		for _, hook := range hooks {
			if err := os.Chmod(hook, 0o755); err != nil {
				return err
			}
		}
		config += fmt.Sprintf("%s.d = %s\n", stage, dir)
	}
	for key, value := range map[string]string{
		"state": filepath.Join(work, "state"), "lock": filepath.Join(work, "lock"),
		"boot_id_file": filepath.Join(work, "boot_id"),
		"reboot_cmd":   "/bin/sh -c 'echo rebooting >>" + filepath.Join(work, "reboots") + "'",
		"lock_settle":  "50ms", "lock_retry_interval": "50ms", "http_retries": "0",
	} {
		config += fmt.Sprintf("%s = %s\n", key, value)
	}
	if err := os.WriteFile(filepath.Join(work, "boot_id"), []byte("boot-1\n"), 0o644); err != nil {
		return err
	}
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		return err
	}
	env.Setenv("DOCS", docs)
	env.Setenv("FOREMAN", running.URL)
	env.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+filepath.Join(work, "no-bus")) // not this machine's logind
	// the race detector sleeps for a second at exit
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	return os.WriteFile(filepath.Join(work, "config.ini"), []byte(config), 0o644)
}

// conf KEY VALUE: replaces a line of config.ini, or adds one.
func conf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: conf KEY VALUE")
	}
	path := ts.MkAbs("config.ini")
	var lines []string
	for line := range strings.Lines(ts.ReadFile("config.ini")) {
		if !strings.HasPrefix(line, args[0]+" =") {
			lines = append(lines, line)
		}
	}
	lines = append(lines, args[0]+" = "+args[1]+"\n")
	ts.Check(os.WriteFile(path, []byte(strings.Join(lines, "")), 0o644))
}

// exits CODE COMMAND...: the command ends with just this code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == want, err == nil && want == 0:
	case err == nil || errors.As(err, &exit):
		ts.Fatalf("it ended with %v, not with exit status %d", err, want)
	default:
		ts.Check(err)
	}
}

// valid [SCHEMA.schema.json] FILE...: each is what that schema in docs/ says, status.schema.json by default. FILE may
// be stdout.
func valid(ts *testscript.TestScript, neg bool, args []string) {
	name := "status.schema.json"
	if len(args) > 0 && strings.HasSuffix(args[0], ".schema.json") {
		name, args = args[0], args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: valid [SCHEMA.schema.json] FILE...")
	}
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(ts.Getenv("DOCS"), name))
	ts.Check(err)
	for _, file := range args {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile(file)))
		ts.Check(err)
		ts.Check(schema.Validate(value))
	}
}

// metric FILE NAME[{LABEL="VALUE"}] VALUE: the file for node_exporter has this sample of this program's. VALUE is a
// number, now (a time of the last minute), some (there is one) or none.
func metric(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: metric FILE NAME VALUE")
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(ts.ReadFile(args[0])))
	ts.Check(err)
	name, label, _ := strings.Cut(strings.TrimSuffix(args[1], "}"), "{")
	got, value := "none", 0.0
	for _, sample := range families["foreman_dlm_updater_"+name].GetMetric() {
		labels := map[string]bool{"": true}
		for _, pair := range sample.GetLabel() {
			labels[fmt.Sprintf("%s=%q", pair.GetName(), pair.GetValue())] = true
		}
		if labels[label] && labels[`lock="web"`] {
			value = sample.GetGauge().GetValue()
			got = strconv.FormatFloat(value, 'g', -1, 64)
		}
	}
	age := time.Since(time.UnixMilli(int64(value * 1000)))
	if got != args[2] && !(args[2] == "some" && got != "none") &&
		!(args[2] == "now" && age > -time.Second && age < time.Minute) {
		ts.Fatalf("%s is %s, not %s:\n%s", args[1], got, args[2], ts.ReadFile(args[0]))
	}
}

// deaf SOCKET: makes it the socket on which systemd would hear of the program, full of messages that nobody reads.
func deaf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: deaf SOCKET")
	}
	address := &net.UnixAddr{Name: ts.MkAbs(args[0]), Net: "unixgram"}
	systemd, err := net.ListenUnixgram("unixgram", address)
	ts.Check(err)
	ts.Defer(func() { systemd.Close() })
	full, err := net.DialUnix("unixgram", nil, address)
	ts.Check(err)
	defer full.Close()
	ts.Check(full.SetWriteDeadline(time.Now().Add(time.Second)))
	for err == nil {
		_, err = full.Write([]byte("STATUS=nobody reads this"))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		ts.Fatalf("%s: %v", args[0], err)
	}
	ts.Setenv("NOTIFY_SOCKET", address.Name)
}

// reboot: gives the host a new boot.
func reboot(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs("boot_id"), fmt.Appendf(nil, "boot at %s\n", time.Now()), 0o644))
}

// waitfor FILE [TEXT]: until the file is there, and has the text in it.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: waitfor FILE [TEXT]")
	}
	text := strings.Join(args[1:], "")
	patience := time.After(2 * time.Minute)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		if content, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && strings.Contains(string(content), text) {
			return
		}
		select {
		case <-patience:
			ts.Fatalf("%s: no %q in it", args[0], text)
		case <-ticker.C:
		}
	}
}

// foremanCommand lets the script be the administrator of Foreman:
//
//	foreman hold HOST [LOCK] | free [LOCK]
//	foreman disable | enable | bar | unbar | duplicate | remove | fault KIND [METHOD [TIMES]] | fix
//	foreman held-by [HOST [LOCK]]     fails unless that host (or nobody: -) holds the lock
//	foreman granted N          fails unless the lock changed hands to the host N times
func foremanCommand(ts *testscript.TestScript, neg bool, args []string) {
	server := ts.Value(foremanKey{}).(*sandbox.Server)
	const lock, me = "web", "host.example.com"
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	switch arg(0) {
	case "hold":
		server.SetHolder(cmp.Or(arg(2), lock), arg(1))
	case "free":
		server.SetHolder(cmp.Or(arg(1), lock), "")
	case "disable", "enable":
		server.SetEnabled(lock, arg(0) == "enable")
	case "bar", "unbar":
		server.Bar(me, arg(0) == "bar")
	case "duplicate":
		server.Duplicate(lock)
	case "remove":
		server.Remove(lock)
	case "fault":
		kind, err := sandbox.ParseFaultKind(arg(1))
		ts.Check(err)
		times, err := strconv.Atoi(cmp.Or(arg(3), "0"))
		ts.Check(err)
		server.Inject(sandbox.Fault{Method: arg(2), Times: times, Kind: kind, Status: 500,
			Location: "https://elsewhere.example.com/"})
	case "fix":
		server.ClearFaults()
	case "held-by":
		if row, _ := server.Lock(cmp.Or(arg(2), lock)); row.Holder != strings.Trim(arg(1), "-") {
			ts.Fatalf("the lock is held by %q, not by %q", row.Holder, arg(1))
		}
	case "granted":
		n := 0
		for _, event := range server.Events() {
			if event.Kind == "acquire" && event.By == me {
				n++
			}
		}
		if strconv.Itoa(n) != arg(1) {
			ts.Fatalf("the lock was granted %d times", n)
		}
	default:
		ts.Fatalf("foreman: unknown command %q", args)
	}
}
