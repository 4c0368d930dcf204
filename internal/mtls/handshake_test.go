package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

var (
	temporary = regexp.MustCompile(`/\S*/TestHandshake\S*?/\d+/`)
	instant   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)
	authority = regexp.MustCompile(`throw-away CA [0-9a-f]+`)
	endpoint  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// plain replaces the parts that differ each time.
func plain(text string) string {
	text = temporary.ReplaceAllString(text, "DIR/")
	text = instant.ReplaceAllString(text, "DATE")
	text = authority.ReplaceAllString(text, "CA")
	return endpoint.ReplaceAllString(text, "ADDRESS")
}

const (
	presented = `; presented was client_crt DIR/node1.pem (CN "node1", issued by "CN=CA", valid DATE to DATE)`
	unknownCA = `Foreman's web server refuses this host's certificate (TLS alert: unknown certificate authority)`
	outdated  = `Foreman's web server refuses this host's certificate (TLS alert: expired certificate)`
	theServer = `the server's certificate (subject "CN=server", issued by "CN=CA", valid DATE to DATE`
)

// scene is a server and a client that are about to meet.
type scene struct {
	ca, stranger *sandbox.CA // the server's, and one that the server doesn't know
	url          string
	files        Files
	version      uint16 // of TLS, at most; 0: the latest
}

func newScene(t *testing.T) *scene {
	s := &scene{ca: newCA(t), stranger: newCA(t)}
	s.files = issue(t, s.ca, "node1", sandbox.IssueOptions{}, s.ca)
	return s
}

// serve starts the server with a certificate from issuer.
func (s *scene) serve(t *testing.T, issuer *sandbox.CA, name string, o sandbox.IssueOptions) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = serverConfig(t, issuer, name, o)
	server.TLS.ClientCAs = s.ca.Pool()
	server.TLS.MinVersion, server.TLS.MaxVersion = tls.VersionTLS10, s.version
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	s.url = server.URL
}

// fine starts a server that works.
func (s *scene) fine(t *testing.T) { s.serve(t, s.ca, "127.0.0.1", sandbox.IssueOptions{}) }

// raw starts a server that does with each connection what serve does.
func (s *scene) raw(t *testing.T, serve func(net.Conn)) { s.url = "https://" + serveRaw(t, serve) }

// alert answers the client's first words with a TLS alert.
func (s *scene) alert(t *testing.T, number byte) {
	s.raw(t, func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		conn.Write([]byte{21, 3, 3, 0, 2, 2, number})
		io.Copy(io.Discard, conn)
	})
}

