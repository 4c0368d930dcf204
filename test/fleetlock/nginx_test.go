// Package fleetlock tests contrib/fleetlock/nginx.conf: a real nginx with this file, in front of the stand-in for
// airlock.
package fleetlock

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

// request is what a test sends.
type request struct {
	method, path, body string
	protocol           string // the header fleet-lock-protocol; "": without it
	chunked            bool   // without a Content-Length
}

const (
	take    = "/v1/pre-reboot"
	release = "/v1/steady-state"
)

// post is a request as hosts send it.
func post(path, body string) request { return request{"POST", path, body, "true", false} }

// params is the body of a request.
func params(id, group string) string {
	return `{"client_params":{"id":"` + id + `","group":"` + group + `"}}`
}

// answer is what came back, and what airlock saw of the request: "" if it did not reach it.
type answer struct {
	Status int
	Kind   string
	Seen   string // "CALL ID GROUP", "" if nginx answered by itself
}

// send sends a request with this certificate. A request that ends without an answer is an error.
func (s *site) send(t *testing.T, cert *tls.Certificate, r request) answer {
	t.Helper()
	var body io.Reader = strings.NewReader(r.body)
	if r.chunked {
		body = io.MultiReader(body)
	}
	out, err := http.NewRequest(r.method, "https://lock.example.com"+r.path, body)
	if err != nil {
		t.Fatal(err)
	}
	if r.protocol != "" {
		out.Header.Set("fleet-lock-protocol", r.protocol)
	}
	before := len(s.airlock.Requests())
	in, err := s.client(cert).Do(out)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Body.Close()
	text, err := io.ReadAll(in.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{Status: in.StatusCode}
	var message struct{ Kind string }
	if json.Unmarshal(text, &message) == nil {
		a.Kind = message.Kind
	}
	for _, seen := range s.airlock.Requests()[before:] {
		a.Seen += strings.TrimSpace(seen.Call + " " + seen.ID + " " + seen.Group)
	}
	return a
}

// client is a host with this certificate, or without one if it is nil.
func (s *site) client(cert *tls.Certificate) *http.Client {
	config := &tls.Config{
		RootCAs: s.ca.Pool(), MaxVersion: s.version,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if cert == nil {
				return &tls.Certificate{}, nil
			}
			return cert, nil
		},
	}
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", s.socket)
		},
		TLSClientConfig: config, DisableKeepAlives: true,
	}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (s *site) expect(t *testing.T, cert *tls.Certificate, r request, want answer) {
	t.Helper()
	if diff := cmp.Diff(want, s.send(t, cert, r)); diff != "" {
		t.Errorf("%s %s (-want +got):\n%s", r.method, r.path, diff)
	}
}

