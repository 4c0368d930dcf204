package fleetlock

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/mtls"
	"foreman-dlm-updater/test/legible"

	"github.com/hashicorp/go-hclog"
)

func response(r *http.Request, status int, media, body string) *http.Response {
	return &http.Response{StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Content-Type": {media}}}
}

// answered is a client of a server that always gives one answer.
func answered(answer func(*http.Request) *http.Response) *Client {
	return NewClient(ClientOptions{URL: "https://lock.example.com/web/", ID: func() (string, error) { return "me", nil },
		Files:   mtls.Files{Cert: mtls.File{ConfigKey: "client_crt"}},
		Timeout: time.Minute, Log: hclog.NewNullLogger(),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r), nil })})
}

// TestRequest is what the protocol wants.
func TestRequest(t *testing.T) {
	for call, send := range map[string]func(*Client, context.Context, string) error{
		"pre-reboot": (*Client).PreReboot, "steady-state": (*Client).SteadyState,
	} {
		c := answered(func(r *http.Request) *http.Response {
			body, _ := io.ReadAll(r.Body)
			if r.Method != "POST" || r.URL.String() != "https://lock.example.com/web/v1/"+call ||
				r.Header.Get("fleet-lock-protocol") != "true" || r.Header.Get("Content-Type") != "application/json" ||
				string(body) != `{"client_params":{"id":"me","group":"web"}}` {
				t.Errorf("%s %s %v %s", r.Method, r.URL, r.Header, body)
			}
			return response(r, 200, "", "")
		})
		if err := send(c, t.Context(), "web"); err != nil {
			t.Error(err)
		}
	}
}

// TestProbeIsNoCall: even a server that looks at neither the method (airlock) nor the path must not take it for one.
func TestProbeIsNoCall(t *testing.T) {
	c := answered(func(r *http.Request) *http.Response {
		if body, _ := io.ReadAll(r.Body); r.Method != "GET" || r.Header.Get("fleet-lock-protocol") != "" || len(body) > 0 {
			t.Errorf("%s %v %s", r.Method, r.Header, body)
		}
		return response(r, 400, "text/plain", `{"kind":"invalid_client_identity","value":"wrong header"}`)
	})
	if err := c.Probe(t.Context(), "web"); err != nil {
		t.Error(err)
	}
}

// TestProbeRefused: a proxy that refuses the certificate says so in JSON, as contrib/fleetlock/nginx.conf does.
func TestProbeRefused(t *testing.T) {
	for _, status := range []int{401, 403} {
		c := answered(func(r *http.Request) *http.Response {
			return response(r, status, "application/json", certificateRefused)
		})
		var e *lock.Error
		err := c.Probe(t.Context(), "web")
		if !errors.As(err, &e) || e.Meaning != lock.ErrRefused || !strings.Contains(err.Error(), "certificate: NONE") {
			t.Errorf("%d: %v", status, err)
		}
	}
}

// certificateRefused is what contrib/fleetlock/nginx.conf answers to a host without a certificate.
const certificateRefused = `{"kind":"certificate_refused","value":"certificate: NONE, id: "}`

