package dlm

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/transcripts.golden anew")

// transcript is one recorded call.
type transcript struct {
	N           int     `json:"n"`
	Case        string  `json:"case"`
	Method      string  `json:"method"`
	Path        string  `json:"path"`
	Status      int     `json:"status"` // 0: none, see transport_error
	ContentType *string `json:"content_type"`
	Body        string  `json:"body"` // of long ones the beginning
}

func readTranscripts(t testing.TB) []transcript {
	t.Helper()
	text, err := os.ReadFile("testdata/transcripts.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []transcript
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

var recordedLength = regexp.MustCompile(`^length (\d+)$`)

// name is the lock's name in the path, or whatever is in its place.
func (ts transcript) name() string {
	path, _, _ := strings.Cut(ts.Path, "?")
	_, rest, _ := strings.Cut(path, "/dlmlocks/")
	segment, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	if m := recordedLength.FindStringSubmatch(ts.Case); m != nil {
		n, _ := strconv.Atoi(m[1])
		return strings.Repeat(segment[:1], n) // the recording cuts long paths off
	}
	if name, err := url.PathUnescape(segment); err == nil {
		return name
	}
	return segment
}

// method is the one of the client's operation that gets the recorded answer.
func (ts transcript) method() string {
	if operations[ts.Method] == nil {
		return http.MethodGet
	}
	return ts.Method
}

// ask gives the recorded answer to the client's operation.
func (ts transcript) ask(t *testing.T) (Lock, error) {
	header := map[string]string{}
	if ts.ContentType != nil {
		header["Content-Type"] = *ts.ContentType
	}
	c := clientOf(saying(ts.Status, header, ts.Body))
	c.retries = 0
	return operations[ts.method()](c, t.Context(), ts.name())
}

// line is the transcript and what the client made of it.
func (ts transcript) line(outcome string) string {
	name := strings.Trim(strconv.Quote(ts.name()), `"`)
	if len(name) > 40 {
		name = name[:37] + "..."
	}
	return fmt.Sprintf("%03d %s %03d %s -> %s\n", ts.N, ts.Method, ts.Status, name, outcome)
}

func outcome(t *testing.T, method string, lock Lock, err error) string {
	switch {
	case err != nil:
		return kind(t, err).Error()
	case method == http.MethodPut:
		return "claimed"
	case method == http.MethodDelete:
		return "released"
	}
	text := "free"
	if lock.Holder != "" {
		text = "held by " + lock.Holder
	}
	if lock.Self {
		text += ", this host"
	}
	if !lock.Enabled {
		text += ", disabled"
	}
	return text + ", changed " + lock.Updated.Format("15:04:05")
}

// TestTranscripts gives the client every recorded answer. The golden file shows what it makes of them; the rules of
// wanted keep an -update from blessing nonsense.
func TestTranscripts(t *testing.T) {
	const golden = "testdata/transcripts.golden"
	var got bytes.Buffer
	transcripts := readTranscripts(t)
	for _, ts := range transcripts {
		if ts.Status == 0 {
			got.WriteString(ts.line("no answer: see TestHandshake and TestFaults"))
			continue
		}
		lock, err := ts.ask(t)
		got.WriteString(ts.line(outcome(t, ts.method(), lock, err)))
		wantLock, wantErr := wanted(ts)
		if diff := cmp.Diff(wantLock, view(lock)); diff != "" || kind(t, err) != wantErr {
			t.Errorf("#%d %s: %v, want %v; lock (-want +got):\n%s", ts.N, ts.Case, err, wantErr, diff)
		}
	}
	if len(transcripts) != 257 {
		t.Errorf("%d transcripts, want 257", len(transcripts))
	}
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// shown is what a GET says about a lock, by the names of the API.
type shown struct {
	Name, Holder  string
	Enabled, Self bool
}

func view(l Lock) shown { return shown{l.Name, l.Holder, l.Enabled, l.Self} }

// wanted is the result that the recorded answer must have, by the contract of the API alone.
func wanted(ts transcript) (shown, error) {
	var body map[string]any
	if json.Unmarshal([]byte(ts.Body), &body) != nil {
		body = nil
	}
	switch ts.Status {
	case 200:
		return wantedLock(ts, body)
	case 401, 403:
		return shown{}, ErrRefused
	case 404:
		object, _ := body["error"].(map[string]any)
		if message, _ := object["message"].(string); strings.HasPrefix(message, "Resource dlmlock not found by id") {
			return shown{}, ErrNoLock
		}
		return shown{}, ErrWrongURL
	case 412:
		return shown{}, ErrNotNow
	case 400, 414, 415:
		if body == nil { // from the web server, or before Foreman looks at the request
			return shown{}, ErrNotForeman
		}
		return shown{}, ErrRejected
	case 500, 503:
		return shown{}, ErrUnavailable
	case 304: // to a question that the client never asks
		return shown{}, ErrNotForeman
	}
	return shown{}, nil
}

// wantedLock is for status 200. An answer to PUT and DELETE shows the lock too, but only Show returns it.
func wantedLock(ts transcript, body map[string]any) (shown, error) {
	holder, told := body["host"]
	if body["name"] != ts.name() || !told {
		return shown{}, ErrNotForeman
	}
	host, held := holder.(map[string]any)
	if ts.method() != http.MethodGet {
		if ts.method() == http.MethodPut && !held {
			return shown{}, ErrDuplicate
		}
		return shown{}, nil
	}
	lock := shown{Name: ts.name(), Enabled: body["enabled"].(bool)}
	if held {
		self, told := host["self"].(bool)
		if !told { // a user's GET
			return shown{}, ErrNotForeman
		}
		lock.Holder, lock.Self = host["name"].(string), self
	}
	return lock, nil
}
