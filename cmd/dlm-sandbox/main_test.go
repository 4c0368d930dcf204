package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foreman-dlm-updater/internal/sandbox"
)

// asSandbox in the environment makes the test binary the sandbox itself.
const asSandbox = "BE_DLM_SANDBOX"

func TestMain(m *testing.M) {
	if os.Getenv(asSandbox) != "" {
		main()
	}
	os.Exit(m.Run())
}

func sandboxCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asSandbox+"=1")
	cmd.WaitDelay = time.Minute
	return cmd
}

// serving is a running sandbox.
type serving struct {
	cmd    *exec.Cmd
	pipe   io.ReadCloser // its standard output
	url    string
	admin  string // the line that says who is the administrator, or which groups there are
	out    *bufio.Reader
	stderr bytes.Buffer
}

// serve starts a sandbox on a free port and waits until it listens.
func serve(t *testing.T, args ...string) *serving {
	t.Helper()
	s := begin(t, args...)
	s.awaitStart(t)
	return s
}

// begin starts a sandbox on a free port.
func begin(t *testing.T, args ...string) *serving {
	t.Helper()
	s := &serving{cmd: sandboxCommand(t, append([]string{"serve", "--listen=127.0.0.1:0"}, args...)...)}
	s.cmd.Stderr = &s.stderr
	pipe, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.pipe, s.out = pipe, bufio.NewReader(pipe)
	return s
}

// awaitStart reads the lines with the address, and with the administrator or the groups.
func (s *serving) awaitStart(t *testing.T) {
	t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v; stderr: %s", err, s.stderr.String())
	}
	url, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "listening on ")
	if !ok {
		t.Fatalf("first line %q", line)
	}
	s.url = url
	about := regexp.MustCompile("^(administrator|groups): ")
	if s.admin, err = s.out.ReadString('\n'); err != nil || !about.MatchString(s.admin) {
		t.Fatalf("second line %q: %v", s.admin, err)
	}
}

// awaitLine reads until a line has the wanted text.
func (s *serving) awaitLine(t *testing.T, want string) {
	t.Helper()
	for {
		switch line, err := s.out.ReadString('\n'); {
		case err != nil:
			t.Fatalf("no line says %q: %v", want, err)
		case strings.Contains(line, want):
			return
		}
	}
}

// stop sends a signal and returns the lines since the second, and the exit code.
func (s *serving) stop(t *testing.T, sig os.Signal) ([]string, int) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(s.out)
	if err != nil {
		t.Fatal(err)
	}
	err = s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n"), s.cmd.ProcessState.ExitCode()
}

// client is a host with a certificate that the sandbox issued; it has none if host is "".
func client(t *testing.T, dir, host string) *http.Client {
	t.Helper()
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{RootCAs: x509.NewCertPool()}
	if !conf.RootCAs.AppendCertsFromPEM(ca) {
		t.Fatal("no CA in ca.pem")
	}
	if host != "" {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, host+".pem"), filepath.Join(dir, host+".key"))
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	tr := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

func ask(t *testing.T, c *http.Client, method, url string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.Do(r)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// TestServe is a working day of a sandbox.
func TestServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	record := filepath.Join(t.TempDir(), "events")
	if out, err := sandboxCommand(t, "issue", "--dir", dir, "web1", "web2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := serve(t, "--dir", dir, "--record", record, "--race-window=1ms", "--contention=1ms", "--name=foreman.example.com",
		"--fault", "DELETE:drop-after:1", "--fault", "put:error-before:1:10ms")
	web1, web2, nobody := client(t, dir, "web1"), client(t, dir, "web2"), client(t, dir, "")
	lock := s.url + "/api/dlmlocks/web/lock"
	got := []int{
		ask(t, web1, "PUT", lock), ask(t, web1, "PUT", lock), ask(t, web2, "PUT", lock), ask(t, web2, "GET", lock),
		ask(t, nobody, "GET", lock), ask(t, web1, "DELETE", lock), ask(t, web1, "PUT", s.url+"/api/dlmlocks/a%0Ab/lock"),
		ask(t, web1, "GET", s.url+"/nosuch"),
	}
	if diff := cmp.Diff([]int{500, 200, 412, 200, 401, 0, 200, 404}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}

	lines, code := s.stop(t, syscall.SIGTERM)
	if code != 0 || s.stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, s.stderr.String())
	}
	for i, l := range lines {
		lines[i] = regexp.MustCompile(`^\d\d:\d\d:\d\d `).ReplaceAllString(l, "TIME ")
	}
	want := []string{
		"TIME web1 PUT web -> 500",
		"TIME web1 PUT web -> 200, web1 holds web",
		"TIME web2 PUT web -> 412, web1 holds web",
		"TIME (no certificate) GET web -> 401, web1 holds web",
		"TIME web1 DELETE web -> no answer, web is free",
		`TIME web1 PUT "a\nb" -> 200, web1 holds "a\nb"`,
		"TIME web1 GET /nosuch -> 404",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"acquire web web1 web1", "fail web web1 web2", "release web web1 web1",
		"acquire a\nb web1 web1"},
		readEvents(t, record)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func readEvents(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []string
	for dec := json.NewDecoder(f); dec.More(); {
		var e sandbox.Event
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.Time.IsZero() {
			t.Errorf("event without time: %+v", e)
		}
		out = append(out, strings.Join([]string{string(e.Kind), e.Lock, e.Host, e.By}, " "))
	}
	return out
}