// TestHandshake: whatever goes wrong before there is an answer has a message of its own, over real connections.
func TestHandshake(t *testing.T) {
	//bad:Certificates and connections: name want says
	tests := []struct {
		name    string
		prepare func(*testing.T, *scene)
		want    error
		says    string
	}{
		{"nothing is wrong", func(t *testing.T, s *scene) { s.fine(t) }, nil, ""},

		// The server's certificate.
		{"the server's CA is another", func(t *testing.T, s *scene) {
			s.serve(t, s.stranger, "127.0.0.1", sandbox.IssueOptions{})
		}, ErrUntrusted, theServer + `) is signed by a CA that is not in the file of the key ca, DIR/ca.pem`},
		{"the server's CA is not in the system's store", func(t *testing.T, s *scene) { s.fine(t); s.files.CA.Path = "" },
			ErrUntrusted, theServer + `) is signed by a CA that is not in the system's trust store (the key ca is not set)`},
		{"the server's name is another", func(t *testing.T, s *scene) {
			s.serve(t, s.ca, "foreman.example.com", sandbox.IssueOptions{})
		}, ErrUntrusted, theServer + `) is for another name: it is for "foreman.example.com", foreman_url says "127.0.0.1"`},
		{"the server's certificate has many names", func(t *testing.T, s *scene) {
			s.serve(t, s.ca, "f.example.com", sandbox.IssueOptions{IPs: []net.IP{
				{10, 0, 0, 1}, {10, 0, 0, 2}, {10, 0, 0, 3}, {10, 0, 0, 4}, {10, 0, 0, 5},
			}})
		}, ErrUntrusted, theServer + `) is for another name: it is for "f.example.com", 10.0.0.1, 10.0.0.2, 10.0.0.3, ` +
			`10.0.0.4 and 1 more, foreman_url says "127.0.0.1"`},
		{"the server's certificate has expired", func(t *testing.T, s *scene) {
			s.serve(t, s.ca, "127.0.0.1", sandbox.IssueOptions{Expired: true})
		}, ErrUntrusted, theServer + `: expired) is not valid now, which is DATE by this host's clock`},
		{"the server's certificate is of tomorrow", func(t *testing.T, s *scene) {
			s.serve(t, s.ca, "127.0.0.1", sandbox.IssueOptions{NotYet: true})
		}, ErrUntrusted, theServer + `: not valid yet) is not valid now, which is DATE by this host's clock`},
		{"the server's CA has expired", func(t *testing.T, s *scene) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.TLS, s.files.CA.Path = expiredAuthority(t)
			server.Config.ErrorLog = quiet
			server.StartTLS()
			t.Cleanup(server.Close)
			s.url = server.URL
		}, ErrUntrusted, `the server's certificate is signed by a CA whose certificate (subject "CN=Old CA", ` +
			`issued by "CN=Old CA", valid DATE to DATE: expired) is not valid now, which is DATE by this host's clock`},

		// Not TLS, or none that we speak.
		{"a plain HTTP server", func(t *testing.T, s *scene) {
			server := httptest.NewServer(http.NotFoundHandler())
			t.Cleanup(server.Close)
			s.url = strings.Replace(server.URL, "http:", "https:", 1)
		}, ErrNotTLS, `the server at foreman_url doesn't speak TLS: it began with "HTTP/"`},
		{"an SSH server", func(t *testing.T, s *scene) {
			s.raw(t, func(c net.Conn) { io.WriteString(c, "SSH-2.0-OpenSSH_9.9\r\n"); io.Copy(io.Discard, c) })
		}, ErrNotTLS, `the server at foreman_url doesn't speak TLS: it began with "SSH-2"`},
		{"a server with TLS 1.1", func(t *testing.T, s *scene) { s.version = tls.VersionTLS11; s.fine(t) },
			ErrUntrusted, `the server breaks off the TLS handshake (alert: protocol version not supported): ` +
				`perhaps it and this host share no TLS version or cipher`},
		{"no cipher in common", func(t *testing.T, s *scene) { s.alert(t, 40) },
			ErrUntrusted, `the server breaks off the TLS handshake (alert: handshake failure): ` +
				`perhaps it and this host share no TLS version or cipher`},
		{"the server fails in the handshake", func(t *testing.T, s *scene) { s.alert(t, alertInternalError) },
			ErrNoAnswer, `the server breaks off TLS (alert: internal error)`},

		// The client's certificate.
		{"our CA is another", func(t *testing.T, s *scene) {
			s.fine(t)
			s.files = issue(t, s.stranger, "node1", sandbox.IssueOptions{}, s.ca)
		},
			ErrRefused, unknownCA + presented},
		{"our CA is another, TLS 1.2", func(t *testing.T, s *scene) {
			s.version = tls.VersionTLS12
			s.fine(t)
			s.files = issue(t, s.stranger, "node1", sandbox.IssueOptions{}, s.ca)
		}, ErrRefused, unknownCA + presented},
		{"our certificate has expired", func(t *testing.T, s *scene) {
			s.fine(t)
			s.files = issue(t, s.ca, "node1", sandbox.IssueOptions{Expired: true}, s.ca)
		}, ErrRefused, outdated + strings.Replace(presented, "to DATE", "to DATE: expired", 1)},
		{"our certificate has expired, TLS 1.2", func(t *testing.T, s *scene) {
			s.version = tls.VersionTLS12
			s.fine(t)
			s.files = issue(t, s.ca, "node1", sandbox.IssueOptions{Expired: true}, s.ca)
		}, ErrRefused, outdated + strings.Replace(presented, "to DATE", "to DATE: expired", 1)},
		{"our certificate is of tomorrow", func(t *testing.T, s *scene) {
			s.fine(t)
			s.files = issue(t, s.ca, "node1", sandbox.IssueOptions{NotYet: true}, s.ca)
		}, ErrRefused, outdated + strings.Replace(presented, "to DATE", "to DATE: not valid yet", 1)},

		// The network.
		{"the server hangs up in the handshake", func(t *testing.T, s *scene) {
			s.raw(t, func(c net.Conn) { c.Read(make([]byte, 4096)) })
		}, ErrNoAnswer, `the server closed the connection in the TLS handshake (EOF)`},
		{"the server hangs up in the middle of a record", func(t *testing.T, s *scene) {
			s.raw(t, func(c net.Conn) { c.Read(make([]byte, 4096)); c.Write([]byte{22, 3, 3, 0, 50, 1}) })
		}, ErrNoAnswer, `the server closed the connection in the TLS handshake (unexpected EOF)`},
		{"the connection is reset in the handshake", func(t *testing.T, s *scene) {
			s.raw(t, func(c net.Conn) { c.Read(make([]byte, 4096)); c.(*net.TCPConn).SetLinger(0) })
		}, ErrNoAnswer, `the server closed the connection in the TLS handshake (connection reset by peer)`},
		{"connection refused", func(t *testing.T, s *scene) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s.url = "https://" + l.Addr().String()
			l.Close()
		}, ErrNoAnswer, `no connection to Foreman at ADDRESS: connection refused`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			tt.prepare(t, s)
			err, says := do(t, networked(t, s.files), "GET", s.url), ""
			if err != nil {
				says = plain(err.Error())
			}
			if diff := cmp.Diff(tt.says, says); diff != "" || kind(t, err) != tt.want {
				t.Errorf("%v, want %v (-want +got):\n%s", kind(t, err), tt.want, diff)
			}
		})
	}
}

