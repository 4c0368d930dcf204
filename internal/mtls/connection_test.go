package mtls

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	neturl "net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

// TestMutedHandshake: http_timeout ends a handshake that the server never answers, and closes the connection. net/http
// would leave it open for ever.
func TestMutedHandshake(t *testing.T) {
	hungUp := make(chan error, 20)
	address := serveRaw(t, func(conn net.Conn) {
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		_, err := io.Copy(io.Discard, conn)
		hungUp <- err
	})
	ca := newCA(t)
	files := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	var timeout time.Duration
	var err error
	// A busy machine may need longer to get as far as the handshake.
	for timeout = 50 * time.Millisecond; timeout < 10*time.Second; timeout *= 2 {
		c := New(Options{Files: files, Words: foreman, Timeout: timeout})
		if err = do(t, c, "PUT", "https://"+address); strings.Contains(err.Error(), "handshake") {
			break
		}
	}
	expect(t, err, ErrNoAnswer, fmt.Sprintf("no answer within http_timeout (%v): ", timeout)+
		"it ran out while waiting for the server in the TLS handshake")
	if err := <-hungUp; err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}

// keepAlive is a server that counts its connections, and records which request came on which connection. The test
// decides at the n-th request of a connection, counted from 1, whether the server hangs up.
type keepAlive struct {
	mu          sync.Mutex
	connections int
	asked       []string
}

func (k *keepAlive) serve(config *tls.Config, hangUp func(n int, method string) bool) func(net.Conn) {
	return func(raw net.Conn) {
		conn := tls.Server(raw, config)
		defer conn.Close()
		k.mu.Lock()
		k.connections++
		connection := k.connections
		k.mu.Unlock()
		in := bufio.NewReader(conn)
		for n := 1; ; n++ {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			k.mu.Lock()
			k.asked = append(k.asked, fmt.Sprintf("%d %s", connection, r.Method))
			k.mu.Unlock()
			if hangUp(n, r.Method) {
				return
			}
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
		}
	}
}

