package sandbox

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Running is a handler that listens.
type Running struct {
	URL string // https://ADDRESS:PORT or http://ADDRESS:PORT, without a path

	srv     *http.Server
	hangUp  context.CancelFunc
	stopped chan error
}

// Start makes s listen, as the function Start does.
func (s *Server) Start(ca *CA) (*Running, error) { return Start(s, ca, s.opts.ErrorLog) }

// Serve makes s answer on l, as the function Serve does.
func (s *Server) Serve(l net.Listener, clients *x509.CertPool, certFile, keyFile string) (*Running, error) {
	return Serve(s, l, clients, certFile, keyFile, s.opts.ErrorLog)
}

// Start makes h listen on a free port of 127.0.0.1 with a certificate from ca for localhost and 127.0.0.1; the caller
// closes it. The certificate is written to the directory of ca. errorLog is as in Serve.
func Start(h http.Handler, ca *CA, errorLog *log.Logger) (*Running, error) {
	cert, key, err := ca.Issue("localhost", IssueOptions{
		Server: true, DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
	})
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return Serve(h, l, ca.Pool(), cert, key, errorLog)
}

// Serve answers on l with the server certificate in these two files; it closes l at the end. It asks for client
// certificates as Apache does with "SSLVerifyClient optional": a client that sends none may connect, and has no name. A
// certificate that no CA in clients signed, or an expired one, ends the handshake. HTTP/1.1 only. errorLog gets the
// messages of the network server; nil drops them.
func Serve(h http.Handler, l net.Listener, clients *x509.CertPool, certFile, keyFile string,
	errorLog *log.Logger) (*Running, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("load server certificate: %w", err)
	}
	secure := tls.NewListener(l, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    clients,
		NextProtos:   []string{"http/1.1"},
	})
	return serve(h, secure, "https", errorLog), nil
}

// ServePlain answers on l without TLS, so every client is without a name; it closes l at the end.
func ServePlain(h http.Handler, l net.Listener, errorLog *log.Logger) *Running {
	return serve(h, l, "http", errorLog)
}

func serve(h http.Handler, l net.Listener, scheme string, errorLog *log.Logger) *Running {
	if errorLog == nil {
		errorLog = log.New(io.Discard, "", 0)
	}
	base, hangUp := context.WithCancel(context.Background())
	base = context.WithValue(base, closedKey{}, base.Done())
	run := &Running{
		URL:     scheme + "://" + l.Addr().String(),
		hangUp:  hangUp,
		stopped: make(chan error, 1),
		srv: &http.Server{
			Handler:     h,
			ErrorLog:    errorLog,
			BaseContext: func(net.Listener) context.Context { return base },
		},
	}
	go func() { run.stopped <- run.srv.Serve(l) }()
	return run
}

// Close stops listening and closes all connections. Requests that wait for a fault or in the race window end at once;
// Close does not wait for them.
func (r *Running) Close() error {
	r.hangUp()
	err := r.srv.Close()
	if served := <-r.stopped; !errors.Is(served, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", served)
	}
	return err
}

// closedKey is the context key for the channel that is closed with the listening server.
type closedKey struct{}

// Pause sleeps for d, or until the server that listens for the request with this context is closed; the result says
// whether d passed. It does not end with the client: a server also goes on when its client has gone.
func Pause(ctx context.Context, d time.Duration) (passed bool) {
	if d <= 0 {
		return true
	}
	closed, _ := ctx.Value(closedKey{}).(<-chan struct{})
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-closed:
		return false
	}
}

// Caller returns the CN of the verified client certificate, "" without one.
func Caller(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	return r.TLS.VerifiedChains[0][0].Subject.CommonName
}

// ServeHTTP implements http.Handler. r's verified client certificate names the caller.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in, err := newRequest(r, Caller(r))
	if err != nil {
		return // the client went away in the middle of its request
	}
	a := s.handle(in)
	switch a.end {
	case silent:
		Hang(w, r)
	case cut:
		HangUp(w)
	default:
		a.writeHeader(w.Header())
		if a.status != http.StatusNotModified {
			w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		}
		w.WriteHeader(a.status)
		if r.Method != http.MethodHead && len(a.body) > 0 {
			w.Write(a.body) // a client that is gone does not read it
		}
	}
}

// Hang sends nothing until the client gives up, or the listening server is closed.
func Hang(w http.ResponseWriter, r *http.Request) {
	<-r.Context().Done()
	HangUp(w)
}

// HangUp closes the connection without an answer.
func HangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	conn.Close()
}
