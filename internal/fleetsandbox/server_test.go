package fleetsandbox

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// raw is an answer before a client interprets it.
type raw struct {
	Err        error
	Status     int
	Type       string
	RetryAfter string
	Location   string
	Body       string
	After      time.Duration
}

const base = "https://fleetlock.example.com/some/prefix"

// call asks for the group "web" as a host with a certificate of this name; it gives up after ten seconds.
func call(t *testing.T, s *Server, id, call string) raw {
	t.Helper()
	return post(t, s.Transport(id), base+"/v1/"+call, `{"client_params":{"id":"`+id+`","group":"web"}}`)
}

func post(t *testing.T, rt http.RoundTripper, url, body string) raw {
	t.Helper()
	return send(t, rt, "POST", url, "true", body)
}

func send(t *testing.T, rt http.RoundTripper, method, url, protocol, body string) raw {
	t.Helper()
	start := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return raw{}
	}
	r.Header.Set("fleet-lock-protocol", protocol)
	res, err := rt.RoundTrip(r)
	out := raw{After: time.Since(start)}
	if err != nil {
		out.Err = err
		for _, known := range []error{io.EOF, context.DeadlineExceeded} {
			if errors.Is(err, known) {
				out.Err = known
			}
		}
		return out
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	out.Status, out.Body = res.StatusCode, string(text)
	out.Type, out.RetryAfter = res.Header.Get("Content-Type"), res.Header.Get("Retry-After")
	out.Location = res.Header.Get("Location")
	return out
}

// TestDialects is a day of two hosts, as each server answers it.
func TestDialects(t *testing.T) {
	const text = "text/plain; charset=utf-8"
	type answers struct{ taken, again, full, notHeld, released, unknown raw }
	fine := raw{Status: 200}
	said := func(status int, contentType, body string) raw {
		return raw{Status: status, Type: contentType, Body: body}
	}
	success := said(200, text, `{"kind":"success","value":"The operation was succesfull"}`)
	want := map[Dialect]answers{
		Airlock: {fine, fine, said(500, text, `{"kind":"failed_lock","value":"failed to lock semaphore: `+
			`all 1 semaphore slots currently locked"}`+"\n"), fine, fine,
			said(400, text, `{"kind":"unknown_group","value":"unknown group \"nosuch\""}`+"\n")},
		Poseidon: {said(200, text, "obtained reboot lease"), said(200, text, "retained reboot lease"),
			said(423, "application/json", `{"kind":"lock_held","value":"reboot lease lock unavailable, held by a"}`+"\n"),
			said(200, text, "reboot lease already unlocked"), said(200, text, "unlocked reboot lease for a"),
			said(200, text, "obtained reboot lease")},
		Heathcliff: {success, success, said(423, text, `{"kind":"all_slots_full","value":"Could not reserve a slot as all `+
			`slots in the group are currently locked already"}`), success, success,
			said(500, text, `{"kind":"error","value":"An unexpected error occured"}`)},
		Consul: {fine, fine, said(409, text, `{"kind":"failed_lock","value":"already locked: group web already locked `+
			`by a"}`+"\n"), fine, fine, fine},
	}
	for _, name := range Dialects() {
		t.Run(name, func(t *testing.T) {
			s := New(Options{Dialect: Dialect(name), Groups: map[string]int{"web": 1}})
			var got answers
			got.taken, got.again = call(t, s, "a", PreReboot), call(t, s, "a", PreReboot)
			got.full, got.notHeld = call(t, s, "b", PreReboot), call(t, s, "b", SteadyState)
			if diff := cmp.Diff([]string{"a"}, s.Holders("web")); diff != "" {
				t.Errorf("holders (-want +got):\n%s", diff)
			}
			got.released = call(t, s, "a", SteadyState)
			got.unknown = post(t, s.Transport(""), base+"/v1/pre-reboot", `{"client_params":{"id":"a","group":"nosuch"}}`)
			if diff := cmp.Diff(want[Dialect(name)], got, cmp.AllowUnexported(answers{}), ignoreAfter); diff != "" {
				t.Errorf("answers (-want +got):\n%s", diff)
			}
			s.Wait()
			if got := s.Holders("web"); len(got) > 0 {
				t.Errorf("held by %q after the release", got)
			}
		})
	}
}

var ignoreAfter = cmp.FilterPath(func(p cmp.Path) bool {
	return strings.HasSuffix(p.String(), "After") &&
		!strings.HasSuffix(p.String(), "RetryAfter")
}, cmp.Ignore())