// TestClosingConnection: a server that closes a connection just when the second request comes on it. A request that may
// have had an effect is not sent again. A GET is, by net/http.
func TestClosingConnection(t *testing.T) {
	ca := newCA(t)
	for method, tt := range map[string]struct {
		want  error
		asked []string
	}{
		"GET":    {nil, []string{"1 GET", "1 GET", "2 GET"}},
		"POST":   {ErrNoAnswer, []string{"1 GET", "1 POST"}},
		"PUT":    {ErrNoAnswer, []string{"1 GET", "1 PUT"}},
		"DELETE": {ErrNoAnswer, []string{"1 GET", "1 DELETE"}},
	} {
		t.Run(method, func(t *testing.T) {
			var k keepAlive
			address := serveRaw(t, k.serve(serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{}),
				func(n int, _ string) bool { return n == 2 }))
			c := networked(t, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
			expect(t, do(t, c, "GET", "https://"+address), nil)
			expect(t, do(t, c, method, "https://"+address), tt.want,
				"the connection was lost before the whole answer had come: ")
			k.mu.Lock()
			defer k.mu.Unlock()
			if diff := cmp.Diff(tt.asked, k.asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// TestClosedConnection: a connection that the server has closed in the meantime is replaced, or the request fails;
// in no case does it arrive twice.
func TestClosedConnection(t *testing.T) {
	ca := newCA(t)
	config := serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{})
	files := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	for range 20 {
		var k keepAlive
		answered := make(chan struct{}, 2)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			k.mu.Lock()
			k.asked = append(k.asked, r.Method)
			k.mu.Unlock()
			io.WriteString(w, "yes")
			answered <- struct{}{}
		}))
		server.TLS, server.Config.ErrorLog = config, quiet
		server.StartTLS()
		c := networked(t, files)
		expect(t, do(t, c, "GET", server.URL), nil)
		<-answered
		server.CloseClientConnections() // at about the time of the PUT
		if err := do(t, c, "PUT", server.URL); err != nil {
			expect(t, err, ErrNoAnswer)
		}
		server.Close()
		if len(k.asked) > 2 {
			t.Fatalf("requests: %v", k.asked)
		}
	}
}

// TestConnectionIsKept for the requests that follow each other.
func TestConnectionIsKept(t *testing.T) {
	ca := newCA(t)
	var k keepAlive
	address := serveRaw(t, k.serve(serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{}),
		func(int, string) bool { return false }))
	c := networked(t, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	for _, method := range []string{"GET", "PUT", "GET", "DELETE", "GET"} {
		expect(t, do(t, c, method, "https://"+address), nil)
	}
	c.CloseIdleConnections()
	expect(t, do(t, c, "GET", "https://"+address), nil)
	k.mu.Lock()
	defer k.mu.Unlock()
	if want := []string{"1 GET", "1 PUT", "1 GET", "1 DELETE", "1 GET", "2 GET"}; !cmp.Equal(want, k.asked) {
		t.Errorf("requests: %v, want %v", k.asked, want)
	}
	if got := c.way.(*http.Transport).IdleConnTimeout; got <= 0 || got >= 5*time.Second {
		t.Errorf("idle connections are kept for %v, Apache keeps them for 5 s", got)
	}
}

// TestFilesAreReadAfresh: a renewed certificate is used from the next connection on, whoever closed the last one. If a
// file is broken by then, that is an error.
func TestFilesAreReadAfresh(t *testing.T) {
	ca := newCA(t)
	got := map[string]string{}
	url := startTLS(t, httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got[r.URL.Path] = r.TLS.PeerCertificates[0].Subject.CommonName
		if r.URL.Path == "/closed by the server" {
			w.Header().Set("Connection", "close")
		}
	})), ca)
	files := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	c := networked(t, files)
	renew := func(cn string) {
		renewed := issue(t, ca, cn, sandbox.IssueOptions{}, ca)
		for from, to := range map[File]File{renewed.Cert: files.Cert, renewed.Key: files.Key} {
			if err := os.Rename(from.Path, to.Path); err != nil {
				t.Fatal(err)
			}
		}
	}
	ask := func(path string) error { return do(t, c, "PUT", url+(&neturl.URL{Path: path}).String()) }
	expect(t, ask("/one"), nil)
	renew("node2")
	expect(t, ask("/same connection"), nil)
	c.CloseIdleConnections()
	expect(t, ask("/two"), nil)
	renew("node3")
	expect(t, ask("/closed by the server"), nil)
	expect(t, ask("/three"), nil)
	c.CloseIdleConnections()
	if err := os.Remove(files.Key.Path); err != nil {
		t.Fatal(err)
	}
	expect(t, ask("/none"), ErrCredentials, files.Key.Path)
	renew("node4")
	expect(t, ask("/four"), nil)

	want := map[string]string{
		"/one": "node1", "/same connection": "node1", "/two": "node2", "/closed by the server": "node2",
		"/three": "node3", "/four": "node4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
}

// shownTo connects to a server that asks for a certificate of ca's, and returns what the client showed it.
func shownTo(t *testing.T, config *tls.Config, files Files) (cns []string, err error) {
	t.Helper()
	shown := make(chan []string, 1)
	address := serveRaw(t, func(raw net.Conn) {
		conn := tls.Server(raw, config)
		conn.HandshakeContext(context.Background())
		var cns []string
		for _, cert := range conn.ConnectionState().PeerCertificates {
			cns = append(cns, cert.Subject.CommonName)
		}
		shown <- cns
	})
	err = do(t, networked(t, files), "GET", "https://"+address)
	return <-shown, err
}

// TestCertificateIsSent, even to a server whose list of CAs doesn't name its issuer, and never to a server that has not
// proved to be the right one.
func TestCertificateIsSent(t *testing.T) {
	ca, stranger := newCA(t), newCA(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, tt := range map[string]struct {
			server *sandbox.CA
			host   string
			want   []string
			err    error
		}{
			"to the right server":   {ca, "127.0.0.1", []string{"node1"}, ErrNoAnswer}, // which doesn't answer here
			"not to another CA's":   {stranger, "127.0.0.1", nil, ErrUntrusted},
			"not to another's name": {ca, "foreman.example.com", nil, ErrUntrusted},
		} {
			t.Run(fmt.Sprintf("%s %s", name, tls.VersionName(version)), func(t *testing.T) {
				config := serverConfig(t, tt.server, tt.host, sandbox.IssueOptions{})
				config.MaxVersion = version
				config.ClientAuth = tls.RequestClientCert // without a check: what counts is what is sent
				config.ClientCAs = newCA(t).Pool()
				cns, err := shownTo(t, config, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
				if diff := cmp.Diff(tt.want, cns); diff != "" || kind(t, err) != tt.err {
					t.Errorf("%v; certificates (-want +got):\n%s", err, diff)
				}
			})
		}
	}
}

// TestAlertOutlivesItsConnection: net/http closes a connection after a failed read, and may report the write that it
// broke by that. The error must be the alert.
func TestAlertOutlivesItsConnection(t *testing.T) {
	ca := newCA(t)
	address := serveRaw(t, func(raw net.Conn) {
		tls.Server(raw, serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{})).Handshake()
		io.Copy(io.Discard, raw)
	})
	files := issue(t, newCA(t), "node1", sandbox.IssueOptions{}, ca)
	conn, err := files.dial(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Fatal("no alert")
	}
	conn.Close()
	_, err = conn.Write([]byte("GET"))
	if number, text := remoteAlert(err); number != 48 {
		t.Errorf("write: %v (%d %s), want the alert", err, number, text)
	}
}

