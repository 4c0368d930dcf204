package dlm

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/mtls"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

var (
	temporary = regexp.MustCompile(`/\S*/Test\S*?/\d+/`)
	instant   = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d UTC`)
	authority = regexp.MustCompile(`throw-away CA [0-9a-f]+`)
	endpoint  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
)

// plain replaces the parts that differ each time.
func plain(text string) string {
	text = temporary.ReplaceAllString(text, "DIR/")
	text = instant.ReplaceAllString(text, "DATE")
	text = authority.ReplaceAllString(text, "CA")
	return endpoint.ReplaceAllString(text, "ADDRESS")
}

// meeting is how a client reaches a server, and the result that its GET must have.
type meeting struct {
	name  string
	url   string
	files mtls.Files
	want  error
	says  string
}

func (m meeting) check(t *testing.T) {
	got := heard(t, do(t.Context(), networked(t, m.url, m.files), "GET"))
	if diff := cmp.Diff(m.says, plain(got.text)); diff != "" || got.kind != m.want {
		t.Errorf("%v, want %v (-want +got):\n%s", got.kind, m.want, diff)
	}
}

// presented is how a message names a client's certificate.
const presented = `; presented was client_crt DIR/node1.pem (CN "node1", issued by "CN=CA", valid DATE to DATE)`

// TestConnections: for each reason that package mtls gives for getting no answer, the whole message, over real
// connections. TestHandshake has all of these messages.
func TestConnections(t *testing.T) {
	ca, stranger := newCA(t), newCA(t)
	foreman := listen(t, sandbox.New(sandbox.Options{Hosts: []string{"node1"}}), ca)
	ours := issue(t, ca, "node1", sandbox.IssueOptions{}, ca)
	theirs := issue(t, stranger, "node1", sandbox.IssueOptions{}, ca)
	noTLS := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(noTLS.Close)
	closed := httptest.NewServer(nil)
	closed.Close()
	secure := func(url string) string { return strings.Replace(url, "http:", "https:", 1) }
	for _, m := range []meeting{
		{"ErrNoAnswer", secure(closed.URL), ours, ErrUnavailable,
			`show lock "web": no connection to Foreman at ADDRESS: connection refused`},
		{"ErrNotTLS", secure(noTLS.URL), ours, ErrWrongURL,
			`show lock "web": the server at foreman_url doesn't speak TLS: it began with "HTTP/"`},
		{"ErrUntrusted", foreman, at(ours.Cert.Path, ours.Key.Path, stranger.File()), ErrUntrusted,
			`show lock "web": the server's certificate (subject "CN=localhost", issued by "CN=CA", valid DATE to DATE) ` +
				`is signed by a CA that is not in the file of the key ca, DIR/ca.pem`},
		{"ErrRefused", foreman, theirs, ErrRefused, `show lock "web": Foreman's web server refuses this host's ` +
			`certificate (TLS alert: unknown certificate authority)` + presented},
		{"ErrCredentials", foreman, at(ours.Cert.Path, ours.Key.Path+"x", ca.File()), ErrCredentials,
			`show lock "web": unusable key or certificate file: client_key: open DIR/node1.keyx: no such file or directory`},
	} {
		t.Run(m.name, m.check)
	}
}

// TestUnknownName: Foreman accepts the certificate, but knows no host of its name.
func TestUnknownName(t *testing.T) {
	ca := newCA(t)
	foreman := listen(t, sandbox.New(sandbox.Options{Hosts: []string{"NODE1"}}), ca)
	//bad:Certificates and connections: name want says
	tests := []struct {
		name string
		want error
		says string
	}{
		{"our CN is unknown", ErrRefused,
			`show lock "web": Foreman refuses this host with 401 Unauthorized, saying "Unable to authenticate user"` +
				presented + `. Foreman knows a host by the CN of its certificate, in the same case, and has to trust the ` +
				`CA that issued it`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			meeting{tt.name, foreman, issue(t, ca, "node1", sandbox.IssueOptions{}, ca), tt.want, tt.says}.check(t)
		})
	}
}

// TestManyCallers: a client is safe for concurrent use.
func TestManyCallers(t *testing.T) {
	ca := newCA(t)
	s := sandbox.New(sandbox.Options{})
	c := networked(t, listen(t, s, ca), issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	s.SetHolder("web", "node1")
	var callers sync.WaitGroup
	for _, method := range []string{"GET", "PUT", "DELETE", "GET", "PUT", "DELETE"} {
		callers.Go(func() {
			for range 5 {
				if err := do(t.Context(), c, method); err != nil {
					t.Errorf("%s: %v", method, err)
				}
				c.Slowest()
			}
		})
	}
	callers.Wait()
}

// TestSlowest: all tries count, whatever their result.
func TestSlowest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{})
		s.SetHolder("web", "")
		c := clientOf(s.Transport("a"))
		for _, tt := range []struct {
			fault sandbox.Fault
			want  time.Duration
		}{
			{sandbox.Fault{Kind: sandbox.Delay}, 0},
			{sandbox.Fault{Kind: sandbox.Delay, Delay: 2 * time.Second}, 2 * time.Second},
			{sandbox.Fault{Kind: sandbox.Delay, Delay: time.Second}, 2 * time.Second},
			{sandbox.Fault{Kind: sandbox.DropAfter, Delay: 3 * time.Second}, 3 * time.Second},
			{sandbox.Fault{Kind: sandbox.HangBefore}, patience},
		} {
			tt.fault.Times = 1
			s.Inject(tt.fault)
			c.Acquire(t.Context(), "web") // what comes of it is another test's
			if got := c.Slowest(); got != tt.want {
				t.Errorf("after %v: %v, want %v", tt.fault.Kind, got, tt.want)
			}
		}
		s.Wait()
	})
}
