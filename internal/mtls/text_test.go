package mtls

import (
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/test/legible"
)

// TestCertificatesAreLegible: a subject can hold anything, because whoever answers at the server's address chooses it.
func TestCertificatesAreLegible(t *testing.T) {
	ca, stranger := newCA(t), newCA(t)
	ours := issue(t, ca, "node1\x1b[2J\nforged", sandbox.IssueOptions{}, ca)
	for name, tt := range map[string]struct {
		issuer *sandbox.CA
		o      sandbox.IssueOptions
		want   error
		says   string
	}{
		"unknown CA": {stranger, sandbox.IssueOptions{}, ErrUntrusted, `subject "CN=srv\x1b[2J\nforged`},
		"wrong name": {ca, sandbox.IssueOptions{DNSNames: []string{"a\x1b[2J\nb", strings.Repeat("x", 9999)}}, ErrUntrusted,
			`it is for "a\x1b[2J\nb", "xxx`},
		"not a name": {ca, sandbox.IssueOptions{}, ErrUntrusted,
			"it is for no name at all (it has no subjectAltName, and its CN doesn't count)"},
		"expired": {ca, sandbox.IssueOptions{Expired: true}, ErrUntrusted, `subject "CN=srv\x1b[2J\nforged`},
		"our own name": {ca, sandbox.IssueOptions{IPs: []net.IP{{127, 0, 0, 1}}}, ErrRefused,
			`CN "node1\x1b[2J\nforged"`},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Server = true
			server := issue(t, tt.issuer, "srv\x1b[2J\nforged", tt.o, ca)
			cert, err := tls.LoadX509KeyPair(server.Cert.Path, server.Key.Path)
			if err != nil {
				t.Fatal(err)
			}
			address := serveRaw(t, func(raw net.Conn) {
				config := &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: stranger.Pool()}
				config.ClientAuth = tls.RequireAndVerifyClientCert
				tls.Server(raw, config).Handshake()
				io.Copy(io.Discard, raw)
			})
			err = do(t, networked(t, ours), "GET", "https://"+address)
			expect(t, err, tt.want, tt.says)
			legible.Line(t, err.Error())
		})
	}
}

// TestGibberishIsLegible: servers that speak TLS, and then something other than HTTP.
func TestGibberishIsLegible(t *testing.T) {
	ca := newCA(t)
	files := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	config := serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{})
	for _, words := range []string{
		"220 mail.example.com ESMTP\r\n",
		legible.Nasty,
		"HTTP/1.1 " + legible.Nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + legible.Nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + legible.Nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + legible.Nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + legible.Nasty,
		"HTTP/1.1 200 OK\r\n" + strings.Repeat("\x1b", 100_000) + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
	} {
		address := serveRaw(t, func(raw net.Conn) {
			conn := tls.Server(raw, config)
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, words)
			conn.CloseWrite()
			io.Copy(io.Discard, conn)
		})
		for _, method := range methods {
			if err := do(t, networked(t, files), method, "https://"+address); err != nil {
				expect(t, err, ErrNoAnswer)
				legible.Line(t, err.Error())
			}
		}
	}
}