// TestNoCertificate: a client without a certificate of its own, which FleetLock's servers don't need, and the message
// if a server wants one anyway.
func TestNoCertificate(t *testing.T) {
	ca := newCA(t)
	files := at("", "", ca.File())
	config := serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{})
	config.ClientAuth = tls.RequestClientCert
	cns, err := shownTo(t, config, files)
	expect(t, err, ErrNoAnswer)
	if len(cns) != 0 {
		t.Errorf("the server was shown %v", cns)
	}
	config.ClientAuth = tls.RequireAnyClientCert
	_, err = shownTo(t, config, files)
	expect(t, err, ErrRefused, "(TLS alert: certificate required); presented was none (the key client_crt is not set)")
}

// TestPlainHTTP is for a server on a loopback address. No file is read.
func TestPlainHTTP(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusConflict)
		io.WriteString(w, "no")
	}))
	t.Cleanup(server.Close)
	a, err := try(t.Context(), t, networked(t, at("no", "such", "file")), "POST", server.URL)
	if err != nil || a.Status != http.StatusConflict || string(a.Body) != "no" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestRedirectShowsNoCertificate: the server that the right one points to is not even connected to.
func TestRedirectShowsNoCertificate(t *testing.T) {
	ca := newCA(t)
	elsewhere, connections := counting(t)
	url := startTLS(t, httptest.NewUnstartedServer(http.RedirectHandler("https://"+elsewhere+"/", http.StatusFound)), ca)
	c := networked(t, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	for _, method := range methods {
		a, err := try(t.Context(), t, c, method, url)
		if err != nil || a.Status != http.StatusFound || !strings.Contains(a.Header.Get("Location"), elsewhere) {
			t.Errorf("%s: %+v, %v", method, a, err)
		}
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to where the redirect pointed", n)
	}
}

// TestNoProxy: the environment's proxy is not used. The host doesn't exist, since net/http never uses a proxy for
// localhost.
func TestNoProxy(t *testing.T) {
	proxy, connections := counting(t)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, "http://"+proxy)
	}
	t.Setenv("NO_PROXY", "")
	nowhere := strings.Repeat("x", 64) + ".invalid" // no resolver has to be asked for it: a label has 63 bytes at most
	ca := newCA(t)
	c := networked(t, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	expect(t, do(t, c, "GET", "https://"+nowhere), ErrNoAnswer, "no connection to Foreman", "lookup", nowhere)
	if n := connections.Load(); n != 0 || c.way.(*http.Transport).Proxy != nil {
		t.Errorf("%d connections to the proxy", n)
	}
}

// TestHeaderLimit: a header without end is not read to its end, and counts as no answer.
func TestHeaderLimit(t *testing.T) {
	ca := newCA(t)
	url := startTLS(t, httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 2<<20))
	})), ca)
	c := networked(t, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	expect(t, do(t, c, "PUT", url), ErrNoAnswer, "server response headers exceeded 1048576 bytes")
}

// TestBodyLimit: a longer body is cut to MaxAnswer and one byte.
func TestBodyLimit(t *testing.T) {
	for _, length := range []int{MaxAnswer, MaxAnswer + 1, 2 * MaxAnswer} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, strings.Repeat("x", length))
		}))
		t.Cleanup(server.Close)
		a, err := try(t.Context(), t, networked(t, Files{}), "GET", server.URL)
		if err != nil || len(a.Body) != min(length, MaxAnswer+1) {
			t.Errorf("%d bytes: %v", length, err)
		}
	}
}
