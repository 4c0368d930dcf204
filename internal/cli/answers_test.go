package cli

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/mtls"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/hashicorp/go-hclog"
)

// oddly answers some of the requests, counted from 1, instead of the server.
type oddly struct {
	foreman http.RoundTripper
	odd     func(request int) (*http.Response, error) // nil, nil: ask the server
	n       int
}

func (o *oddly) RoundTrip(r *http.Request) (*http.Response, error) {
	o.n++
	if res, err := o.odd(o.n); res != nil || err != nil {
		return res, err
	}
	return o.foreman.RoundTrip(r)
}

// said is an answer of somebody else's.
func said(status int, body string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func failed(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

// TestOddAnswers: what one answer costs a host that waits for a lock which another holds, and one that has asked for
// nothing yet. The client asks once, without http_retries.
func TestOddAnswers(t *testing.T) {
	const name, me = "web", "web1"
	waits := error(nil)
	notYet := &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
	expired := &net.OpError{Op: "remote error", Err: tls.AlertError(45)}
	tests := []struct {
		name    string
		answer  func() (*http.Response, error)
		first   error // at the first look
		waiting error
	}{
		{"a page with 200", said(200, "<html>maintenance</html>"), waits, waits},
		{"a page with 403", said(403, "<html>maintenance</html>"), waits, waits},
		{"a page with 401", said(401, "<html>sign in</html>"), waits, waits},
		{"408", said(408, "<html>Request Timeout</html>"), waits, waits},
		{"503", said(503, "<html>"), waits, waits},
		{"a redirect", said(302, ""), waits, waits},
		{"no connection", failed(io.EOF), waits, waits},
		{"a server's certificate that is not valid yet, since the clock is not set", failed(notYet), waits, waits},
		{"no certificate", failed(fmt.Errorf("%w: %w", mtls.ErrCredentials, fs.ErrNotExist)), lock.ErrMisconfigured, waits},
		{"a key that does not fit", failed(fmt.Errorf("%w: the key does not fit", mtls.ErrCredentials)),
			lock.ErrMisconfigured, waits},
		{"a TLS alert: the certificate has expired", failed(expired), lock.ErrRefused, waits},
		{"Foreman's own 401", said(401, `{"error":{"message":"Unable to authenticate user "}}`),
			lock.ErrRefused, lock.ErrRefused},
		{"Foreman's own 403", said(403, `{"error":{"message":"Access denied"}}`), lock.ErrRefused, lock.ErrRefused},
	}
	for _, test := range tests {
		for when, odd := range map[string]struct {
			request int
			want    error
		}{"at the first look": {1, test.first}, "while it waits": {3, test.waiting}} {
			t.Run(test.name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					server := sandbox.New(sandbox.Options{})
					server.SetHolder(name, "web2")
					way := &oddly{foreman: server.Transport(me), odd: func(n int) (*http.Response, error) {
						switch n {
						case odd.request:
							return test.answer()
						case odd.request + 2:
							server.SetHolder(name, "")
						}
						return nil, nil
					}}
					client := dlm.New(dlm.Options{URL: "https://foreman.example.com", Timeout: 30 * time.Second,
						Log: hclog.NewNullLogger(), Transport: way})
					open := opener(client, foreman.Settings{Settle: 2 * time.Second, Pace: lock.Pace{RetryInterval: time.Minute}})
					l := open(name, lock.Options{})
					if err := l.Take(t.Context(), lock.Terms{Purpose: lock.ByHand}); !errors.Is(err, odd.want) {
						t.Errorf("got %v, want %v", err, odd.want)
					}
					if row, _ := server.Lock(name); (row.Holder == me) != (odd.want == waits) {
						t.Errorf("held by %q", row.Holder)
					}
					server.Wait()
				})
			})
		}
	}
}

// TestExitCodeOfARefusingPage: it is waited out; but a wait that ends with it says that this host is refused.
func TestExitCodeOfARefusingPage(t *testing.T) {
	for status, want := range map[int]int{400: exitRefused, 401: exitRefused, 403: exitRefused,
		408: exitFailed, 200: exitFailed} {
		err := fmt.Errorf("lock not had: %w", answer(t, &dlm.Error{Kind: dlm.ErrNotForeman, Status: status}))
		if got := exitCode(err); got != want {
			t.Errorf("%d: %d, want %d", status, got, want)
		}
	}
}
