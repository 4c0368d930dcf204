package dlm

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/mtls"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// seen is a request as it arrived.
type seen struct {
	Proto, Method, URI, Host string
	Header                   http.Header
	Length                   int64
	Body                     string
}

// recorder keeps every request, and sets headers that would make a careless client say more the next time.
func recorder(into *[]seen) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*into = append(*into, seen{r.Proto, r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, string(body)})
		w.Header().Set("ETag", `W/"1"`)
		w.Header().Set("Set-Cookie", "session=1")
		host := `{"name":"a","self":true}`
		if r.Method == http.MethodDelete {
			host = "null"
		}
		fmt.Fprintf(w, `{"name":"a b?host_id=2","enabled":true,"host":%s}`, host)
	})
}

// TestRequests: everything that is sent, over a real connection to a server that would speak HTTP/2.
func TestRequests(t *testing.T) {
	var got []seen
	ca := newCA(t)
	server := httptest.NewUnstartedServer(recorder(&got))
	server.EnableHTTP2 = true
	url := startTLS(t, server, ca)
	c := networked(t, url+"/foreman/", issue(t, ca, "node1", sandbox.IssueOptions{}, ca))
	for _, method := range []string{"GET", "GET", "PUT", "DELETE"} {
		if _, err := operations[method](c, t.Context(), "a b?host_id=2"); err != nil {
			t.Fatal(err)
		}
	}
	sent := func(method string, more ...string) seen {
		h := http.Header{"Accept": {"application/json"}, "Accept-Language": {"en"}, "User-Agent": {"foreman-dlm-updater"}}
		for i := 0; i < len(more); i += 2 {
			h.Set(more[i], more[i+1])
		}
		const path = "/foreman/api/dlmlocks/a%20b%3Fhost_id=2/lock"
		return seen{"HTTP/1.1", method, path, strings.TrimPrefix(url, "https://"), h, 0, ""}
	}
	want := []seen{
		sent("GET"), sent("GET"), sent("PUT", "Content-Type", "application/json", "Content-Length", "0"), sent("DELETE"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// startTLS gives the server a certificate from ca, and asks for the client's.
func startTLS(t *testing.T, server *httptest.Server, ca *sandbox.CA) string {
	t.Helper()
	files := issue(t, ca, "server", sandbox.IssueOptions{Server: true, IPs: []net.IP{{127, 0, 0, 1}}}, ca)
	cert, err := tls.LoadX509KeyPair(files.Cert.Path, files.Key.Path)
	if err != nil {
		t.Fatal(err)
	}
	server.TLS = &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    ca.Pool(),
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// TestNoRedirects: none is followed, none turns a PUT into a GET, and the error says where it pointed.
func TestNoRedirects(t *testing.T) {
	const elsewhere = "https://other.example.com/api/dlmlocks/web/lock"
	locations := map[string]string{
		elsewhere:                 `points to "` + elsewhere + `", which is not followed`,
		"/users/login":            `points to "/users/login", which is not followed`,
		"https://[::1":            `points to "https://[::1", which is not followed`, // net/http can't parse it
		"%zz":                     `points to "%zz"`,
		"":                        `points to ""`,
		"\x1b[2J\"":               `points to "\x1b[2J\""`,
		strings.Repeat("x", 9999): strings.Repeat("x", 300) + `..."`,
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		for location, says := range locations {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				var got []string
				answer := saying(status, map[string]string{"Location": location}, "<html>")
				c := clientOf(roundTripper(func(r *http.Request) (*http.Response, error) {
					got = append(got, r.Method+" "+r.URL.Host)
					return answer.RoundTrip(r)
				}))
				expect(t, do(t.Context(), c, method), ErrWrongURL, fmt.Sprint(status), says,
					"put Foreman's own address into foreman_url")
				if diff := cmp.Diff([]string{method + " foreman.example.com"}, got); diff != "" {
					t.Errorf("%d %.30q: requests (-want +got):\n%s", status, location, diff)
				}
			}
		}
	}
}

// endless is a body that never ends, and counts how much is read.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	return copy(b, strings.Repeat("x", len(b))), nil
}
func (e *endless) Close() error { return nil }

// TestAnswerLimit: at most 1 MiB of an answer is read, whatever its status.
func TestAnswerLimit(t *testing.T) {
	for status, want := range map[int]error{
		200: ErrNotForeman, 302: ErrWrongURL, 401: ErrNotForeman, 412: ErrNotForeman, 500: ErrUnavailable,
	} {
		body := &endless{}
		c := clientOf(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: body, Header: http.Header{}}, nil
		}))
		c.retries = 0
		expect(t, do(t.Context(), c, "GET"), want)
		if body.read > mtls.MaxAnswer+64<<10 {
			t.Errorf("%d: %d bytes read", status, body.read)
		}
	}
}

// TestLongestAnswer: an answer of 1 MiB is accepted, a byte more is not.
func TestLongestAnswer(t *testing.T) {
	lock := `{"name":"web","enabled":true,"host":null}`
	longest := lock + strings.Repeat(" ", mtls.MaxAnswer-len(lock))
	_, err := clientOf(saying(200, nil, longest)).Show(t.Context(), "web")
	expect(t, err, nil)
	_, err = clientOf(saying(200, nil, longest+" ")).Show(t.Context(), "web")
	expect(t, err, ErrNotForeman, "longer than 1048576 bytes")
}

// TestLogShowsNoSecrets: the debug log has the request's id, cut to a sane length, and neither headers nor bodies.
func TestLogShowsNoSecrets(t *testing.T) {
	var text strings.Builder
	header := map[string]string{"X-Request-Id": "abc\x1b[2J" + strings.Repeat("x", 9999), "X-Other": "header-text"}
	c := New(Options{
		URL:       "https://foreman.example.com",
		Transport: saying(200, header, `{"name":"web","host":null,"x":"body-text"}`),
		Timeout:   time.Second,
		Log:       hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &text}),
	})
	expect(t, do(t.Context(), c, "GET"), nil)
	got := text.String()
	if !strings.Contains(got, "abc") || strings.ContainsAny(got, "\x1b") || len(got) > 1000 {
		t.Errorf("log: %q", got)
	}
	if strings.Contains(got, "-text") {
		t.Errorf("log with headers or the body: %q", got)
	}
}
