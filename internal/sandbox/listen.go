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
)

// Running is a Server that listens.
type Running struct {
	URL string // https://ADDRESS:PORT, without a path

	srv     *http.Server
	hangUp  context.CancelFunc
	stopped chan error
}

// Start listens on a free port of 127.0.0.1 with a certificate from ca for
// localhost and 127.0.0.1; the caller closes it. The certificate is written
// to the directory of ca.
func (s *Server) Start(ca *CA) (*Running, error) {
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
	return s.Serve(l, ca.Pool(), cert, key)
}

// Serve answers on l with the server certificate in these two files; it closes l at the end. It asks for client
// certificates as Apache does with "SSLVerifyClient optional": a client that sends none may connect, and has no name. A
// certificate that no CA in clients signed, or an expired one, ends the handshake. HTTP/1.1 only.
func (s *Server) Serve(l net.Listener, clients *x509.CertPool, certFile, keyFile string) (*Running, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("load server certificate: %w", err)
	}
	base, hangUp := context.WithCancel(context.Background())
	base = context.WithValue(base, closedKey{}, base.Done())
	run := &Running{
		URL:     "https://" + l.Addr().String(),
		hangUp:  hangUp,
		stopped: make(chan error, 1),
		srv: &http.Server{
			Handler:     s,
			ErrorLog:    s.opts.ErrorLog,
			BaseContext: func(net.Listener) context.Context { return base },
		},
	}
	if run.srv.ErrorLog == nil {
		run.srv.ErrorLog = log.New(io.Discard, "", 0)
	}
	secure := tls.NewListener(l, &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    clients,
		NextProtos:   []string{"http/1.1"},
	})
	go func() { run.stopped <- run.srv.Serve(secure) }()
	return run, nil
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

// ServeHTTP implements http.Handler. r's verified client certificate names the caller.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	cn := ""
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		cn = r.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	in, err := newRequest(r, cn)
	if err != nil {
		return // the client went away in the middle of its request
	}
	in.closed, _ = r.Context().Value(closedKey{}).(<-chan struct{})
	a := s.handle(in)
	switch a.end {
	case silent:
		<-r.Context().Done() // ends with the client, and with the listening server
		hangUp(w)
	case cut:
		hangUp(w)
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

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	conn.Close()
}
