package dlm

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/mtls"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/hashicorp/go-hclog"
)

const (
	patience = 30 * time.Second // http_timeout of clients whose Transport is not the network
	retries  = 3
)

// clientOf is a client that asks through rt.
func clientOf(rt http.RoundTripper) *Client {
	return asking(rt, 0)
}

// retrying is a client that asks again.
func retrying(rt http.RoundTripper) *Client {
	return asking(rt, retries)
}

func asking(rt http.RoundTripper, retries int) *Client {
	return New(Options{
		URL:       "https://foreman.example.com",
		Files:     at("/no/such.pem", "/no/such.key", ""),
		Timeout:   patience,
		Retries:   retries,
		Log:       hclog.NewNullLogger(),
		Transport: rt,
	})
}

// handled asks a handler, without a network between.
type handled struct{ http.Handler }

func (h handled) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

// saying answers every request with the same.
func saying(status int, header map[string]string, body string) http.RoundTripper {
	return handled{http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	})}
}

// operations are what a client can be asked for, by the method that it uses.
var operations = map[string]func(*Client, context.Context, string) (Lock, error){
	"GET":    (*Client).Show,
	"PUT":    func(c *Client, ctx context.Context, name string) (Lock, error) { return Lock{}, c.Acquire(ctx, name) },
	"DELETE": func(c *Client, ctx context.Context, name string) (Lock, error) { return Lock{}, c.Release(ctx, name) },
}

// do performs the operation that uses the method, on the lock "web".
func do(ctx context.Context, c *Client, method string) error {
	_, err := operations[method](c, ctx, "web")
	return err
}

// kind is the sentinel of an error. The test fails if there is not exactly one.
func kind(t *testing.T, err error) error {
	t.Helper()
	if err == nil {
		return nil
	}
	var found []error
	for _, sentinel := range sentinels {
		if errors.Is(err, sentinel) {
			found = append(found, sentinel)
		}
	}
	var e *Error
	if !errors.As(err, &e) || len(found) != 1 || found[0] != e.Kind {
		t.Fatalf("%v wraps %v; want an *Error with one of the sentinels", err, found)
	}
	return e.Kind
}

var sentinels = []error{
	ErrUnavailable, ErrNotNow, ErrNoLock, ErrDuplicate, ErrRefused, ErrUntrusted, ErrCredentials, ErrWrongURL,
	ErrNotForeman, ErrRejected,
}

// expect checks an error's kind, and that each of the texts is in its message.
func expect(t *testing.T, err, want error, texts ...string) {
	t.Helper()
	if got := kind(t, err); got != want {
		t.Fatalf("error %v; want %v", err, want)
	}
	for _, text := range texts {
		if err != nil && !strings.Contains(err.Error(), text) {
			t.Errorf("error\n\t%v\nlacks\n\t%s", err, text)
		}
	}
}

func newCA(t testing.TB) *sandbox.CA {
	t.Helper()
	ca, err := sandbox.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// at are files with the configuration's keys, as cli names them.
func at(cert, key, ca string) mtls.Files {
	return mtls.Files{
		Cert: mtls.File{ConfigKey: "client_crt", Path: cert},
		Key:  mtls.File{ConfigKey: "client_key", Path: key},
		CA:   mtls.File{ConfigKey: "ca", Path: ca},
	}
}

// issue makes a certificate and returns the files of a client that trusts trusted.
func issue(t testing.TB, issuer *sandbox.CA, cn string, o sandbox.IssueOptions, trusted *sandbox.CA) mtls.Files {
	t.Helper()
	cert, key, err := issuer.Issue(cn, o)
	if err != nil {
		t.Fatal(err)
	}
	return at(cert, key, trusted.File())
}

// listen starts the server on a free port of 127.0.0.1.
func listen(t testing.TB, s *sandbox.Server, ca *sandbox.CA) string {
	t.Helper()
	run, err := s.Start(ca)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close() })
	return run.URL
}

// networked is a client with real TLS.
func networked(t testing.TB, url string, files mtls.Files) *Client {
	t.Helper()
	c := New(Options{URL: url, Files: files, Timeout: time.Minute, Log: hclog.NewNullLogger()})
	t.Cleanup(c.https.CloseIdleConnections)
	return c
}

// asked are the methods and names of the requests that arrived at a server.
func asked(s *sandbox.Server) []string {
	var all []string
	for _, r := range s.Requests() {
		all = append(all, r.Method+" "+r.Name)
	}
	return all
}
