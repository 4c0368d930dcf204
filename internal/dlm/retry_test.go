package dlm

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

// trouble is every fault that may be gone at the next try.
var trouble = map[string]sandbox.Fault{
	"cut off before":  {Kind: sandbox.DropBefore},
	"cut off after":   {Kind: sandbox.DropAfter},
	"silent before":   {Kind: sandbox.HangBefore},
	"silent after":    {Kind: sandbox.HangAfter},
	"too slow":        {Kind: sandbox.Delay, Delay: patience + time.Second},
	"500":             {Kind: sandbox.ErrorBefore},
	"500 after":       {Kind: sandbox.ErrorAfter},
	"502":             {Kind: sandbox.ErrorBefore, Status: 502},
	"504":             {Kind: sandbox.ErrorBefore, Status: 504},
	"429":             {Kind: sandbox.ErrorBefore, Status: 429},
	"Foreman is down": {Kind: sandbox.Unavailable},
}

// gaps are the times between the end of a try and the beginning of the next.
func gaps(s *sandbox.Server, try time.Duration) []time.Duration {
	var all []time.Duration
	requests := s.Requests()
	for i := 1; i < len(requests); i++ {
		all = append(all, requests[i].Time.Sub(requests[i-1].Time)-try)
	}
	return all
}

// lasting is how long a try with this fault takes.
func lasting(f sandbox.Fault) time.Duration {
	if f.Kind == sandbox.HangBefore || f.Kind == sandbox.HangAfter || f.Delay > patience {
		return patience
	}
	return 0
}

// TestShowRetries: http_retries more tries, with growing waits between them, and no more.
func TestShowRetries(t *testing.T) {
	for name, fault := range trouble {
		for times, want := range map[int]error{1: nil, retries: nil, retries + 1: ErrUnavailable} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := sandbox.New(sandbox.Options{})
					s.SetHolder("web", "a")
					fault.Times = times
					s.Inject(fault)
					c := retrying(s.Transport("a"))
					_, err := c.Show(t.Context(), "web")
					expect(t, err, want)
					waits := gaps(s, lasting(fault))
					if len(waits) != min(times, retries) {
						t.Errorf("%d waits, want %d", len(waits), min(times, retries))
					}
					for i, wait := range waits {
						if full := firstBackoff << i; wait < full/2 || wait > full {
							t.Errorf("wait %d of %v, want between %v and %v", i, wait, full/2, full)
						}
					}
					s.Wait()
				})
			})
		}
	}
}

// TestChangesAreNotRepeated: whatever happens to a PUT or a DELETE, it is sent once.
func TestChangesAreNotRepeated(t *testing.T) {
	for name, fault := range trouble {
		for _, method := range []string{"PUT", "DELETE"} {
			t.Run(name+" "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := sandbox.New(sandbox.Options{})
					s.SetHolder("web", "a")
					s.Inject(fault)
					expect(t, do(t.Context(), retrying(s.Transport("a")), method), ErrUnavailable)
					if diff := cmp.Diff([]string{method + " web"}, asked(s)); diff != "" {
						t.Errorf("requests (-want +got):\n%s", diff)
					}
					s.Wait()
				})
			})
		}
	}
}

// TestWhatIsAskedAgain: trouble and odd answers, which may be gone the next time; definite errors are not.
func TestWhatIsAskedAgain(t *testing.T) {
	const page = "<html>maintenance</html>"
	message := func(text string) string { return `{"error":{"message":"` + text + `"}}` }
	tests := []struct {
		body  string
		all   []int
		tries int
	}{
		{page, []int{200, 204, 302, 304, 400, 401, 403, 404, 407, 408, 410, 412, 413, 415, 422, 429, 499, 500, 503},
			1 + retries},
		{message("Unable to authenticate user "), []int{401}, 1},
		{message("Access denied"), []int{403}, 1},
		{message("Resource dlmlock not found by id 'web'"), []int{404}, 1},
		{message("Precondition failed"), []int{412}, 1},
		{message("Media type"), []int{415}, 1},
		{message("Too slow"), []int{408, 409, 410, 425, 429, 451}, 1 + retries}, // not a status that Foreman gives
	}
	for _, tt := range tests {
		for _, status := range tt.all {
			synctest.Test(t, func(t *testing.T) {
				got := 0
				answer := saying(status, nil, tt.body)
				c := retrying(roundTripper(func(r *http.Request) (*http.Response, error) {
					got++
					return answer.RoundTrip(r)
				}))
				if _, err := c.Show(t.Context(), "web"); err == nil || got != tt.tries {
					t.Errorf("%d %s: %v after %d tries, want %d", status, tt.body, err, got, tt.tries)
				}
			})
		}
	}
}

// TestUntrustedIsAskedAgain: a certificate that is not valid yet becomes so once this host's clock is set.
func TestUntrustedIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{})
		s.SetHolder("web", "")
		foreman, tries := s.Transport("a"), 0
		c := retrying(roundTripper(func(r *http.Request) (*http.Response, error) {
			if tries++; tries <= retries {
				return nil, &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}
			}
			return foreman.RoundTrip(r)
		}))
		_, err := c.Show(t.Context(), "web")
		expect(t, err, nil)
	})
}

