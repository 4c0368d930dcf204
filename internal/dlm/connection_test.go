package dlm

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// TestMutedHandshake: http_timeout bounds a handshake that the server never answers, and closes its connection:
// net/http would leave it open for ever.
func TestMutedHandshake(t *testing.T) {
	hungUp := make(chan error, 1)
	address := serveRaw(t, func(conn net.Conn) {
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		_, err := io.Copy(io.Discard, conn)
		hungUp <- err
	})
	ca := newCA(t)
	c := networked(t, "https://"+address, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	c = New(Options{URL: c.base, TLS: c.tls, Timeout: 50 * time.Millisecond, Log: hclog.NewNullLogger()})
	expect(t, do(t.Context(), c, "PUT"), ErrUnavailable,
		"no answer within http_timeout (50ms): it ran out while waiting for the server in the TLS handshake")
	if err := <-hungUp; err != nil {
		t.Errorf("the connection is still open: %v", err)
	}
}

// keepAlive is a server that counts connections, notes requests with the number of theirs, and does with the n-th
// request of a connection, counted from 1, what the test wants.
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
			lock := `{"name":"web","enabled":true,"host":{"name":"a","self":true}}`
			if r.Method == http.MethodDelete {
				lock = `{"name":"web","enabled":true,"host":null}`
			}
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(lock), lock)
		}
	}
}

// TestClosingConnection: a server that closes a connection just when the second request comes on it. What may have
// had an effect is not sent again; a question is, by net/http.
func TestClosingConnection(t *testing.T) {
	ca := newCA(t)
	for method, tt := range map[string]struct {
		want  error
		asked []string
	}{
		"GET":    {nil, []string{"1 GET", "1 GET", "2 GET"}},
		"PUT":    {ErrUnavailable, []string{"1 GET", "1 PUT"}},
		"DELETE": {ErrUnavailable, []string{"1 GET", "1 DELETE"}},
	} {
		t.Run(method, func(t *testing.T) {
			var k keepAlive
			address := serveRaw(t, k.serve(serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{}),
				func(n int, _ string) bool { return n == 2 }))
			c := networked(t, "https://"+address, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
			expect(t, do(t.Context(), c, "GET"), nil)
			expect(t, do(t.Context(), c, method), tt.want, "the connection was lost before the whole answer had come: ")
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
			io.WriteString(w, `{"name":"web","enabled":true,"host":{"name":"a","self":true}}`)
			answered <- struct{}{}
		}))
		server.TLS, server.Config.ErrorLog = config, quiet
		server.StartTLS()
		c := networked(t, server.URL, files)
		expect(t, do(t.Context(), c, "GET"), nil)
		<-answered
		server.CloseClientConnections() // at about the time of the PUT
		if err := do(t.Context(), c, "PUT"); err != nil {
			expect(t, err, ErrUnavailable)
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
	address := serveRaw(t, k.serve(serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{}), func(int, string) bool { return false }))
	c := networked(t, "https://"+address, issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	for _, method := range []string{"GET", "PUT", "GET", "DELETE", "GET"} {
		expect(t, do(t.Context(), c, method), nil)
	}
	c.http.(*http.Transport).CloseIdleConnections()
	expect(t, do(t.Context(), c, "GET"), nil)
	k.mu.Lock()
	defer k.mu.Unlock()
	if want := []string{"1 GET", "1 PUT", "1 GET", "1 DELETE", "1 GET", "2 GET"}; !cmp.Equal(want, k.asked) {
		t.Errorf("requests: %v, want %v", k.asked, want)
	}
	if got := c.http.(*http.Transport).IdleConnTimeout; got <= 0 || got >= 5*time.Second {
		t.Errorf("idle connections are kept for %v, Apache keeps them for 5 s", got)
	}
}

// TestFilesAreReadAfresh: a renewed certificate is used from the next connection on, whoever closed the last one, and
// files that are broken meanwhile are an error then.
func TestFilesAreReadAfresh(t *testing.T) {
	ca := newCA(t)
	s := sandbox.New(sandbox.Options{})
	files := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	c := networked(t, listen(t, s, ca), files)
	renew := func(cn string) {
		renewed := issue(t, ca, cn, sandbox.IssueOptions{}, ca)
		for from, to := range map[string]string{renewed.Cert: files.Cert, renewed.Key: files.Key} {
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
	}
	idle := c.http.(*http.Transport).CloseIdleConnections
	expect(t, c.Acquire(t.Context(), "one"), nil)
	renew("node2")
	expect(t, c.Acquire(t.Context(), "same connection"), nil)
	idle()
	expect(t, c.Acquire(t.Context(), "two"), nil)
	renew("node3")
	s.Inject(sandbox.Fault{Kind: sandbox.ErrorBefore, Times: 1}) // with "Connection: close"
	expect(t, c.Acquire(t.Context(), "closed by the server"), ErrUnavailable)
	expect(t, c.Acquire(t.Context(), "three"), nil)
	idle()
	if err := os.Remove(files.Key); err != nil {
		t.Fatal(err)
	}
	expect(t, c.Acquire(t.Context(), "none"), ErrCredentials, files.Key)
	renew("node4")
	expect(t, c.Acquire(t.Context(), "four"), nil)

	got := map[string]string{}
	for _, r := range s.Requests() {
		got[r.Name] = r.CN
	}
	want := map[string]string{
		"one": "node1", "same connection": "node1", "two": "node2", "closed by the server": "node2", "three": "node3", "four": "node4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("certificates (-want +got):\n%s", diff)
	}
}

// shownTo connects to a server that asks for a certificate of ca's, and returns what the client showed it.
func shownTo(t *testing.T, config *tls.Config, files TLS) (cns []string, err error) {
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
	c := networked(t, "https://"+address, files)
	err = do(t.Context(), c, "GET")
	return <-shown, err
}

// TestCertificateIsSent, even to a server whose list of CAs doesn't name its issuer, and never to one that has not
// shown that it is Foreman.
func TestCertificateIsSent(t *testing.T) {
	ca, stranger := newCA(t), newCA(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for name, tt := range map[string]struct {
			server *sandbox.CA
			host   string
			want   []string
			err    error
		}{
			"to Foreman":            {ca, "127.0.0.1", []string{"node1"}, ErrUnavailable}, // which doesn't answer here
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

// TestAlertOutlivesItsConnection: net/http closes a connection whose read failed, and may report the write that it
// thereby broke itself. The alert is what counts.
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

// TestManyCallers: a client is safe for concurrent use.
func TestManyCallers(t *testing.T) {
	ca := newCA(t)
	s := sandbox.New(sandbox.Options{})
	c := networked(t, listen(t, s, ca), issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	s.SetHolder("web", "node1")
	var callers sync.WaitGroup
	for _, method := range []string{"GET", "PUT", "DELETE", "GET", "PUT", "DELETE"} {
		callers.Go(func() {
			for range 5 {
				if err := do(t.Context(), c, method); err != nil {
					t.Errorf("%s: %v", method, err)
				}
				c.Slowest()
			}
		})
	}
	callers.Wait()
}