// TestServeAgain: the CA outlives the sandbox, SIGINT ends it too, the admin may change locks, and refused handshakes
// are printed.
func TestServeAgain(t *testing.T) {
	dir := t.TempDir()
	password := filepath.Join(dir, "password")
	if err := os.WriteFile(password, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, code := serve(t, "--dir", dir).stop(t, syscall.SIGINT); code != 0 {
		t.Errorf("exit code %d after SIGINT", code)
	}
	if out, err := sandboxCommand(t, "issue", "--dir", dir, "web1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := serve(t, "--dir", dir, "--admin-password-file", password)
	if got := ask(t, client(t, dir, "web1"), "PUT", s.url+"/api/dlmlocks/web/lock"); got != 200 {
		t.Errorf("PUT: %d", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", s.url+"/api/dlmlocks/web",
		strings.NewReader(`{"dlmlock":{"enabled":false}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("admin", "secret")
	res, err := client(t, dir, "").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("admin's PUT: %s", res.Status)
	}
	if got := ask(t, &http.Client{}, "GET", s.url); got != 0 {
		t.Errorf("a client that trusts nobody here was answered %d", got)
	}
	if strings.Contains(s.admin, "secret") {
		t.Errorf("the password of the file is printed: %q", s.admin)
	}
	s.awaitLine(t, "admin PUT web -> 200, web1 holds web (disabled)")
	s.awaitLine(t, "TLS handshake error") // told after the client has heard of it
	s.stop(t, syscall.SIGTERM)
}

// TestCreate: the password that is printed lets an administrator create a lock.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--dir", dir)
	user, password, ok := strings.Cut(strings.TrimSpace(strings.TrimPrefix(s.admin, "administrator: ")), ", password ")
	if !ok {
		t.Fatalf("no password in %q", s.admin)
	}
	r, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/api/dlmlocks",
		strings.NewReader(`{"dlmlock":{"name":"web","type":"ForemanDlm::Dlmlock::Update"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth(user, password)
	res, err := client(t, dir, "").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 201 {
		t.Errorf("POST: %s", res.Status)
	}
	s.awaitLine(t, "admin POST /api/dlmlocks -> 201")
}

// TestServeTogether: sandboxes that start at the same time in a new directory make one CA, and each has a certificate
// that matches its key.
func TestServeTogether(t *testing.T) {
	for range 5 {
		dir := filepath.Join(t.TempDir(), "sandbox")
		issue := sandboxCommand(t, "issue", "--dir", dir, "web1")
		if err := issue.Start(); err != nil {
			t.Fatal(err)
		}
		together := []*serving{begin(t, "--dir", dir), begin(t, "--dir", dir), begin(t, "--dir", dir)}
		if err := issue.Wait(); err != nil {
			t.Fatal(err)
		}
		for _, s := range together {
			s.awaitStart(t)
			if got := ask(t, client(t, dir, "web1"), "PUT", s.url+"/api/dlmlocks/web/lock"); got != 200 {
				t.Errorf("%s: %d", s.url, got)
			}
		}
	}
}

// TestServeTwice: the second sandbox on one address says why it fails, and what to do.
func TestServeTwice(t *testing.T) {
	dir := t.TempDir()
	first := serve(t, "--dir", dir)
	out, err := sandboxCommand(t, "serve", "--dir", dir, "--listen",
		strings.TrimPrefix(first.url, "https://")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "address already in use: stop what listens there") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestServeUnread: it goes on when nobody reads its output any more.
func TestServeUnread(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, "--dir", dir)
	if err := s.pipe.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := ask(t, client(t, dir, ""), "GET", s.url+"/api/dlmlocks/web/lock"); got != 401 {
			t.Errorf("GET: %d", got)
		}
	}
}

// TestServeWithOwnCA: certificates that were made elsewhere.
func TestServeWithOwnCA(t *testing.T) {
	dir := t.TempDir()
	ca, err := sandbox.NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("server", sandbox.IssueOptions{Server: true, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ca.Issue("web1", sandbox.IssueOptions{}); err != nil {
		t.Fatal(err)
	}
	s := serve(t, "--ca", ca.File(), "--cert", cert, "--key", key)
	if got := ask(t, client(t, dir, "web1"), "PUT", s.url+"/api/dlmlocks/web/lock"); got != 200 {
		t.Errorf("PUT: %d", got)
	}
	lines, _ := s.stop(t, syscall.SIGTERM)
	if len(lines) != 1 || !strings.Contains(lines[0], "web1 holds web") {
		t.Errorf("lines: %q", lines)
	}
}

// TestRestore: after a kill, a sandbox goes on with the same locks, and ignores foreign lines in the record.
func TestRestore(t *testing.T) {
	dir := t.TempDir()
	record := filepath.Join(dir, "events")
	if out, err := sandboxCommand(t, "issue", "--dir", dir, "web1", "web2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := serve(t, "--dir", dir, "--record", record, "--restore")
	web1, web2 := client(t, dir, "web1"), client(t, dir, "web2")
	for _, name := range []string{"a", "b"} {
		ask(t, web1, "PUT", s.url+"/api/dlmlocks/"+name+"/lock")
	}
	ask(t, web1, "DELETE", s.url+"/api/dlmlocks/b/lock")
	s.stop(t, syscall.SIGKILL)
	f, err := os.OpenFile(record, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"kind":"begin","host":"web2","stage":"update"}` + "\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()

	s = serve(t, "--dir", dir, "--record", record, "--restore")
	var got []int
	for _, c := range []*http.Client{web2, web1} {
		for _, name := range []string{"a", "b"} {
			got = append(got, ask(t, c, "PUT", s.url+"/api/dlmlocks/"+name+"/lock"))
		}
	}
	if diff := cmp.Diff([]int{412, 200, 200, 412}, got); diff != "" {
		t.Errorf("answers to PUT of web2, then web1 (-want +got):\n%s", diff)
	}
	s.stop(t, syscall.SIGTERM)
}

// TestServerName: the server's certificate is valid for the names on the command line.
func TestServerName(t *testing.T) {
	c := serveCmd{Listen: "192.0.2.1:8443", Name: []string{"foreman.example.com", "192.0.2.7"}}
	ca, err := sandbox.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := ca.Issue("localhost", c.certificate())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"foreman.example.com", "localhost", "127.0.0.1", "::1", "192.0.2.1", "192.0.2.7"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: ca.Pool(), DNSName: bracketed(name)}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// bracketed is an address as x509 wants it in place of a name.
func bracketed(name string) string {
	if strings.Contains(name, ":") {
		return "[" + name + "]"
	}
	return name
}

// TestIssue: what is printed can be pasted into config.ini.
func TestIssue(t *testing.T) {
	dir := t.TempDir()
	cmd := sandboxCommand(t, "issue", "--dir", ".", "--foreman-url=https://foreman.example.com:9000", "web1")
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	out2, err := sandboxCommand(t, "issue", "--dir", dir, "--fleetlock-url=https://lock.example.com/a", "web2").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "# web1\nforeman_url = https://foreman.example.com:9000\nclient_crt = " + dir + "/web1.pem\nclient_key = " +
		dir + "/web1.key\nca = " + dir + "/ca.pem\n" +
		"# web2\nlock_server = fleetlock\nfleetlock_url = https://lock.example.com/a\nclient_crt = " + dir +
		"/web2.pem\nclient_key = " + dir + "/web2.key\nca = " + dir + "/ca.pem\n"
	if diff := cmp.Diff(want, string(out)+string(out2)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestErrors: exit codes, and a last line for people.
func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args   []string
		code   int
		stderr string
	}{
		{[]string{"--help"}, 0, ""},
		{[]string{"serve", "--help"}, 0, ""},
		{nil, 64, "expected one of"},
		{[]string{"serve"}, 64, "missing flags: --dir"},
		{[]string{"serve", "--dir", dir, "--ca", file, "--cert", file, "--key", file}, 64,
			"missing flags: --dir, or in its place"},
		{[]string{"serve", "--ca", file}, 64, "missing flags: --dir, or in its place"},
		{[]string{"serve", "--ca", file, "--cert", file, "--key", file}, 1, "no CERTIFICATE in it"},
		{[]string{"issue", "--dir", dir}, 64, "expected \"<host> ...\""},
		{[]string{"serve", "--dir", dir, "--nosuch"}, 64, "unknown flag --nosuch"},
		{[]string{"serve", "--dir", dir, "--fault", "PUT"}, 64, "want METHOD:KIND"},
		{[]string{"serve", "--dir", dir, "--fault", "POST:html"}, 64, "method must be"},
		{[]string{"serve", "--dir", dir, "--fault", "PUT:wrong"}, 64, "must be one of"},
		{[]string{"serve", "--dir", dir, "--fault", "PUT:html:-1"}, 64, "times must be"},
		{[]string{"serve", "--dir", dir, "--fault", "PUT:delay:1:5"}, 64, "delay must be"},
		{[]string{"issue", "--dir", dir, "../web1"}, 1, "not a name for a file"},
		{[]string{"issue", "--dir", file, "web1"}, 1, "make CA directory"},
		{[]string{"serve", "--dir", dir, "--admin-password-file", file}, 1, "is empty"},
		{[]string{"serve", "--dir", dir, "--admin-password-file", file + "x"}, 1, "read admin password"},
		{[]string{"serve", "--dir", dir, "--record", dir}, 1, "open record"},
		{[]string{"serve", "--dir", dir, "--restore"}, 1, "--record says where from"},
		{[]string{"serve", "--dir", dir, "--restore", "--record", filepath.Join(dir, "ca.key")}, 1, "read record"},
		{[]string{"serve", "--dir", dir, "--listen", "127.0.0.1:x"}, 1, "listen tcp"},
		{[]string{"serve", "--fleetlock"}, 64, "missing flags: --dir"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--contention=1ms"}, 64, "are not for --fleetlock"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--contention=1ms"}, 64, "are not for --fleetlock"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--guarded"}, 64, "are not for --fleetlock"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--admin-password-file", file}, 64, "are not for --fleetlock"},
		{[]string{"serve", "--dir", dir, "--group", "web=1"}, 64, "need --fleetlock"},
		{[]string{"serve", "--dir", dir, "--dialect", "consul"}, 64, "need --fleetlock"},
		{[]string{"serve", "--plain-http"}, 64, "need --fleetlock"},
		{[]string{"serve", "--fleetlock", "--plain-http", "--dir", dir}, 64, "--plain-http needs no certificates"},
		{[]string{"serve", "--fleetlock", "--plain-http", "--name", "a"}, 64, "--plain-http needs no certificates"},
		{[]string{"serve", "--fleetlock", "--plain-http", "--listen", "0.0.0.0:0"}, 64, "on a loopback address"},
		{[]string{"serve", "--fleetlock", "--plain-http", "--listen", ":0"}, 64, "on a loopback address"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--group", "web"}, 64, "--group"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--group", "web=x"}, 64, "--group"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--group", "web=0"}, 64, "slots must be a number from 1"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--group", "my web=1"}, 64, "letters, digits, dots"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--dialect", "etcd"}, 64, "must be one of airlock"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--dialect", "poseidon", "--group", "web=1"}, 64,
			"every group has one slot"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--fault", "PUT:html"}, 64, "pre-reboot, steady-state or any"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--fault", "any:wrong-name"}, 64, "must be one of"},
		{[]string{"serve", "--fleetlock", "--dir", dir, "--fault", "steady-state:draining"}, 64,
			"draining is a fault of pre-reboot only"},
		{[]string{"serve", "--dir", dir, "--fault", "any:draining"}, 64, "must be one of"},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			var stderr bytes.Buffer
			cmd := sandboxCommand(t, tt.args...)
			cmd.Stderr = &stderr
			err := cmd.Run()
			if cmd.ProcessState.ExitCode() != tt.code || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("exit code %d (%v), stderr %q; want %d, %q", cmd.ProcessState.ExitCode(), err, stderr.String(), tt.code,
					tt.stderr)
			}
		})
	}
}

// TestRecordFails: a record that can't be written ends the sandbox, with an
// error.
func TestRecordFails(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here")
	}
	dir := t.TempDir()
	if out, err := sandboxCommand(t, "issue", "--dir", dir, "web1").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := serve(t, "--dir", dir, "--record", "/dev/full")
	ask(t, client(t, dir, "web1"), "PUT", s.url+"/api/dlmlocks/web/lock")
	if _, err := io.ReadAll(s.out); err != nil {
		t.Fatal(err)
	}
	s.cmd.Wait() // its code is looked at
	if code := s.cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(s.stderr.String(), "write record") {
		t.Errorf("exit code %d, stderr %q", code, s.stderr.String())
	}
}