// TestRenewal: a key and a certificate that are written one after the other.
func TestRenewal(t *testing.T) {
	ca := newCA(t)
	files := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	old, err := os.ReadFile(files.Key.Path)
	if err != nil {
		t.Fatal(err)
	}
	renewed := issue(t, newCA(t), "node1", sandbox.IssueOptions{}, ca)
	key, err := os.ReadFile(renewed.Key.Path)
	if err != nil {
		t.Fatal(err)
	}
	server := sandbox.New(sandbox.Options{Hosts: []string{"node1"}})
	server.SetHolder("web", "")
	c := networked(t, listen(t, server, ca), files)
	c.retries = 1
	// Between the first try and the second, the right key comes back.
	if err := os.WriteFile(files.Key.Path, key, 0o600); err != nil {
		t.Fatal(err)
	}
	c.random = func(d time.Duration) time.Duration {
		if err := os.WriteFile(files.Key.Path, old, 0o600); err != nil {
			t.Error(err)
		}
		return d
	}
	_, err = c.Show(t.Context(), "web")
	expect(t, err, nil)
	if err := os.Remove(files.Key.Path); err != nil {
		t.Fatal(err)
	}
	c = networked(t, c.base, files) // without a connection
	c.retries = 1
	c.random = func(time.Duration) time.Duration { t.Error("asked again for a file that is not there"); return 0 }
	_, err = c.Show(t.Context(), "web")
	expect(t, err, ErrCredentials)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (rt roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return rt(r) }

// TestRetryAfter: the client waits as long as the server asks, up to 5 minutes; an unreadable header counts as none.
func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) func() string {
		return func() string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	}
	is := func(text string) func() string { return func() string { return text } }
	tests := []struct {
		name   string
		header func() string
		want   time.Duration // 0: the usual wait
	}{
		{"seconds", is("7"), 7 * time.Second},
		{"the most that is honoured", is("300"), 5 * time.Minute},
		{"more", is("301"), 5 * time.Minute},
		{"far more", is("99999999999999999999999"), 5 * time.Minute},
		{"a date", in(90 * time.Second), 90 * time.Second},
		{"a date far ahead", in(48 * time.Hour), 5 * time.Minute},
		{"a date in the past", in(-time.Hour), 0},
		{"none", is(""), 0},
		{"0", is("0"), 0},
		{"negative", is("-5"), 0},
		{"a fraction", is("1.5"), 0},
		{"words", is("later"), 0},
	}
	for _, tt := range tests {
		for _, kind := range []sandbox.FaultKind{sandbox.ErrorBefore, sandbox.Unavailable} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := sandbox.New(sandbox.Options{})
					s.SetHolder("web", "")
					s.Inject(sandbox.Fault{Kind: kind, Status: 429, RetryAfter: tt.header(), Times: 1})
					_, err := retrying(s.Transport("a")).Show(t.Context(), "web")
					expect(t, err, nil)
					wait := gaps(s, 0)[0]
					if tt.want != 0 && wait != tt.want || tt.want == 0 && wait > firstBackoff {
						t.Errorf("waited %v, want %v", wait, tt.want)
					}
				})
			})
		}
	}
}

// TestRetryAfterOfChanges: the caller gets the Retry-After of a PUT or DELETE, and has to wait itself.
func TestRetryAfterOfChanges(t *testing.T) {
	c := retrying(saying(503, map[string]string{"Retry-After": "1000"}, ""))
	err := c.Acquire(t.Context(), "web").(*Error)
	if err.RetryAfter != 5*time.Minute || err.Status != 503 {
		t.Errorf("%+v", err)
	}
}

// TestBackoff: waits differ from host to host, and stay within their bounds.
func TestBackoff(t *testing.T) {
	for try := range 70 {
		full := maxBackoff
		if try < 5 {
			full = firstBackoff << try
		}
		var seen []time.Duration
		for range 50 {
			wait := New(Options{}).backoff(try, ErrUnavailable)
			if wait < full/2 || wait > full {
				t.Errorf("try %d: %v, want between %v and %v", try, wait, full/2, full)
			}
			seen = append(seen, wait)
		}
		if slices.Min(seen) == slices.Max(seen) {
			t.Errorf("try %d: always %v", try, seen[0])
		}
	}
}

// TestCancelled: a request that its caller gives up ends at once, proves nothing, and is not tried again.
func TestCancelled(t *testing.T) {
	const at = 5 * time.Second
	silent, failing := sandbox.Fault{Kind: sandbox.HangAfter}, sandbox.Fault{Kind: sandbox.Unavailable, RetryAfter: "60"}
	tests := []struct {
		name   string
		method string
		fault  sandbox.Fault
		says   string
	}{
		{"GET under way", "GET", silent, `show lock "web": given up while waiting for the answer: `},
		{"PUT under way", "PUT", silent, `acquire lock "web": given up while waiting for the answer: `},
		{"DELETE under way", "DELETE", silent, `release lock "web": given up while waiting for the answer: `},
		{"GET between two tries", "GET", failing, `show lock "web": Foreman answers 503 Service Unavailable`},
	}
	for _, tt := range tests {
		for _, why := range []error{context.Canceled, context.DeadlineExceeded} {
			t.Run(tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := sandbox.New(sandbox.Options{})
					s.SetHolder("web", "a")
					s.Inject(tt.fault)
					began := time.Now()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					if why == context.DeadlineExceeded {
						ctx, cancel = context.WithTimeout(t.Context(), at)
						defer cancel()
					} else {
						time.AfterFunc(at, cancel)
					}
					expect(t, do(ctx, retrying(s.Transport("a")), tt.method), ErrUnavailable, tt.says)
					if took, n := time.Since(began), len(s.Requests()); took != at || n != 1 {
						t.Errorf("%v, %d requests; want %v and 1", took, n, at)
					}
				})
			})
		}
	}
}

// TestCancelledBefore: nothing is sent for a caller who has gone.
func TestCancelledBefore(t *testing.T) {
	s := sandbox.New(sandbox.Options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(context.Canceled)
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		expect(t, do(ctx, retrying(s.Transport("a")), method), ErrUnavailable, "context canceled")
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}
