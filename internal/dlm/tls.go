package dlm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"syscall"
	"time"
)

// idleTimeout is how long a connection is kept for the next request. Apache closes one after 5 s
// (KeepAliveTimeout's default), and a request on a connection that is being closed would get no answer.
const idleTimeout = 4 * time.Second

// TLS names the host's certificate and key, and the CA bundle that vouches for Foreman: PEM files. They are read
// afresh for every connection, so that a renewed certificate is used at once.
type TLS struct {
	Cert, Key string
	CA        string // empty: the system's trust store
}

// transport connects with these files. It uses no proxy: the certificate is shown to nobody but Foreman.
func (t TLS) transport() *http.Transport {
	return &http.Transport{
		DialTLSContext:  t.dial,
		IdleConnTimeout: idleTimeout,
		MaxIdleConns:    1,
	}
}

// dial connects and shakes hands; http.Transport would keep one TLS configuration for ever.
func (t TLS) dial(ctx context.Context, network, address string) (net.Conn, error) {
	cert, roots, err := t.Load()
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
	conn := tls.Client(raw, &tls.Config{
		ServerName: host,
		RootCAs:    roots,
		MinVersion: tls.VersionTLS12,
		// With Certificates, crypto/tls would silently send none to a server that doesn't name its issuer,
		// and a wrong CA would show as a bare 401.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil },
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &handshakeError{err}
	}
	return conn, nil
}

// Load reads the files. The pool is nil where the system's trust store is to be used. The error wraps
// ErrCredentials, and names the configuration's keys.
func (t TLS) Load() (*tls.Certificate, *x509.CertPool, error) {
	cert, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: client_crt %s, client_key %s: %w", ErrCredentials, t.Cert, t.Key, err)
	}
	if t.CA == "" {
		return &cert, nil, nil
	}
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: ca: %w", ErrCredentials, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, nil, fmt.Errorf("%w: ca %s: there is no PEM certificate in it", ErrCredentials, t.CA)
	}
	return &cert, roots, nil
}

// describe says which certificate the host presents, for a message.
func (t TLS) describe() string {
	cert, _, err := t.Load()
	if err != nil || cert.Leaf == nil {
		return "client_crt " + t.Cert
	}
	return fmt.Sprintf("client_crt %s (CN %q, issued by %q, valid %s to %s)", t.Cert, cert.Leaf.Subject.CommonName,
		cert.Leaf.Issuer.CommonName, day(cert.Leaf.NotBefore), day(cert.Leaf.NotAfter))
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// handshakeError marks an error of the TLS handshake, many of which have no type of their own.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// transport classifies the lack of an answer. Whatever is not known to be definite proves nothing.
func (e *Error) transport(err error, certificate func() string) *Error {
	e.Err = err
	var (
		verification *tls.CertificateVerificationError
		record       tls.RecordHeaderError
		handshake    *handshakeError
		netError     net.Error
	)
	switch alert, isAlert := remoteAlert(err); {
	case errors.Is(err, ErrCredentials):
		e.Kind, e.Detail = ErrCredentials, cause(err).Error()
	case errors.As(err, &verification):
		e.Kind, e.Detail = ErrUntrusted, untrusted(verification)
	case isAlert && certificateAlerts[alert]:
		e.Kind = ErrRefused
		e.Detail = fmt.Sprintf("Foreman's web server refuses the certificate (%v); presented was %s", cause(err), certificate())
	case isAlert && alert == alertInternalError:
		e.Kind, e.Detail = ErrUnavailable, cause(err).Error()
	case errors.As(err, &record):
		e.Kind, e.Detail = ErrWrongURL, "the server at foreman_url doesn't speak TLS"
	case isAlert:
		e.Kind, e.Detail = ErrUntrusted, fmt.Sprintf("no common ground with the server for TLS: %v", cause(err))
	case errors.As(err, &handshake) && !errors.As(err, &netError) && !disconnected(err):
		e.Kind, e.Detail = ErrUntrusted, fmt.Sprintf("TLS with the server fails: %v", handshake.error)
	case errors.Is(err, context.DeadlineExceeded):
		e.Kind, e.Detail = ErrUnavailable, "no answer within http_timeout"
	default:
		e.Kind, e.Detail = ErrUnavailable, cause(err).Error()
	}
	return e
}

// cause strips the request's method and URL, which net/http puts in front.
func cause(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

func disconnected(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE) || errors.Is(err, net.ErrClosed)
}

// TLS alerts, by their numbers in RFC 8446, section 6.2 (and RFC 5246, section 7.2).
const alertInternalError = 80

// certificateAlerts are those by which a server turns down the client's certificate.
var certificateAlerts = map[uint64]bool{
	42:  true, // bad_certificate
	43:  true, // unsupported_certificate
	44:  true, // certificate_revoked
	45:  true, // certificate_expired
	46:  true, // certificate_unknown
	48:  true, // unknown_ca
	49:  true, // access_denied
	116: true, // certificate_required
}

// remoteAlert finds the TLS alert that the server sent. With TLS 1.3 a client's certificate is refused only after
// the request was written, so the alert can come instead of an answer. crypto/tls has no exported type for it
// on a TCP connection; its number is an unsigned integer in a *net.OpError "remote error".
func remoteAlert(err error) (uint64, bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, false
	}
	value := reflect.ValueOf(op.Err)
	if value.Kind() != reflect.Uint8 {
		return 0, false
	}
	return value.Uint(), true
}

// untrusted tells the reasons for which the server's certificate is not accepted apart.
func untrusted(v *tls.CertificateVerificationError) string {
	if len(v.UnverifiedCertificates) == 0 {
		return v.Err.Error()
	}
	cert := v.UnverifiedCertificates[0]
	which := fmt.Sprintf("the server's certificate (subject %q, issued by %q, valid %s to %s)",
		cert.Subject, cert.Issuer, day(cert.NotBefore), day(cert.NotAfter))
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(v.Err, &hostname):
		return fmt.Sprintf("%s is for another name: it names %q, foreman_url says %q", which, cert.DNSNames, hostname.Host)
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("%s is not valid now: expired, not valid yet, or this host's clock is wrong", which)
	case errors.As(v.Err, &authority):
		return fmt.Sprintf("%s is signed by a CA that is not in the file of the key ca", which)
	}
	return fmt.Sprintf("%s is not accepted: %v", which, v.Err)
}
