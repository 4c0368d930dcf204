package dlm

import (
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"foreman-dlm-updater/internal/sandbox"
)

// nasty is what would move a terminal's cursor, forge a line of a log, or turn the reading direction.
const nasty = "x\x1b[2J\r\nerror: forged\x00\u009b\u202e\u2028\x7f"

// legible checks that a message is one line of bounded length that a terminal shows as it is.
func legible(t *testing.T, text string) {
	t.Helper()
	const most = 16 << 10
	for _, r := range text {
		if !strconv.IsPrint(r) {
			t.Fatalf("%q has the character %U", text, r)
		}
	}
	if len(text) > most || !utf8.ValidString(text) {
		t.Fatalf("%d bytes: %.500q", len(text), text)
	}
}

// TestMessagesAreLegible, whatever stands in an answer.
func TestMessagesAreLegible(t *testing.T) {
	object := `{"error":{"message":"x\u001b[2J\u202e` + strings.Repeat(`\u2028`, 1000) + `","details":"\u0000\n"}}`
	text := `{"error":"\u001b]0;title\u0007\n"}`
	for _, status := range []int{200, 204, 299, 300, 301, 302, 304, 399, 400, 401, 403, 404, 412, 415, 429, 500, 503, 999} {
		for _, body := range []string{"", object, text, nasty, strings.Repeat(nasty, 1000), `{"name":"\u001b\n","host":null}`,
			`{"name":"web","host":{"name":"\u001b\n"}}`, strings.Repeat("\xff", 1000), `{"name":"` + strings.Repeat("🔒", 1000) + `","host":null}`} {
			synctest.Test(t, func(t *testing.T) {
				c := clientOf(saying(status, map[string]string{"Location": strings.Repeat(nasty, 100)}, body))
				c.tls = TLS{Cert: "/etc/" + nasty}
				for method := range operations {
					if err := do(t.Context(), c, method); err != nil {
						legible(t, err.Error())
					}
				}
			})
		}
	}
}

// TestLongNames don't push what is wrong out of a message.
func TestLongNames(t *testing.T) {
	_, err := clientOf(saying(412, nil, `{"error":{"message":"Precondition failed."}}`)).Show(t.Context(), strings.Repeat("\x1b", 8000))
	expect(t, err, ErrNotNow, "not now (412)")
	legible(t, err.Error())
}

// TestCertificatesAreLegible: a subject can hold anything; whoever answers at foreman_url chooses it.
func TestCertificatesAreLegible(t *testing.T) {
	ca, stranger := newCA(t), newCA(t)
	ours := issue(t, ca, "node1\x1b[2J\nforged", sandbox.IssueOptions{}, ca)
	for name, tt := range map[string]struct {
		issuer *sandbox.CA
		o      sandbox.IssueOptions
		want   error
		says   string
	}{
		"unknown CA":   {stranger, sandbox.IssueOptions{}, ErrUntrusted, `subject "CN=srv\x1b[2J\nforged`},
		"wrong name":   {ca, sandbox.IssueOptions{DNSNames: []string{"a\x1b[2J\nb", strings.Repeat("x", 9999)}}, ErrUntrusted, `it is for "a\x1b[2J\nb", "xxx`},
		"not a name":   {ca, sandbox.IssueOptions{}, ErrUntrusted, "it is for no name at all (it has no subjectAltName, and its CN doesn't count)"},
		"expired":      {ca, sandbox.IssueOptions{Expired: true}, ErrUntrusted, `subject "CN=srv\x1b[2J\nforged`},
		"our own name": {ca, sandbox.IssueOptions{IPs: []net.IP{{127, 0, 0, 1}}}, ErrRefused, `CN "node1\x1b[2J\nforged"`},
	} {
		t.Run(name, func(t *testing.T) {
			tt.o.Server = true
			server := issue(t, tt.issuer, "srv\x1b[2J\nforged", tt.o, ca)
			cert, err := tls.LoadX509KeyPair(server.Cert, server.Key)
			if err != nil {
				t.Fatal(err)
			}
			address := serveRaw(t, func(raw net.Conn) {
				conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: stranger.Pool()})
				conn.Handshake()
				io.Copy(io.Discard, raw)
			})
			err = do(t.Context(), networked(t, "https://"+address, ours), "GET")
			expect(t, err, tt.want, tt.says)
			legible(t, err.Error())
		})
	}
}

// TestGibberishIsLegible: servers that speak TLS, and then no HTTP.
func TestGibberishIsLegible(t *testing.T) {
	ca := newCA(t)
	files := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	config := serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{})
	for _, words := range []string{
		"220 mail.example.com ESMTP\r\n",
		nasty,
		"HTTP/1.1 " + nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\n" + nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: " + nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + nasty + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + nasty,
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
		for method := range operations {
			err := do(t.Context(), networked(t, "https://"+address, files), method)
			if got := kind(t, err); got != ErrUnavailable && got != ErrNotForeman {
				t.Errorf("%.40q: %v", words, err)
			}
			legible(t, err.Error())
		}
	}
}

// TestPrintable: what can be shown stays as it is.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":               "",
		"Grüße, \"🔒\" '": "Grüße, \"🔒\" '",
		"a\nb\t'\x1b'":   `a\nb\t'\x1b'`,
		"\u00a0\u202e":   `\u00a0\u202e`,
		"\xff":           "\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
