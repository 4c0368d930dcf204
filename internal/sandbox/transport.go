package sandbox

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
)

// Transport returns a RoundTripper that sends requests to this server without sockets, as a client with a certificate
// for cn, or without a certificate if cn is "". It works inside a testing/synctest bubble. Like a network it gives up
// with the context's error when the request's context ends, while the server goes on with the request; see Wait.
func (s *Server) Transport(cn string) http.RoundTripper { return NewTransport(s, cn, &s.working) }

// Wait blocks until every request of a Transport was processed to its end, even if its client has gone. A synctest
// bubble with delays or the race window calls it last, when it makes no more requests: time stands still in a bubble
// whose test function has returned.
func (s *Server) Wait() { s.working.Wait() }

// NewTransport returns a RoundTripper like Server.Transport for any handler. working counts the requests that h
// processes.
func NewTransport(h http.Handler, cn string, working *sync.WaitGroup) http.RoundTripper {
	t := &transport{h: h, working: working}
	if cn != "" {
		cert := &x509.Certificate{Subject: pkix.Name{CommonName: cn}}
		t.tls = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{cert}}}
	}
	return t
}

type transport struct {
	h       http.Handler
	tls     *tls.ConnectionState // of the client; nil without a certificate
	working *sync.WaitGroup
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	in := r.WithContext(ctx) // a copy: the caller's request stays as it is
	in.TLS, in.Body = t.tls, http.NoBody
	if r.Body != nil {
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, fmt.Errorf("read request body: %w", err)
		}
		in.Body = io.NopCloser(bytes.NewReader(body))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	answers := make(chan *reply, 1)
	t.working.Go(func() {
		a := &reply{header: http.Header{}}
		t.h.ServeHTTP(a, in)
		answers <- a
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answers:
		switch {
		case a.cut && ctx.Err() != nil:
			return nil, ctx.Err() // the server said nothing until the client gave up
		case a.cut:
			return nil, errCut
		}
		return a.response(r), nil
	}
}

// errCut is net/http's error for a connection that was closed before any answer came.
var errCut = fmt.Errorf("connection closed by the server: %w", io.EOF)

// reply is an answer while a handler writes it; it implements http.ResponseWriter and http.Hijacker.
type reply struct {
	header http.Header
	status int
	body   bytes.Buffer
	cut    bool
}

func (a *reply) Header() http.Header { return a.header }

func (a *reply) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *reply) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

// Hijack returns a connection that nobody listens to: only HangUp asks for it.
func (a *reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.cut = true
	ours, theirs := net.Pipe()
	theirs.Close()
	return ours, nil, nil
}

// response is the answer as a client of HTTP/1.1 reads it.
func (a *reply) response(r *http.Request) *http.Response {
	a.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        a.header,
		Body:          io.NopCloser(&a.body),
		ContentLength: int64(a.body.Len()),
		Close:         a.header.Get("Connection") == "close",
		Request:       r,
	}
}
