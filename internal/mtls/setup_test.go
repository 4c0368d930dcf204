package mtls

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// foreman are the words of Foreman's client: docs/bad-input.md quotes its messages.
var foreman = Words{
	Server:     "Foreman",
	WebServer:  "Foreman's web server",
	URLKey:     "foreman_url",
	TimeoutKey: "http_timeout",
}

// networked is a client over the network.
func networked(t testing.TB, files Files) *Client {
	t.Helper()
	c := New(Options{Files: files, Words: foreman, Timeout: time.Minute})
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// try sends a request without a body.
func try(ctx context.Context, t testing.TB, c *Client, method, url string) (*Answer, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Do(req)
}

// do is try for a test that only wants the error.
func do(t testing.TB, c *Client, method, url string) error {
	t.Helper()
	_, err := try(t.Context(), t, c, method, url)
	return err
}

// methods are those that lock servers use.
var methods = []string{"GET", "POST", "PUT", "DELETE"}

var sentinels = []error{ErrNoAnswer, ErrNotTLS, ErrUntrusted, ErrRefused, ErrCredentials}

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

// at are files with the keys of this program's configuration.
func at(cert, key, ca string) Files {
	return Files{File{"client_crt", cert}, File{"client_key", key}, File{"ca", ca}}
}

// issue makes a certificate and returns the files of a client that trusts trusted.
func issue(t testing.TB, issuer *sandbox.CA, cn string, o sandbox.IssueOptions, trusted *sandbox.CA) Files {
	t.Helper()
	cert, key, err := issuer.Issue(cn, o)
	if err != nil {
		t.Fatal(err)
	}
	return at(cert, key, trusted.File())
}

// write makes a file and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
