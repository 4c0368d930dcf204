package fleetsandbox

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEvents: what happens to slots is on record, with who asked for it.
func TestEvents(t *testing.T) {
	var recorded []Event
	s := New(Options{Slots: 2, Record: func(e Event) { recorded = append(recorded, e) }})
	call(t, s, "a", PreReboot)
	call(t, s, "a", PreReboot)
	call(t, s, "b", PreReboot)
	call(t, s, "c", PreReboot)
	call(t, s, "c", SteadyState)
	// Whoever knows an id can give its slot back.
	post(t, s.Transport("c"), base+"/v1/steady-state", `{"client_params":{"id":"a","group":"web"}}`)
	post(t, s.Transport(""), base+"/v1/pre-reboot", `{"client_params":{"id":"d","group":"web"}}`)
	s.Free("web", "b")
	s.Free("web", "nobody")
	const want = "acquire:a:a acquire:b:b release:a:c acquire:d: release:b:admin"
	if got := eventString(s); got != want {
		t.Errorf("events %q, want %q", got, want)
	}
	if diff := cmp.Diff(s.Events(), recorded); diff != "" {
		t.Errorf("events and Record differ:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"d"}, s.Holders("web")); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
	if recorded[0].Time.IsZero() || recorded[0].Group != "web" {
		t.Errorf("first event %+v", recorded[0])
	}
}

// TestEventJSON: a record has the names of a record of package sandbox.
func TestEventJSON(t *testing.T) {
	got, err := json.Marshal(Event{Kind: EventAcquire, Group: "web", ID: "a", By: "b"})
	const want = `{"time":"0001-01-01T00:00:00Z","kind":"acquire","lock":"web","host":"a","by":"b"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
}

// TestRestore: a server goes on where another ended, and writes no events for it.
func TestRestore(t *testing.T) {
	first := New(Options{Slots: 2})
	for _, id := range []string{"a", "b"} {
		call(t, first, id, PreReboot)
	}
	call(t, first, "a", SteadyState)
	s := New(Options{Slots: 2})
	events := append(first.Events(), Event{Kind: "begin", Group: "web", ID: "c"}, first.Events()[1])
	s.Restore(events)
	if diff := cmp.Diff([]string{"b"}, s.Holders("web")); diff != "" || len(s.Events()) > 0 {
		t.Errorf("%d events, holders (-want +got):\n%s", len(s.Events()), diff)
	}
	if got := call(t, s, "b", SteadyState); got.Status != 200 || len(s.Holders("web")) > 0 {
		t.Errorf("release of a restored slot: %+v", got)
	}
}

// TestRequests: the log of requests names the caller, the call, and the result.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answered []Request
		s := New(Options{Answered: func(r Request) { answered = append(answered, r) }})
		s.Inject(Fault{Kind: Delay, Delay: time.Second, Times: 1})
		call(t, s, "a", PreReboot)
		s.Inject(Fault{Kind: DropAfter, Times: 1})
		call(t, s, "b", SteadyState)
		send(t, s.Transport(""), "GET", base, "", "")
		got := s.Requests()
		for i := range got {
			got[i].Time = time.Time{}
		}
		want := []Request{
			{Method: "POST", Path: "/some/prefix/v1/pre-reboot", Call: PreReboot, Group: "web", ID: "a", CN: "a", Status: 200,
				Duration: time.Second},
			{Method: "POST", Path: "/some/prefix/v1/steady-state", Call: SteadyState, Group: "web", ID: "b", CN: "b"},
			{Method: "GET", Path: "/some/prefix", Status: 404},
		}
		if diff := cmp.Diff(want, got); diff != "" || len(answered) != 3 {
			t.Errorf("%d answered, requests (-want +got):\n%s", len(answered), diff)
		}
	})
}
