package fleetlock

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/lock"

	"github.com/hashicorp/go-hclog"
)

// replies is a network that gives these answers one after the other: the last one for ever.
type replies []func() (*http.Response, error)

func (a *replies) RoundTrip(r *http.Request) (*http.Response, error) {
	next := (*a)[0]
	if len(*a) > 1 {
		*a = (*a)[1:]
	}
	if r.Body != nil {
		r.Body.Close()
	}
	return next()
}

func says(status int, body string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func fails(err error) func() (*http.Response, error) {
	return func() (*http.Response, error) { return nil, err }
}

// TestUntaken: whoever certainly got nothing has nothing to give back; whoever may have got something is not sure.
func TestUntaken(t *testing.T) {
	unknown := says(400, `{"kind":"unknown_group","value":"unknown group \"web\""}`)
	refused := fails(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED})
	nobody := fails(&net.DNSError{Err: "no such host", Name: "fleetlock.example.com", IsNotFound: true})
	cut := fails(&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET})
	untrusted := fails(&tls.CertificateVerificationError{Err: errors.New("no")})
	barred := fails(&net.OpError{Op: "remote error", Err: tls.AlertError(48)})
	tests := []struct {
		name    string
		answers replies
		claimed bool
		want    bool
	}{
		{"unknown group", replies{unknown}, false, true},
		{"no connection", replies{refused}, false, true},
		{"no connection, then an unknown group", replies{refused, unknown}, false, true},
		{"no such name", replies{nobody}, false, true},
		{"a server of another CA", replies{untrusted}, false, true},
		{"our certificate is refused", replies{barred}, false, true},
		{"connection cut, then our certificate is refused", replies{cut, barred}, false, false},
		{"the proxy refuses our certificate", replies{says(403, certificateRefused)}, false, true},
		{"some proxy refuses us", replies{says(403, "")}, false, false},
		{"connection cut", replies{cut}, false, false},
		{"connection cut, then none", replies{cut, refused}, false, false},
		{"connection cut, then an unknown group", replies{cut, unknown}, false, false},
		{"202", replies{says(202, "")}, false, false},
		{"an earlier invocation asked", replies{unknown}, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := NewClient(ClientOptions{URL: "https://fleetlock.example.com", Timeout: time.Second, Retries: 1,
					ID: func() (string, error) { return "web1", nil }, Log: hclog.NewNullLogger(), Transport: &tt.answers})
				l := Open(api, Settings{Settle: time.Second}, hclog.NewNullLogger(), "web", lock.Options{Claimed: tt.claimed})
				if err := l.Take(t.Context(), lock.Terms{Purpose: lock.ByHandNow}); err == nil {
					t.Fatal("no error")
				}
				began := time.Now()
				if sure := l.Abandon(t.Context()); sure != tt.want || l.NotOurs() != tt.want {
					t.Errorf("sure %v, not ours %v, want %v", sure, l.NotOurs(), tt.want)
				}
				if tt.want && (l.Asked() || time.Since(began) > 0) {
					t.Errorf("asked %v, and gave back for %s", l.Asked(), time.Since(began))
				}
			})
		})
	}
}

// TestUntakenOnce: a claim that may be granted later counts, whatever comes after it.
func TestUntakenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &replies{fails(errors.New("EOF")), fails(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED})}
		api := NewClient(ClientOptions{URL: "https://fleetlock.example.com", Timeout: time.Second,
			ID: func() (string, error) { return "web1", nil }, Log: hclog.NewNullLogger(), Transport: way})
		l := Open(api, Settings{Settle: time.Second}, hclog.NewNullLogger(), "web", lock.Options{})
		for range 2 {
			_ = l.Take(t.Context(), lock.Terms{Purpose: lock.ByHandNow})
		}
		if l.NotOurs() || !l.Asked() {
			t.Errorf("not ours: %v, asked: %v", l.NotOurs(), l.Asked())
		}
	})
}