// TestHandshakeAlerts: which alerts of a server are about the client's certificate.
func TestHandshakeAlerts(t *testing.T) {
	for alert, want := range map[byte]error{
		10: ErrUntrusted, 40: ErrUntrusted, 47: ErrUntrusted, 70: ErrUntrusted, 71: ErrUntrusted, 112: ErrUntrusted,
		42: ErrRefused, 43: ErrRefused, 44: ErrRefused, 45: ErrRefused, 46: ErrRefused, 48: ErrRefused, 49: ErrRefused,
		51: ErrRefused, 116: ErrRefused,
		80: ErrNoAnswer,
	} {
		s := newScene(t)
		s.alert(t, alert)
		for _, method := range methods {
			if err := do(t, networked(t, s.files), method, s.url); kind(t, err) != want {
				t.Errorf("alert %d to %s: %v, want %v", alert, method, err, want)
			}
		}
	}
}

// TestHandshakeFiles: the error says which file can't be used and why, and no server is asked.
func TestHandshakeFiles(t *testing.T) {
	const begins = `unusable key or certificate file: `
	s := newScene(t)
	address, connections := counting(t)
	another := issue(t, s.ca, "node2", sandbox.IssueOptions{}, s.ca)
	cert, key, ca, text := s.files.Cert.Path, s.files.Key.Path, s.files.CA.Path, write(t, "text.pem", "no certificate\n")
	encrypted := write(t, "encrypted.key",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	//bad:Certificates and connections: name says
	tests := []struct {
		name  string
		files Files
		says  string
	}{
		{"no certificate", at(cert+"x", key, ca), "client_crt: open DIR/node1.pemx: no such file or directory"},
		{"no key", at(cert, key+"x", ca), "client_key: open DIR/node1.keyx: no such file or directory"},
		{"no CA", at(cert, key, ca+"x"), "ca: open DIR/ca.pemx: no such file or directory"},
		{"another's key", at(cert, another.Key.Path, ca),
			"client_crt DIR/node1.pem, client_key DIR/node2.key: tls: private key does not match public key"},
		{"an encrypted key", at(cert, encrypted, ca),
			"client_key DIR/encrypted.key: the key is encrypted, and there is nobody to ask for its passphrase"},
		{"key and certificate changed round", at(key, cert, ca),
			"client_crt DIR/node1.key, client_key DIR/node1.pem: tls: failed to find certificate PEM data in certificate " +
				"input, but did find a private key; PEM inputs may have been switched"},
		{"a certificate without PEM", at(text, key, ca),
			"client_crt DIR/text.pem, client_key DIR/node1.key: tls: failed to find any PEM data in certificate input"},
		{"a CA without PEM", at(cert, key, text), "ca DIR/text.pem: there is no PEM certificate in it"},
		{"a CA that is a key", at(cert, key, key), "ca DIR/node1.key: there is no PEM certificate in it"},
		{"a directory", at(cert, key, t.TempDir()+"/."), "ca: open DIR/.: not a regular file (it is a directory)"},
		{"a FIFO", at(fifo, key, ca), "client_crt: open DIR/fifo: not a regular file (it is a FIFO)"},
		{"a device that never ends", at(cert, "/dev/zero", ca),
			"client_key: open /dev/zero: not a regular file (it is a device)"},
		{"a CA bundle without end", at(cert, key, write(t, "long.pem", strings.Repeat("x", maxPEM+1))),
			"ca: read DIR/long.pem: too long (more than 1048576 bytes)"},
		{"a path with a line end", at(cert, key, "/no\nsuch"), `ca: open /no\nsuch: no such file or directory`},
		{"a key without a certificate", at("", key, ca), "client_crt: open : no such file or directory"},
		{"a certificate without a key", at(cert, "", ca), "client_key: open : no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := do(t, networked(t, tt.files), "PUT", "https://"+address)
			expect(t, err, ErrCredentials)
			want := begins + tt.says
			if diff := cmp.Diff(want, plain(err.Error())); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if _, _, err := tt.files.Load(); !errors.Is(err, ErrCredentials) {
				t.Errorf("Load: %v", err)
			}
		})
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections", n)
	}
}