// TestWhoAsks: the certificate decides who asks, whatever the request says, and no other certificate gets through.
func TestWhoAsks(t *testing.T) {
	s := start(t)
	refused := answer{Status: 403, Kind: "certificate_refused"}
	for name, tt := range map[string]struct {
		cert *tls.Certificate
		want answer
	}{
		"a host": {s.issue(t, "web1.example.com", sandbox.IssueOptions{}),
			answer{200, "", "pre-reboot web1.example.com web"}},
		"none":           {nil, refused},
		"another CA's":   {stranger(t, "web1.example.com"), refused},
		"expired":        {s.issue(t, "old", sandbox.IssueOptions{Expired: true}), refused},
		"not yet valid":  {s.issue(t, "new", sandbox.IssueOptions{NotYet: true}), refused},
		"revoked":        {s.revoked, refused},
		"a quote":        {s.issue(t, `web1","group":"x`, sandbox.IssueOptions{}), refused},
		"a backslash":    {s.issue(t, `web1\`, sandbox.IssueOptions{}), refused},
		"a line end":     {s.issue(t, "web1\n", sandbox.IssueOptions{}), refused},
		"a comma":        {s.issue(t, "web1,OU=x", sandbox.IssueOptions{}), refused},
		"a space":        {s.issue(t, "web 1", sandbox.IssueOptions{}), refused},
		"an umlaut":      {s.issue(t, "wéb1", sandbox.IssueOptions{}), refused},
		"more than a CN": {s.issueFor(t, "web1", "example"), refused},
	} {
		for _, s.version = range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			t.Run(name+" "+tls.VersionName(s.version), func(t *testing.T) {
				s.expect(t, tt.cert, post(take, params("somebody", "web")), tt.want)
			})
		}
	}
}

// TestNobodyReleasesForAnother: not even by sending the id of the holder.
func TestNobodyReleasesForAnother(t *testing.T) {
	s := start(t)
	web1, web2 := s.issue(t, "web1", sandbox.IssueOptions{}), s.issue(t, "web2", sandbox.IssueOptions{})
	s.expect(t, web1, post(take, params("web1", "web")), answer{200, "", "pre-reboot web1 web"})
	s.expect(t, web2, post(release, params("web1", "web")), answer{200, "", "steady-state web2 web"})
	s.expect(t, web2, post(take, params("web1", "web")), answer{500, "failed_lock", "pre-reboot web2 web"})
	s.expect(t, web1, post(release, params("web1", "web")), answer{200, "", "steady-state web1 web"})
	s.expect(t, web2, post(take, params("web2", "web")), answer{200, "", "pre-reboot web2 web"})
}

// TestGroup: airlock gets the group of the request, or none.
func TestGroup(t *testing.T) {
	s := start(t)
	web1 := s.issue(t, "web1", sandbox.IssueOptions{})
	none := answer{400, "invalid_client_identity", "pre-reboot web1"}
	db := answer{200, "", "pre-reboot web1 db-1.x"}
	blanks := func(size int) string { return strings.Repeat(" ", size-len(params("web1", "db-1.x"))) }
	pretty := "{ \"client_params\" : {\n\t\"group\" :\r\n \"db-1.x\", \"id\": \"web1\" }\n}"
	for body, want := range map[string]answer{
		params("web1", "db-1.x"):                db,
		params(`\"group\":\"web\"`, "db-1.x"):   db,
		params("web1", "db-1.x") + blanks(1024): db,
		blanks(1024) + params("web1", "db-1.x"): db,
		params("web1", "db-1.x") + blanks(1025): {413, "", ""},
		pretty:                                  db,
		params("web1", "other"):                 {400, "unknown_group", "pre-reboot web1 other"},
		params("web1", ""):                      none,
		params("web1", "w_b"):                   none,
		params("web1", `web\"`):                 none,
		params("web1", "web\u00a0"):             none,
		"":                                      none,
		"group=web":                             none,
	} {
		for _, chunked := range []bool{false, true} {
			s.expect(t, web1, request{"POST", take, body, "true", chunked}, want)
		}
	}
}

// TestNothingElse: nginx refuses everything but the two calls by itself, and has no 200 of its own.
func TestNothingElse(t *testing.T) {
	s := start(t)
	web1 := s.issue(t, "web1", sandbox.IssueOptions{})
	body := params("web1", "web")
	for _, path := range []string{"/", "/index.html", "/v1", "/v1/", take + "/", take + "/x", "/web" + take,
		"/v2/pre-reboot", "/v1/pre-reboot.html", "/v1/PRE-REBOOT", "/v1/pre-reboot%0a", "/v1/x", "/metrics", "/@refused"} {
		s.expect(t, web1, post(path, body), answer{404, "", ""})
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "post"} {
		for _, path := range []string{take, release} {
			a := s.send(t, web1, request{method, path, body, "true", false})
			if a.Status < 400 || a.Seen != "" {
				t.Errorf("%s %s: %+v", method, path, a)
			}
		}
	}
	for _, header := range []string{"", "false"} {
		s.expect(t, web1, request{"POST", take, body, header, false},
			answer{400, "invalid_client_identity", "pre-reboot web1 web"})
	}
}

// TestAirlockAway: no answer of airlock's is no 200.
func TestAirlockAway(t *testing.T) {
	s := start(t)
	web1 := s.issue(t, "web1", sandbox.IssueOptions{})
	for _, kind := range []fleetsandbox.FaultKind{fleetsandbox.DropBefore, fleetsandbox.DropAfter} {
		s.airlock.Inject(fleetsandbox.Fault{Kind: kind, Times: 1})
		s.expect(t, web1, post(take, params("web1", "web")), answer{502, "", "pre-reboot web1 web"})
	}
	s.expect(t, web1, post(take, params("web1", "web")), answer{200, "", "pre-reboot web1 web"})
	s.running.Close()
	s.expect(t, web1, post(take, params("web1", "web")), answer{502, "", ""})
	s.expect(t, web1, post(release, params("web1", "web")), answer{502, "", ""})
}

// TestEachConnectionShowsItsCertificate: none is resumed, which would skip the list of revoked certificates.
func TestEachConnectionShowsItsCertificate(t *testing.T) {
	s := start(t)
	for _, s.version = range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := s.client(s.issue(t, "web1", sandbox.IssueOptions{}))
		c.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		for range 3 {
			a, err := c.Post("https://lock.example.com"+take, "", bytes.NewReader(nil))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, a.Body)
			a.Body.Close()
			if a.TLS.DidResume {
				t.Errorf("%s: a session was resumed", tls.VersionName(s.version))
			}
		}
	}
}

// TestLog: the log names each host that took or released a lock, or was refused.
func TestLog(t *testing.T) {
	s := start(t)
	s.send(t, s.issue(t, "web1", sandbox.IssueOptions{}), post(take, params("x", "web")))
	s.send(t, s.revoked, post(release, params("x", "web")))
	want := []string{"\"revoked\" \"\" /v1/steady-state 403\n", "\"web1\" \"web\" /v1/pre-reboot 200\n"}
	got := slices.Sorted(strings.Lines(s.stop(t))) // nginx logs a request after its answer, perhaps after the next one
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
