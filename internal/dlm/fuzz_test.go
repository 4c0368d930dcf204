package dlm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/sandbox"
)

// FuzzAnswer gives the client any answer at all.
func FuzzAnswer(f *testing.F) {
	known := map[string]bool{}
	for _, ts := range readTranscripts(f) {
		media := ""
		if ts.ContentType != nil {
			media = *ts.ContentType
		}
		body := strings.ReplaceAll(ts.Body, `"`+ts.name()+`"`, `"web"`)
		if shape := strings.Map(letters, body); !known[shape] { // one of each kind
			known[shape] = true
			f.Add(ts.Status, media, "", "", []byte(body))
		}
	}
	f.Add(302, "", "https://[::1", "", []byte("<html>"))
	f.Add(503, "", "", "Fri, 31 Dec 1999 23:59:59 GMT", []byte{0xff})
	f.Fuzz(func(t *testing.T, status int, media, location, retryAfter string, body []byte) {
		c := clientOf(roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: status,
				Header:     http.Header{"Content-Type": {media}, "Location": {location}, "Retry-After": {retryAfter}},
				Body:       io.NopCloser(bytes.NewReader(body)),
			}, nil
		}))
		c.retries = 0
		var object map[string]any
		ours := status == http.StatusOK && json.Unmarshal(body, &object) == nil && object["name"] == "web"
		host, held := object["host"].(map[string]any)
		for method, operation := range operations {
			lock, err := operation(c, t.Context(), "web")
			switch {
			case err != nil:
				legible(t, err.Error())
				if kind(t, err); err.(*Error).RetryAfter > maxRetryAfter {
					t.Errorf("Retry-After %v", err.(*Error).RetryAfter)
				}
			case !ours, method == http.MethodPut && !held:
				t.Errorf("%s took %d %q for a yes", method, status, body)
			case method == http.MethodGet && (lock.Self != (host["self"] == true) || held != (lock.Holder != "")):
				t.Errorf("%q is shown as %+v", body, lock)
			}
			if err == nil {
				legible(t, lock.Holder)
			}
		}
	})
}

// letters drops what differs among answers of one kind.
func letters(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}

// FuzzCredentials gives the client any files for its certificate, its key and its CA.
func FuzzCredentials(f *testing.F) {
	ca := newCA(f)
	good := issue(f, ca, "web1", sandbox.IssueOptions{}, ca)
	var text [3][]byte
	for i, path := range []string{good.Cert, good.Key, good.CA} {
		var err error
		if text[i], err = os.ReadFile(path); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(text[0], text[1], text[2])
	f.Add(text[1], text[0], []byte{})
	f.Add(text[0][:100], text[1], text[2])
	f.Add(text[0], []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), text[2])
	dir := f.TempDir()
	files := TLS{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), CA: filepath.Join(dir, "ca")}
	f.Fuzz(func(t *testing.T, cert, key, ca []byte) {
		err := errors.Join(os.WriteFile(files.Cert, cert, 0o600), os.WriteFile(files.Key, key, 0o600), os.WriteFile(files.CA, ca, 0o600))
		if err != nil {
			t.Fatal(err)
		}
		pair, roots, err := files.Load()
		switch {
		case err != nil && (!errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), dir)):
			t.Errorf("%v names no file, or is of another kind", err)
		case err == nil && (pair.Leaf == nil || pair.PrivateKey == nil || roots == nil):
			t.Errorf("%+v, %v", pair, roots)
		}
		legible(t, (&Error{Op: "show lock", Detail: files.describe()}).Error())
	})
}
