package sandbox

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/file"

	"golang.org/x/sys/unix"
)

func newCA(t *testing.T) *CA {
	t.Helper()
	ca, err := NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func start(t *testing.T, s *Server, ca *CA) *Running {
	t.Helper()
	run, err := s.Start(ca)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return run
}

// client trusts the CA trusted, and sends a certificate for cn from issuer
// whatever the server asks for; none if issuer is nil.
func client(t *testing.T, trusted, issuer *CA, cn string, o IssueOptions, maxVersion uint16) http.RoundTripper {
	t.Helper()
	conf := &tls.Config{RootCAs: trusted.Pool(), MaxVersion: maxVersion}
	if issuer != nil {
		certFile, keyFile, err := issuer.Issue(cn, o)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	tr := &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// TestTLS asks over real connections, where the certificate decides: the
// transcripts #54 to #57 and #63 among them.
func TestTLS(t *testing.T) {
	ca, other := newCA(t), newCA(t)
	var said safeBuffer
	s := New(Options{Hosts: []string{"node1"}, ErrorLog: log.New(&said, "", 0)})
	run := start(t, s, ca)
	tests := []struct {
		name            string
		trusted, issuer *CA
		cn              string
		opts            IssueOptions
		max             uint16
		status          int
		err             string
	}{
		{name: "known host", trusted: ca, issuer: ca, cn: "node1", status: 200},
		{name: "known host, TLS 1.2", trusted: ca, issuer: ca, cn: "node1", max: tls.VersionTLS12, status: 200},
		{name: "no certificate", trusted: ca, status: 401},
		{name: "unknown host", trusted: ca, issuer: ca, cn: "node2", status: 401},
		{name: "CN in upper case", trusted: ca, issuer: ca, cn: "NODE1", status: 401},
		{name: "wrong CA", trusted: ca, issuer: other, cn: "node1", err: "tls: unknown certificate authority"},
		{name: "wrong CA, TLS 1.2", trusted: ca, issuer: other, cn: "node1", max: tls.VersionTLS12,
			err: "tls: unknown certificate authority"},
		{name: "expired", trusted: ca, issuer: ca, cn: "node1", opts: IssueOptions{Expired: true},
			err: "tls: expired certificate"},
		{name: "not yet valid", trusted: ca, issuer: ca, cn: "node1", opts: IssueOptions{NotYet: true},
			err: "tls: expired certificate"},
		{name: "a server's certificate", trusted: ca, issuer: ca, cn: "node1", opts: IssueOptions{Server: true},
			err: "tls: bad certificate"},
		{name: "client does not trust the server", trusted: other, issuer: ca, cn: "node1",
			err: "certificate signed by unknown authority"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rt := client(t, tt.trusted, tt.issuer, tt.cn, tt.opts, tt.max)
			got, err := send(t, rt, tt.cn, "PUT", run.URL+"/api/dlmlocks/updates/lock")
			switch {
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("error %v, want %q in it", err, tt.err)
			case tt.err == "" && err != nil:
				t.Error(err)
			case got.Status != tt.status:
				t.Errorf("status %d, want %d", got.Status, tt.status)
			}
		})
	}
	if !strings.Contains(said.String(), "TLS handshake error") {
		t.Errorf("ErrorLog heard nothing of refused handshakes: %q", said.String())
	}
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestNetworkFaults: the faults that cut or withhold an answer, over a real
// connection.
func TestNetworkFaults(t *testing.T) {
	ca := newCA(t)
	for _, tt := range []struct {
		kind    FaultKind
		err     string
		changed bool
	}{
		{DropBefore, "EOF", false},
		{DropAfter, "EOF", true},
		{HangBefore, "timeout awaiting response headers", false},
		{HangAfter, "timeout awaiting response headers", true},
	} {
		t.Run(tt.kind.String(), func(t *testing.T) {
			s := New(Options{})
			run := start(t, s, ca)
			s.SetHolder("web", "")
			s.Inject(Fault{Kind: tt.kind, Times: 1})
			tr := client(t, ca, ca, "a", IssueOptions{}, 0).(*http.Transport)
			tr.ResponseHeaderTimeout = 300 * time.Millisecond
			url := run.URL + "/api/dlmlocks/web/lock"
			if _, err := send(t, tr, "a", "PUT", url); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q in it", err, tt.err)
			}
			got, err := send(t, tr, "a", "GET", url)
			if err != nil || got.Self != tt.changed {
				t.Errorf("GET afterwards: %+v, %v; want self %v", got, err, tt.changed)
			}
		})
	}
}

// TestOverTheWire checks what only a real connection shows: HTTP/1.1, only headers in the answer to HEAD, and a bad %
// that Go's server refuses by itself (#147, with another body than Apache's).
func TestOverTheWire(t *testing.T) {
	ca := newCA(t)
	s := New(Options{})
	s.SetHolder("web", "node1")
	run := start(t, s, ca)
	certFile, keyFile, err := ca.Issue("node1", IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}
	for _, tt := range []struct {
		method, path string
		status       int
		empty        bool
	}{
		{"GET", "/api/dlmlocks/web/lock", 200, false},
		{"HEAD", "/api/dlmlocks/web/lock", 200, true},
		{"PUT", "/api/dlmlocks/a%zz/lock", 400, false},
		{"PUT", "/api/dlmlocks/" + strings.Repeat("o", 9000) + "/lock", 414, false},
	} {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(run.URL, "https://"), conf)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", tt.method,
			tt.path)
		res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: tt.method})
		if err != nil {
			t.Fatalf("%s %.40s: %v", tt.method, tt.path, err)
		}
		n, err := bytes.NewBuffer(nil).ReadFrom(res.Body)
		if res.StatusCode != tt.status || res.ProtoMajor != 1 || (n == 0) != tt.empty || err != nil {
			t.Errorf("%s %.40s: %s %s, %d bytes, %v", tt.method, tt.path, res.Proto, res.Status, n, err)
		}
		conn.Close()
	}
}

