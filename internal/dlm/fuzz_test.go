package dlm

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/test/legible"
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
				legible.Line(t, err.Error())
				if kind(t, err); err.(*Error).RetryAfter > 5*time.Minute {
					t.Errorf("Retry-After %v", err.(*Error).RetryAfter)
				}
			case !ours, method == http.MethodPut && !held:
				t.Errorf("%s took %d %q for a yes", method, status, body)
			case method == http.MethodGet && (lock.Self != (host["self"] == true) || held != (lock.Holder != "")):
				t.Errorf("%q is shown as %+v", body, lock)
			}
			if err == nil {
				legible.Line(t, lock.Holder)
			}
		}
	})
}

// letters drops the parts that differ among answers of one kind.
func letters(r rune) rune {
	if r >= '0' && r <= '9' {
		return -1
	}
	return r
}
