package dlm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
)

// transport classifies the lack of an answer. Whatever is not known to be definite proves nothing.
func (e *Error) transport(err error, files TLS) *Error {
	e.Err, e.Kind = err, ErrUnavailable
	var (
		interrupted  *interruption
		verification *tls.CertificateVerificationError
		handshake    *handshakeError
		record       tls.RecordHeaderError
		op           *net.OpError
	)
	shaking := errors.As(err, &handshake)
	switch alert, text := remoteAlert(err); {
	case errors.As(err, &interrupted):
		e.Detail = interrupted.detail
	case errors.Is(err, ErrCredentials):
		e.Kind, e.Detail = ErrCredentials, err.Error()
	case errors.As(err, &verification):
		e.Kind, e.Detail = ErrUntrusted, files.untrusted(verification)
	case certificateAlerts[alert]:
		e.Kind = ErrRefused
		e.Detail = fmt.Sprintf("Foreman's web server refuses this host's certificate (TLS alert: %s); presented was %s", text, files.describe())
	case text != "" && shaking && alert != alertInternalError:
		e.Kind = ErrUntrusted
		e.Detail = fmt.Sprintf("the server breaks off the TLS handshake (alert: %s): perhaps it and this host share no TLS version or cipher", text)
	case text != "":
		e.Detail = fmt.Sprintf("the server breaks off TLS (alert: %s)", text)
	case shaking && errors.As(err, &record):
		e.Kind = ErrWrongURL
		e.Detail = fmt.Sprintf("the server at foreman_url doesn't speak TLS: it began with %q", record.RecordHeader)
	case shaking && disconnected(err):
		e.Detail = fmt.Sprintf("the server closed the connection in the TLS handshake (%s)", reason(err))
	case shaking:
		e.Kind, e.Detail = ErrUntrusted, fmt.Sprintf("TLS with the server fails: %s", cut(strings.TrimPrefix(err.Error(), "tls: ")))
	case errors.As(err, &op) && op.Op == "dial" && op.Addr != nil:
		e.Detail = fmt.Sprintf("no connection to Foreman at %s: %s", op.Addr, reason(err))
	case errors.As(err, &op) && op.Op == "dial":
		e.Detail = fmt.Sprintf("no connection to Foreman: %s", reason(err))
	default:
		e.Detail = fmt.Sprintf("the connection was lost before the whole answer had come: %s", reason(err))
	}
	return e
}

// reason is an error of the network without what package net puts before it: the operation, twice, and both addresses.
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

// interruption is a try that was given up before its end.
type interruption struct {
	detail string
	err    error
}

func (e *interruption) Error() string { return e.detail }
func (e *interruption) Unwrap() error { return e.err }

// progress knows how far a try has come.
type progress struct{ at atomic.Pointer[string] }

func (p *progress) String() string { return *p.at.Load() }

// watch follows the try that is made with the context it returns.
func (p *progress) watch(ctx context.Context) context.Context {
	now := func(what string) { p.at.Store(&what) }
	now("waiting for the answer") // all that a transport without trace lets one know
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart:             func(httptrace.DNSStartInfo) { now("looking up the server's address") },
		ConnectStart:         func(string, string) { now("connecting") },
		TLSHandshakeStart:    func() { now("waiting for the server in the TLS handshake") },
		GotConn:              func(httptrace.GotConnInfo) { now("waiting for the answer") },
		GotFirstResponseByte: func() { now("reading the answer") },
	})
}

// handshakeError marks an error of the TLS handshake, many of which have no type of their own.
type handshakeError struct{ error }

func (e *handshakeError) Unwrap() error { return e.error }

// disconnected: the network's doing, not a matter of TLS.
func disconnected(err error) bool {
	var network net.Error // timeouts above all
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, context.Canceled) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
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
	51:  true, // decrypt_error: OpenSSL's for a CA that was made anew under its old name (statem_lib.c, x509table)
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
