package mtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
	"time"
)

// Why a try got no answer. Compare with errors.Is.
var (
	// ErrNoAnswer: the network failed, or the server, or the try took too long. It proves nothing: the server may have
	// carried out the request.
	ErrNoAnswer = errors.New("no answer")
	// ErrNotTLS: the server doesn't speak TLS.
	ErrNotTLS = errors.New("no TLS")
	// ErrUntrusted: the server can't prove that it is the right one, or agrees to no TLS version or cipher of ours.
	ErrUntrusted = errors.New("server not trusted")
	// ErrRefused: the server refuses the client's certificate.
	ErrRefused = errors.New("certificate refused")
	// ErrCredentials: the client's own key, certificate or CA file can't be used.
	ErrCredentials = errors.New("unusable key or certificate file")
)

// Error says why a try got no answer. It wraps one of the sentinels above, and the cause.
type Error struct {
	Kind   error  // one of the sentinels above
	Detail string // what was wrong, and with what; it can hold any characters
	Err    error
}

// Error is one line of printable characters, whatever a server put into its certificate.
func (e *Error) Error() string { return printable(e.Detail) }

func (e *Error) Unwrap() []error { return []error{e.Kind, e.Err} }

// explain says why there is no answer. An error that is not known to be definite counts as ErrNoAnswer.
func (c *Client) explain(err error) *Error {
	because := func(kind error, detail string) *Error { return &Error{kind, detail, err} }
	var (
		verification *tls.CertificateVerificationError
		handshake    *handshakeError
		record       tls.RecordHeaderError
		op           *net.OpError
	)
	shaking := errors.As(err, &handshake)
	switch alert, text := remoteAlert(err); {
	case errors.Is(err, ErrCredentials):
		return because(ErrCredentials, err.Error())
	case errors.As(err, &verification):
		return because(ErrUntrusted, c.untrusted(verification))
	case certificateAlerts[alert]:
		return because(ErrRefused, fmt.Sprintf("%s refuses this host's certificate (TLS alert: %s); presented was %s",
			c.words.WebServer, text, c.files.Presented()))
	case text != "" && shaking && alert != alertInternalError:
		return because(ErrUntrusted, fmt.Sprintf("the server breaks off the TLS handshake (alert: %s): perhaps it and "+
			"this host share no TLS version or cipher", text))
	case text != "":
		return because(ErrNoAnswer, fmt.Sprintf("the server breaks off TLS (alert: %s)", text))
	case shaking && errors.As(err, &record):
		return because(ErrNotTLS, fmt.Sprintf("the server at %s doesn't speak TLS: it began with %q", c.words.URLKey,
			record.RecordHeader))
	case shaking && disconnected(err):
		return because(ErrNoAnswer, fmt.Sprintf("the server closed the connection in the TLS handshake (%s)", reason(err)))
	case shaking:
		return because(ErrUntrusted, fmt.Sprintf("TLS with the server fails: %s",
			cut(strings.TrimPrefix(err.Error(), "tls: "))))
	case errors.As(err, &op) && op.Op == "dial" && op.Addr != nil:
		return because(ErrNoAnswer, fmt.Sprintf("no connection to %s at %s: %s", c.words.Server, op.Addr, reason(err)))
	case errors.As(err, &op) && op.Op == "dial":
		return because(ErrNoAnswer, fmt.Sprintf("no connection to %s: %s", c.words.Server, reason(err)))
	}
	return because(ErrNoAnswer, fmt.Sprintf("the connection was lost before the whole answer had come: %s", reason(err)))
}

// untrusted says why the server's certificate is not accepted.
func (c *Client) untrusted(v *tls.CertificateVerificationError) string {
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
		return fmt.Sprintf("%s is for another name: it is for %s, %s says %q", which, names(cert), c.words.URLKey,
			cut(hostname.Host))
	case errors.As(v.Err, &invalid) && invalid.Reason == x509.Expired:
		if invalid.Cert != nil && !invalid.Cert.Equal(cert) {
			which = "the server's certificate is signed by a CA whose certificate " + particulars(invalid.Cert)
		}
		return fmt.Sprintf("%s is not valid now, which is %s by this host's clock", which, day(time.Now()))
	case errors.As(v.Err, &authority):
		return fmt.Sprintf("%s is signed by a CA that is not %s", which, c.files.authorities())
	}
	return fmt.Sprintf("%s is not accepted: %s", which, cut(v.Err.Error()))
}

// reason is a network error without the text that package net puts before it: the operation, twice, and both addresses.
func reason(err error) string {
	var op *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		err = call.Err
	case errors.As(err, &op):
		err = op.Err
	}
	return cut(err.Error())
}

// handshakeError marks an error of the TLS handshake, many of which have no type of their own.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// disconnected reports whether the network ended the connection, not TLS.
func disconnected(err error) bool {
	var network net.Error // timeouts above all
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// TLS alerts, by their numbers in RFC 8446, section 6.2 (and RFC 5246, section 7.2).
const alertInternalError = 80

// certificateAlerts are the alerts with which a server refuses the client's certificate.
var certificateAlerts = map[uint64]bool{
	42:  true, // bad_certificate
	43:  true, // unsupported_certificate
	44:  true, // certificate_revoked
	45:  true, // certificate_expired
	46:  true, // certificate_unknown
	48:  true, // unknown_ca
	49:  true, // access_denied
	51:  true, // decrypt_error: what OpenSSL says if the CA was made anew under its old name (statem_lib.c, x509table)
	116: true, // certificate_required
}

// remoteAlert finds the TLS alert that the server sent, and its text; the text is empty if there is none. With TLS 1.3
// a client's certificate is refused only after the request was written, so the alert can come instead of an answer.
// crypto/tls has no exported type for it on a TCP connection; its number is an unsigned integer in a
// *net.OpError "remote error".
func remoteAlert(err error) (number uint64, text string) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" {
		return 0, ""
	}
	value := reflect.ValueOf(op.Err)
	if value.Kind() != reflect.Uint8 {
		return 0, ""
	}
	return value.Uint(), strings.TrimPrefix(op.Err.Error(), "tls: ")
}
