// Package mtls sends requests to an HTTPS server, with a client certificate if there is one. It makes one try per call,
// and says why a try got no answer. The caller decides what an answer means, and whether to try again.
//
// Messages name the server and the configuration keys in the caller's words.
package mtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"
)

// MaxAnswer is how long an answer's body may be, in bytes. The same limit holds for its header.
const MaxAnswer = 1 << 20

// idleTimeout is how long a connection is kept for the next request. Apache closes an idle connection after 5 s
// (KeepAliveTimeout's default), and a request on a connection that is being closed would get no answer.
const idleTimeout = 4 * time.Second

// Options configure a Client.
type Options struct {
	Files Files
	Words Words
	// Timeout limits one whole try: connecting, sending, and reading the whole answer.
	Timeout time.Duration
	// Transport replaces the network; for tests.
	Transport http.RoundTripper
}

// Words are the names that messages use for the server, and for the configuration keys about it.
type Words struct {
	Server     string // "Foreman"
	WebServer  string // whatever speaks TLS for it: "Foreman's web server"
	URLKey     string // the key that holds its address: "foreman_url"
	TimeoutKey string // the key that holds Options.Timeout: "http_timeout"
}

// Client sends requests to a server. It is safe for concurrent use.
type Client struct {
	files Files
	words Words
	// way is used without an http.Client, which would follow redirects, turn a PUT into a GET, and take a Location that it
	// can't parse for a lost answer.
	way     http.RoundTripper
	timeout time.Duration
}

// New makes a client. It reads no file and opens no connection.
func New(o Options) *Client {
	c := &Client{files: o.Files, words: o.Words, way: o.Transport, timeout: o.Timeout}
	if c.way == nil {
		c.way = o.Files.transport(o.Timeout)
	}
	return c
}

// Answer is what a server said, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	// Body is the whole body, or its first MaxAnswer+1 bytes if it is longer than MaxAnswer.
	Body []byte
}

// Do sends a request, once, and reads the answer. It follows no redirect. The error is an *Error. (If the server closes
// a kept connection just as a GET arrives on it, net/http sends the GET again.)
func (c *Client) Do(req *http.Request) (*Answer, error) {
	ctx := req.Context()
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	doing := &progress{}
	a, err := c.exchange(req.WithContext(doing.watch(bounded)))
	switch {
	case err == nil:
		return a, nil
	case ctx.Err() != nil:
		return nil, &Error{ErrNoAnswer, fmt.Sprintf("given up while %s: %v", doing, context.Cause(ctx)), ctx.Err()}
	case errors.Is(err, context.DeadlineExceeded):
		detail := fmt.Sprintf("no answer within %s (%v): it ran out while %s", c.words.TimeoutKey, c.timeout, doing)
		return nil, &Error{ErrNoAnswer, detail, err}
	}
	return nil, c.explain(err)
}

func (c *Client) exchange(req *http.Request) (*Answer, error) {
	resp, err := c.way.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		// This body is the connection itself, and net/http no longer watches it: no timeout would end a read.
		return &Answer{Status: resp.StatusCode, Header: resp.Header}, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	return &Answer{resp.StatusCode, resp.Header, body}, nil
}

// maxRetryAfter is what a longer Retry-After is cut to.
const maxRetryAfter = 5 * time.Minute

// RetryAfter reads the header Retry-After in seconds or as a date, at most 5 minutes; 0 if it is missing or can't be
// read.
func RetryAfter(h http.Header) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}

// CloseIdleConnections closes the connections that are kept for the next request.
func (c *Client) CloseIdleConnections() {
	if way, ok := c.way.(interface{ CloseIdleConnections() }); ok {
		way.CloseIdleConnections()
	}
}

// transport connects with these files. It uses no proxy: only the server may see the certificate.
func (f Files) transport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		DialContext: (&net.Dialer{Timeout: timeout}).DialContext, // for http://, to a loopback address
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			// http.Transport detaches dialling from the request's deadline: a server that accepts a connection and then says
			// nothing would keep it for ever, and one more with every try.
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return f.dial(ctx, network, address)
		},
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           1,
		MaxResponseHeaderBytes: MaxAnswer,
		DisableCompression:     true,
	}
}

// dial connects and does the TLS handshake. http.Transport's own dialling would use one TLS configuration for ever.
func (f Files) dial(ctx context.Context, network, address string) (net.Conn, error) {
	cert, roots, err := f.Load()
	if err != nil {
		return nil, err
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12}
	if cert != nil {
		// With Certificates, crypto/tls would silently send none to a server that doesn't name its issuer. A wrong CA would
		// then only show as a 401.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
	}
	conn := tls.Client(raw, config)
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &handshakeError{err}
	}
	return &secured{Conn: conn}, nil
}

// secured remembers the alert with which the server ended a connection. net/http closes a connection after a failed
// read, and may then report only that its own write found the connection closed.
type secured struct {
	*tls.Conn
	alert atomic.Pointer[error]
}

func (c *secured) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if _, text := remoteAlert(err); text != "" {
		c.alert.Store(&err)
	}
	return n, err
}

func (c *secured) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	if alert := c.alert.Load(); err != nil && alert != nil {
		return n, *alert
	}
	return n, err
}

// progress knows how far a try has come.
type progress struct{ at atomic.Pointer[string] }

func (p *progress) String() string { return *p.at.Load() }

// watch returns a context; progress follows the try that is made with it.
func (p *progress) watch(ctx context.Context) context.Context {
	now := func(what string) { p.at.Store(&what) }
	now("waiting for the answer") // a transport without trace says nothing more
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { now("looking up the server's address") },
		ConnectStart:         func(string, string) { now("connecting") },
		TLSHandshakeStart:    func() { now("waiting for the server in the TLS handshake") },
		GotConn:              func(httptrace.GotConnInfo) { now("waiting for the answer") },
		GotFirstResponseByte: func() { now("reading the answer") },
	})
}