// TestAnswers: what each answer means. The kinds and texts are those of the four servers, and what a proxy may say.
func TestAnswers(t *testing.T) {
	const page, plain, json = "text/html", "text/plain; charset=utf-8", "application/json"
	refused := func(certain bool) func(error) bool {
		return func(err error) bool {
			var r *Refusal
			return errors.As(err, &r) && r.Certain == certain
		}
	}
	means := func(meaning error, temporary bool) func(error) bool {
		return func(err error) bool {
			var e *lock.Error
			return errors.As(err, &e) && e.Meaning == meaning && e.Temporary == temporary && (e.Why != "") == temporary
		}
	}
	granted := func(err error) bool { return err == nil }
	//bad:FleetLock servers: status says
	tests := []struct {
		status        int
		media, body   string
		take, release func(error) bool
		says          string
	}{
		{200, "", "", granted, granted, ""},
		{200, json, `{"result":"ok"}`, granted, granted, ""},
		{200, page, "<html>Sign in</html>", means(lock.ErrMisconfigured, true), means(lock.ErrMisconfigured, true),
			`the FleetLock server answers 200 with a page, which no FleetLock server does (a proxy may have answered): ` +
				`"<html>Sign in</html>"`},
		{201, json, "", means(nil, true), means(nil, true), "answers 201 Created"},
		{202, json, "", means(lock.ErrUnavailable, true), means(lock.ErrUnavailable, true),
			"the FleetLock server answers 202 Accepted, which is no grant: perhaps it is still draining this host"},
		{204, json, "", means(nil, true), means(nil, true), "answers 204 No Content"},
		{302, page, "", means(lock.ErrMisconfigured, true), means(lock.ErrMisconfigured, true),
			`answers 302 Found and points to "", which is not followed: put the server's own address into fleetlock_url`},
		{400, plain, `{"kind":"unknown_group","value":"unknown group \"web\""}`, means(lock.ErrMisconfigured, false),
			means(lock.ErrMisconfigured, false), `the FleetLock server knows no group "web" (400 Bad Request, saying ` +
				`"unknown_group": "unknown group \"web\"")`},
		{400, plain, `{"kind":"invalid_client_identity","value":"empty client ID"}`, means(nil, true), means(nil, true),
			`answers 400 Bad Request, saying "invalid_client_identity": "empty client ID"`},
		{400, page, "<center>No required SSL certificate was sent</center>", means(lock.ErrRefused, true),
			means(lock.ErrRefused, true), "answers 400 Bad Request; presented was none (the key client_crt is not set)"},
		{401, page, "", means(lock.ErrRefused, true), means(lock.ErrRefused, true), "answers 401 Unauthorized; presented"},
		{403, page, "", means(lock.ErrRefused, true), means(lock.ErrRefused, true), "answers 403 Forbidden; presented was"},
		{404, page, "", means(lock.ErrMisconfigured, true), means(lock.ErrMisconfigured, true),
			"answers 404 Not Found for https://lock.example.com/web/v1/…: correct fleetlock_url"},
		{405, json, "", means(lock.ErrMisconfigured, true), means(lock.ErrMisconfigured, true), "answers 405 Method"},
		{409, "", "", refused(true), means(lock.ErrUnavailable, true), "409 Conflict"},
		{409, plain, `{"kind":"failed_lock","value":"already locked: group web already locked by a"}`, refused(true),
			means(lock.ErrUnavailable, true), "already locked by a"},
		{409, plain,
			`{"kind":"failed_lock","value":"context deadline exceeded"}`, refused(false), means(lock.ErrUnavailable, true),
			"context deadline exceeded"},
		{423, "", "", refused(true), means(nil, true), "423 Locked"},
		{423, json, `{"kind":"lock_held","value":"reboot lease held by a"}`, refused(true), granted,
			`reboot lease held by a`},
		{429, json, "", means(lock.ErrUnavailable, true), means(lock.ErrUnavailable, true), "answers 429 Too Many"},
		{500, plain, `{"kind":"failed_lock","value":"all 1 semaphore slots currently locked"}`, refused(true),
			means(lock.ErrUnavailable, true), "all 1 semaphore slots currently locked"},
		{500, plain, `{"kind":"failed_lock","value":"context deadline exceeded"}`, refused(false),
			means(lock.ErrUnavailable, true), "context deadline exceeded"},
		{500, plain, `{"kind":"failed_sem_init","value":"context deadline exceeded"}`, refused(false),
			means(lock.ErrUnavailable, true), "context deadline exceeded"},
		{500, page, "", means(lock.ErrUnavailable, true), means(lock.ErrUnavailable, true), "answers 500 Internal"},
		{502, page, "", means(lock.ErrUnavailable, true), means(lock.ErrUnavailable, true), "answers 502 Bad Gateway"},
		{503, json, `{"kind":"failed_lock"}`, means(lock.ErrUnavailable, true), means(lock.ErrUnavailable, true),
			`answers 503 Service Unavailable, saying "failed_lock"`},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%d %s", test.status, test.body), func(t *testing.T) {
			c := answered(func(r *http.Request) *http.Response { return response(r, test.status, test.media, test.body) })
			for call, right := range map[string]func(error) bool{"take": test.take, "release": test.release} {
				err := c.PreReboot(t.Context(), "web")
				if call == "release" {
					err = c.SteadyState(t.Context(), "web")
				}
				if !right(err) || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Errorf("%s: %#v\n%v", call, err, err)
				}
			}
		})
	}
}

// TestNoAnswer: each reason that package mtls gives has a meaning.
func TestNoAnswer(t *testing.T) {
	for kind, want := range map[error]lock.Error{
		mtls.ErrNoAnswer:    {Meaning: lock.ErrUnavailable, Temporary: true},
		mtls.ErrNotTLS:      {Meaning: lock.ErrMisconfigured, Temporary: true},
		mtls.ErrUntrusted:   {Meaning: lock.ErrRefused, Temporary: true},
		mtls.ErrRefused:     {Meaning: lock.ErrRefused, Renewing: true},
		mtls.ErrCredentials: {Meaning: lock.ErrMisconfigured, Renewing: true},
	} {
		var got *lock.Error
		errors.As(unanswered(&mtls.Error{Kind: kind, Detail: "odd", Err: errors.New("odd")}), &got)
		if got.Meaning != want.Meaning || got.Temporary != want.Temporary || got.Renewing != want.Renewing || got.Why == "" {
			t.Errorf("%v: %+v", kind, got)
		}
	}
}

// TestNoName: a host that can't say who it is asks for nothing.
func TestNoName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fleetsandbox.Options{})
		c := s.client("me")
		unnamed := &lock.Error{Meaning: lock.ErrMisconfigured, Err: errors.New("no name")}
		c.ID = func() (string, error) { return "", unnamed }
		if err := c.PreReboot(t.Context(), "web"); !errors.Is(err, unnamed) || len(s.server.Requests()) > 0 {
			t.Error(err)
		}
	})
}

// FuzzAnswer gives the client any answer at all: only status 200 is a grant, and messages are legible.
func FuzzAnswer(f *testing.F) {
	f.Add(200, "text/html", "", []byte("<html>"))
	f.Add(500, "text/plain", "", []byte(`{"kind":"failed_lock","value":"\u001b[2J"}`))
	f.Add(400, "application/json", "", []byte(`{"kind":"unknown_group","value":7}`))
	f.Add(302, "", "https://\x1b", []byte(nil))
	f.Fuzz(func(t *testing.T, status int, media, location string, body []byte) {
		c := answered(func(r *http.Request) *http.Response {
			res := response(r, status, media, string(body))
			res.Header.Set("Location", location)
			return res
		})
		for _, err := range []error{c.PreReboot(t.Context(), "web"), c.SteadyState(t.Context(), "web"),
			c.Probe(t.Context(), "web")} {
			if err == nil {
				if status != 200 && (status < 400 || status > 499) { // the probe hopes for a refusal
					t.Fatalf("%d is a yes", status)
				}
				continue
			}
			legible.Line(t, err.Error())
		}
		if err := c.PreReboot(t.Context(), "web"); err == nil && status != 200 {
			t.Errorf("%d is a grant", status)
		}
	})
}
