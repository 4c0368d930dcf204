package dlm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"foreman-dlm-updater/internal/file"
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
func (t TLS) transport(timeout time.Duration) *http.Transport {
	return &http.Transport{
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			// http.Transport detaches dialling from the request's deadline: a server that accepts and then
			// says nothing would keep a connection for ever, one more with every try.
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			return t.dial(ctx, network, address)
		},
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           1,
		MaxResponseHeaderBytes: maxAnswer,
		DisableCompression:     true,
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
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, &handshakeError{err}
	}
	return &secured{Conn: conn}, nil
}

// secured remembers the alert by which the server ended a connection. net/http closes a connection whose read
// failed, and may then report that its own write met a closed connection.
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

// Load reads the files. The pool is nil where the system's trust store is to be used. The error wraps
// ErrCredentials, and names the configuration's keys.
func (t TLS) Load() (*tls.Certificate, *x509.CertPool, error) {
	cert, err := t.pair()
	if err != nil {
		if key, _ := file.Read(t.Key, MaxPEM); bytes.Contains(key, []byte("ENCRYPTED")) {
			err = fmt.Errorf("client_key %s: the key is encrypted, and there is nobody to ask for its passphrase", t.Key)
		}
		return nil, nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	if t.CA == "" {
		return &cert, nil, nil
	}
	bundle, err := file.Read(t.CA, MaxPEM)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: ca: %w", ErrCredentials, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, nil, fmt.Errorf("%w: ca %s: there is no PEM certificate in it", ErrCredentials, t.CA)
	}
	return &cert, roots, nil
}

func (t TLS) pair() (tls.Certificate, error) {
	cert, err := file.Read(t.Cert, MaxPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_crt: %w", err)
	}
	key, err := file.Read(t.Key, MaxPEM)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("client_key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		err = fmt.Errorf("client_crt %s, client_key %s: %w", t.Cert, t.Key, err)
	}
	return pair, err
}

// commonName is the subject's CN in the first certificate of a PEM file; empty if there is none.
func commonName(text []byte) string {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			return printable(cert.Subject.CommonName)
		}
		break
	}
	return ""
}

// MaxPEM is the most that is read of one of the files, in bytes; Debian's bundle of all CAs has a quarter of it.
const MaxPEM = 1 << 20

// describe says which certificate the host presents, for a message.
func (t TLS) describe() string {
	cert, err := t.pair()
	if err != nil || cert.Leaf == nil {
		return "client_crt " + t.Cert
	}
	return fmt.Sprintf("client_crt %s (CN %q, issued by %q, %s)", t.Cert, cut(cert.Leaf.Subject.CommonName),
		cut(cert.Leaf.Issuer.String()), validity(cert.Leaf))
}

// validity says when a certificate is valid, and whether it is now.
func validity(cert *x509.Certificate) string {
	text := fmt.Sprintf("valid %s to %s", day(cert.NotBefore), day(cert.NotAfter))
	switch now := time.Now(); {
	case now.After(cert.NotAfter):
		return text + ": expired"
	case now.Before(cert.NotBefore):
		return text + ": not valid yet"
	}
	return text
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// vouchers says where the CAs are that vouch for the server, for a message.
func (t TLS) vouchers() string {
	if t.CA == "" {
		return "in the system's trust store (the key ca is not set)"
	}
	return fmt.Sprintf("in the file of the key ca, %s", t.CA)
}

// untrusted tells the reasons for which the server's certificate is not accepted apart.
func (t TLS) untrusted(v *tls.CertificateVerificationError) string {
	if len(v.UnverifiedCertificates) == 0 {
		return v.Err.Error()
	}
	cert := v.UnverifiedCertificates[0]
	which := "the server's certificate " + particulars(cert)
	var (
		authority x509.UnknownAuthorityError
		hostname  x509.HostnameError
		invalid   x509.CertificateInvalidError
	)
	switch {
	case errors.As(v.Err, &hostname):
		return fmt.Sprintf("%s is for another name: it is for %s, foreman_url says %q", which, names(cert), cut(hostname.Host))
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired:
		if invalid.Cert != nil && !invalid.Cert.Equal(cert) {
			which = "the server's certificate is signed by a CA whose certificate " + particulars(invalid.Cert)
		}
		return fmt.Sprintf("%s is not valid now, which is %s by this host's clock", which, day(time.Now()))
	case errors.As(v.Err, &authority):
		return fmt.Sprintf("%s is signed by a CA that is not %s", which, t.vouchers())
	}
	return fmt.Sprintf("%s is not accepted: %s", which, cut(v.Err.Error()))
}

func particulars(cert *x509.Certificate) string {
	return fmt.Sprintf("(subject %q, issued by %q, %s)", cut(cert.Subject.String()), cut(cert.Issuer.String()), validity(cert))
}

// names lists the names that a server's certificate is for. Its CN doesn't count.
func names(cert *x509.Certificate) string {
	const most = 5
	var all []string
	for _, name := range cert.DNSNames {
		all = append(all, fmt.Sprintf("%q", cut(name)))
	}
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return "no name at all (it has no subjectAltName, and its CN doesn't count)"
	case len(all) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}
