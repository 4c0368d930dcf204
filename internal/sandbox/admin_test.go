package sandbox

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestAdmin covers the calls of an administrator that are not in the transcripts: mostly that the server says so.
func TestAdmin(t *testing.T) {
	s := New(Options{Hosts: []string{"a"}, AdminPassword: "secret"})
	s.SetHolder("web", "a")
	s.Duplicate("dup")
	tests := []struct {
		user, method, path, body string
		status                   int
	}{
		{"admin", "GET", "", "", 501},
		{"admin", "POST", "", `{"dlmlock":{"name":"new"}}`, 501},
		{"admin", "POST", "", `{"dlmlock":{"name":"new","type":"Other"}}`, 501},
		{"admin", "POST", "", `{"dlmlock":{"name":7,"type":"ForemanDlm::Dlmlock::Update"}}`, 501},
		{"admin", "POST", "", `[]`, 501},
		{"admin", "PUT", "/web", `{"dlmlock":{"enabled":"perhaps"}}`, 501},
		{"admin", "PUT", "/web", `{"dlmlock":{"host_id":7}}`, 501},
		{"admin", "PUT", "/web", `{"dlmlock":{"host_id":"a"}}`, 501},
		{"admin", "PUT", "/web", `[]`, 501},
		{"admin", "PUT", "/dup", `{"dlmlock":{"enabled":false}}`, 501},
		{"admin", "PUT", "/nosuch", `{}`, 404},
		{"admin", "DELETE", "/nosuch", "", 404},
		{"admin", "PUT", "/web", `{}`, 200},
		{"viewer", "PUT", "/web/lock", "", 403},
		{"nobody", "GET", "/web/lock", "", 401},
	}
	for _, tt := range tests {
		r, err := http.NewRequestWithContext(t.Context(), tt.method, "https://foreman.example.com/api/dlmlocks"+tt.path,
			strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth(tt.user, "secret")
		res, err := s.Transport("").RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != tt.status {
			t.Errorf("%s %s %s %s: %d, want %d", tt.user, tt.method, tt.path, tt.body, res.StatusCode, tt.status)
		}
	}
	if l, _ := s.Lock("web"); l.Holder != "a" || !l.Enabled {
		t.Errorf("changed: %+v", l)
	}

	closed := New(Options{})
	r, err := http.NewRequestWithContext(t.Context(), "GET", "https://foreman.example.com/api/dlmlocks/web", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("admin", "")
	res, err := closed.Transport("").RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 401 {
		t.Errorf("without AdminPassword: %d, want 401", res.StatusCode)
	}
}

// TestCreate is the call of docs/install.md that creates a lock.
func TestCreate(t *testing.T) {
	s := New(Options{AdminPassword: "secret"})
	s.SetHolder("db", "a")
	const held = `{"error":{"id":null,"errors":{"name":["has already been taken"]},` +
		`"full_messages":["Name has already been taken"]}}`
	tests := []struct {
		user, name string
		status     int
		says       string
	}{
		{"admin", " web ", 201,
			`"id":2,"host_id":null,"name":"web","enabled":true,"type":"ForemanDlm::Dlmlock::Update","host":null}`},
		{"admin", "web", 422, held},
		{"admin", "db", 422, held},
		{"admin", " ", 422, `"full_messages":["Name can't be blank"]`},
		{"viewer", "new", 403, `"missing_permissions":["create_dlmlocks"]`},
		{"nobody", "new", 401, "Unable to authenticate user"},
	}
	for _, tt := range tests {
		body := `{"dlmlock":{"name":"` + tt.name + `","type":"ForemanDlm::Dlmlock::Update"}}`
		r, err := http.NewRequestWithContext(t.Context(), "POST", "https://foreman.example.com/api/dlmlocks",
			strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.SetBasicAuth(tt.user, "secret")
		res, err := s.Transport("").RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != tt.status || !strings.Contains(string(text), tt.says) {
			t.Errorf("%s creates %q: %d %s, want %d and %s", tt.user, tt.name, res.StatusCode, text, tt.status, tt.says)
		}
	}
	if l, ok := s.Lock("web"); !ok || !l.Enabled || l.Holder != "" {
		t.Errorf("web: %+v, there %t", l, ok)
	}
	if _, ok := s.Lock("new"); ok {
		t.Error("a lock was created for a user without permission")
	}
}

// TestRestore: the events of a server are enough to go on from.
func TestRestore(t *testing.T) {
	before := New(Options{})
	before.SetHolder("web", "web1")
	before.SetHolder("web", "web2")
	before.SetEnabled("web", false)
	before.SetHolder("db", "web1")
	before.SetHolder("db", "")
	after := New(Options{})
	after.Restore(append(before.Events(), Event{Kind: "begin", Host: "web3", Lock: "db"}))
	for name, want := range map[string]Row{"web": {Holder: "web2"}, "db": {Enabled: true}} {
		if got, ok := after.Lock(name); !ok || got.Holder != want.Holder || got.Enabled != want.Enabled {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if n := len(after.Events()); n != 0 {
		t.Errorf("%d events were written", n)
	}
}
