package sandbox

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// Transport returns a RoundTripper that sends requests to this server without sockets, as a client with a certificate
// for cn, or without a certificate if cn is "". It works inside a testing/synctest bubble. Like a network it gives up
// with the context's error when the request's context ends, while the server goes on with the request; see Wait.
func (s *Server) Transport(cn string) http.RoundTripper {
	return transport{s, cn}
}

// Wait blocks until every request of a Transport was processed to its end, even if its client has gone. A synctest
// bubble with delays or the race window calls it last, when it makes no more requests: time stands still in a bubble
// whose test function has returned.
func (s *Server) Wait() { s.working.Wait() }

type transport struct {
	s  *Server
	cn string
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in, err := newRequest(r, t.cn)
	if err != nil {
		return nil, fmt.Errorf("read request body: %w", err)
	}
	ctx := r.Context()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	answers := make(chan answer, 1)
	t.s.working.Go(func() { answers <- t.s.handle(in) })
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case a := <-answers:
		switch a.end {
		case silent:
			<-ctx.Done()
			return nil, ctx.Err()
		case cut:
			return nil, errCut
		}
		return a.response(r), nil
	}
}

// errCut is net/http's error for a connection that was closed before any answer came.
var errCut = fmt.Errorf("connection closed by the server: %w", io.EOF)

// response is the answer as a client of HTTP/1.1 reads it.
func (a answer) response(r *http.Request) *http.Response {
	h := http.Header{}
	a.writeHeader(h)
	res := &http.Response{
		Status:     fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)),
		StatusCode: a.status,
		Proto:      "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header:        h,
		Body:          http.NoBody,
		ContentLength: int64(len(a.body)),
		Close:         h.Get("Connection") == "close",
		Request:       r,
	}
	if r.Method != http.MethodHead && len(a.body) > 0 {
		res.Body = io.NopCloser(bytes.NewReader(a.body))
	}
	return res
}