// TestLateTrouble: an error that is definite in a handshake may be an accident on a connection that has worked before.
func TestLateTrouble(t *testing.T) {
	alert := func(number uint8) error { return &net.OpError{Op: "remote error", Err: tls.AlertError(number)} }
	for _, tt := range []struct {
		err  error
		want error
		says string
	}{
		{alert(20), ErrNoAnswer, "the server breaks off TLS (alert: bad record MAC)"},
		{alert(40), ErrNoAnswer, "the server breaks off TLS (alert: handshake failure)"},
		{alert(48), ErrRefused, "unknown certificate authority"}, // TLS 1.3 tells no sooner
		{&handshakeError{alert(20)}, ErrUntrusted, "breaks off the TLS handshake"},
		{tls.RecordHeaderError{Msg: "oversized record"}, ErrNoAnswer, "oversized record"},
		{&handshakeError{tls.RecordHeaderError{}}, ErrNotTLS, "doesn't speak TLS"},
		{&handshakeError{context.Canceled}, ErrNoAnswer, "closed the connection in the TLS handshake"},
		{&handshakeError{os.ErrDeadlineExceeded}, ErrNoAnswer, "closed the connection in the TLS handshake"},
		{&handshakeError{errors.New("tls: no")}, ErrUntrusted, "TLS with the server fails: no"},
		{&net.OpError{Op: "remote error", Err: errors.New("odd")}, ErrNoAnswer, "odd"},
		{fmt.Errorf("read answer: %w", io.ErrUnexpectedEOF), ErrNoAnswer, "read answer: unexpected EOF"},
	} {
		expect(t, New(Options{Words: foreman}).explain(tt.err), tt.want, tt.says)
	}
}

// TestWords: messages have the caller's names for the server and for the configuration's keys, and no others.
func TestWords(t *testing.T) {
	files := Files{File{"cert_key", "/cert"}, File{"key_key", "/key"}, File{"ca_key", "/ca"}}
	storeOnly := Files{CA: File{ConfigKey: "ca_key"}}
	words := Words{Server: "SERVER", WebServer: "FRONT", URLKey: "url_key", TimeoutKey: "timeout_key"}
	cert := &x509.Certificate{DNSNames: []string{"a"}}
	unverified := func(err error) error {
		return &tls.CertificateVerificationError{UnverifiedCertificates: []*x509.Certificate{cert}, Err: err}
	}
	_, _, unreadable := files.Load()
	for _, tt := range []struct {
		files Files
		err   error
		says  string
	}{
		{files, unreadable, "unusable key or certificate file: cert_key: open /cert: no such file or directory"},
		{files, &net.OpError{Op: "remote error", Err: tls.AlertError(48)},
			"FRONT refuses this host's certificate (TLS alert: unknown certificate authority); presented was cert_key /cert"},
		{files, &handshakeError{tls.RecordHeaderError{RecordHeader: [5]byte([]byte("HTTP/"))}},
			`the server at url_key doesn't speak TLS: it began with "HTTP/"`},
		{files, unverified(x509.HostnameError{Certificate: cert, Host: "b"}), `it is for "a", url_key says "b"`},
		{files, unverified(x509.UnknownAuthorityError{}), "a CA that is not in the file of the key ca_key, /ca"},
		{storeOnly, unverified(x509.UnknownAuthorityError{}),
			"a CA that is not in the system's trust store (the key ca_key is not set)"},
		{files, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, "no connection to SERVER: connection refused"},
		{files, context.DeadlineExceeded, "no answer within timeout_key (1m0s): it ran out while waiting for the answer"},
	} {
		way := roundTripper(func(*http.Request) (*http.Response, error) { return nil, tt.err })
		c := New(Options{Files: tt.files, Words: words, Transport: way, Timeout: time.Minute})
		err := do(t, c, "GET", "https://foreman.example.com")
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("error\n\t%v\nlacks\n\t%s", err, tt.says)
		}
		if own := regexp.MustCompile(`Foreman|foreman_|client_|http_|\bkey ca\b`).FindString(err.Error()); own != "" {
			t.Errorf("%v: has %q", err, own)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return rt(r) }