// TestBelowPrefix: the caller may put the server below a path.
func TestBelowPrefix(t *testing.T) {
	ts := httptest.NewServer(http.StripPrefix("/foreman", New(Options{})))
	defer ts.Close()
	for path, want := range map[string]int{"/foreman/api/dlmlocks/a%20b/lock": 401, "/api/dlmlocks/a/lock": 404} {
		got, err := send(t, http.DefaultTransport, "", "GET", ts.URL+path)
		if err != nil || got.Status != want {
			t.Errorf("%s: %d, %v; want %d", path, got.Status, err, want)
		}
	}
}

// TestCloseEndsHanging: a closed server leaves no client waiting.
func TestCloseEndsHanging(t *testing.T) {
	ca := newCA(t)
	arrived := make(chan struct{})
	s := New(Options{Answered: func(Request) { close(arrived) }})
	run, err := s.Start(ca)
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(Fault{Kind: HangAfter})
	failed := make(chan error, 1)
	rt := client(t, ca, ca, "a", IssueOptions{}, 0)
	go func() {
		_, err := send(t, rt, "a", "PUT", run.URL+"/api/dlmlocks/web/lock")
		failed <- err
	}()
	<-arrived
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; err == nil {
		t.Error("the client got an answer")
	}
}

// TestCA: an existing CA is loaded again, and a damaged one is never replaced.
func TestCA(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pki")
	first, err := NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := first.Issue("node1.example.com", IssueOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if certFile != filepath.Join(dir, "node1.example.com.pem") || keyFile != filepath.Join(dir, "node1.example.com.key") {
		t.Errorf("files %s, %s", certFile, keyFile)
	}
	for _, path := range []string{keyFile, filepath.Join(dir, "ca.key")} {
		if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, fi.Mode(), err)
		}
	}

	second, err := NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	use := x509.VerifyOptions{Roots: second.Pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := pair.Leaf.Verify(use); err != nil || pair.Leaf.Subject.CommonName != "node1.example.com" {
		t.Errorf("certificate of the loaded CA: %v, %v", pair.Leaf.Subject, err)
	}
	for _, cn := range []string{"", ".", "..", "ca", "a/b", "/etc/x"} {
		if _, _, err := first.Issue(cn, IssueOptions{}); err == nil {
			t.Errorf("a certificate for %q was issued", cn)
		}
	}

	otherKey, err := os.ReadFile(filepath.Join(newCA(t).dir, "ca.key"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"other key": otherKey, "no key": []byte("x"), "empty": nil} {
		if err := os.WriteFile(filepath.Join(dir, "ca.key"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := NewCA(dir); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := os.Remove(filepath.Join(dir, "ca.key")); err != nil {
		t.Fatal(err)
	}
	if _, err := NewCA(dir); err == nil {
		t.Error("a CA without its key was replaced")
	}
	if err := unix.Mkfifo(filepath.Join(dir, "ca.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewCA(dir); !errors.Is(err, file.ErrNotRegular) { // and it does not wait for a writer
		t.Errorf("a FIFO: %v", err)
	}
}
