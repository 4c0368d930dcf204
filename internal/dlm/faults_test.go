package dlm

import (
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

// TestFaults checks what each operation of the client says to each fault of the stand-in.
func TestFaults(t *testing.T) {
	const (
		show, acquire, release = `show lock "web": `, `acquire lock "web": `, `release lock "web": `
		lost                   = "the connection was lost before the whole answer had come: " +
			"connection closed by the server: EOF"
		late    = "no answer within http_timeout (30s): it ran out while waiting for the answer"
		trouble = `Foreman answers 500 Internal Server Error, saying "Internal Server Error: ` +
			`the server was unable to finish the request. This may be caused by unavailability of some required service, ` +
			`incorrect API call or a server-side bug. There may be more information in the server's logs."`
		page = `the answer is not a lock (a proxy or another server may have answered): "<!DOCTYPE html>\n` +
			`<html><head><title>Sign in</title></head>\n<body><h1>Please sign in to the network</h1></body></html>"`
		points = `foreman_url answers 302 Found and points to "https://login.example.com/", which is not followed: ` +
			`put Foreman's own address into foreman_url`
		array = `the answer is not a lock (a proxy or another server may have answered): ` +
			`"[{\"created_at\":\"2000-01-01 00:00:00 UTC\",\"updated_at\":\"2000-01-01 00:00:00 UTC\",\"id\":1,\"host_id\":`
		huge = "the answer is longer than 1048576 bytes"
		down = "Foreman answers 503 Service Unavailable"
	)
	all := func(kind error, text string) map[string]verdict {
		return map[string]verdict{"GET": {kind, show + text}, "PUT": {kind, acquire + text}, "DELETE": {kind, release + text}}
	}
	fine := map[string]verdict{"GET": {}, "PUT": {}, "DELETE": {}}
	tests := []struct {
		fault sandbox.Fault
		want  map[string]verdict
	}{
		{sandbox.Fault{Kind: sandbox.Delay, Delay: time.Second}, fine},
		{sandbox.Fault{Kind: sandbox.DelayAnswer, Delay: time.Second}, fine},
		{sandbox.Fault{Kind: sandbox.Delay, Delay: time.Minute}, all(ErrUnavailable, late)},
		{sandbox.Fault{Kind: sandbox.DropBefore}, all(ErrUnavailable, lost)},
		{sandbox.Fault{Kind: sandbox.DropAfter}, all(ErrUnavailable, lost)},
		{sandbox.Fault{Kind: sandbox.HangBefore}, all(ErrUnavailable, late)},
		{sandbox.Fault{Kind: sandbox.HangAfter}, all(ErrUnavailable, late)},
		{sandbox.Fault{Kind: sandbox.ErrorBefore}, all(ErrUnavailable, trouble)},
		{sandbox.Fault{Kind: sandbox.ErrorAfter}, all(ErrUnavailable, trouble)},
		{sandbox.Fault{Kind: sandbox.ErrorBefore, Status: 500, Message: "connection to server failed:\n\tNo such file\n"},
			all(ErrUnavailable,
				`Foreman answers 500 Internal Server Error, saying "connection to server failed:\n\tNo such file"`)},
		{sandbox.Fault{Kind: sandbox.HTML}, all(ErrNotForeman, page)},
		{sandbox.Fault{Kind: sandbox.Redirect, Location: "https://login.example.com/"}, all(ErrWrongURL, points)},
		{sandbox.Fault{Kind: sandbox.WrongName}, all(ErrNotForeman, `the answer is about another lock, "web-other"`)},
		{sandbox.Fault{Kind: sandbox.NoHolder}, map[string]verdict{
			"GET": {}, "DELETE": {},
			"PUT": {ErrDuplicate, acquire + "Foreman said yes, but names no holder: it has two locks of this name"},
		}},
		{sandbox.Fault{Kind: sandbox.EmptyBody}, all(ErrNotForeman, "the answer is empty")},
		{sandbox.Fault{Kind: sandbox.JSONArray}, all(ErrNotForeman, array)},
		{sandbox.Fault{Kind: sandbox.Huge}, all(ErrNotForeman, huge)},
		{sandbox.Fault{Kind: sandbox.Unavailable}, all(ErrUnavailable, down)},
	}
	tried := map[string]bool{}
	for _, tt := range tests {
		tried[tt.fault.Kind.String()] = true
		for method, want := range tt.want {
			t.Run(tt.fault.Kind.String()+" "+method, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := sandbox.New(sandbox.Options{})
					s.SetHolder("web", "a")
					s.Inject(tt.fault)
					c := clientOf(s.Transport("a"))
					c.retries = 0
					got := heard(t, do(t.Context(), c, method))
					if tt.fault.Kind == sandbox.JSONArray { // the rest differs from operation to operation
						got.text = got.text[:min(len(got.text), len(want.text))]
					}
					if diff := cmp.Diff(want.text, got.text); diff != "" || got.kind != want.kind {
						t.Errorf("%v, want %v (-want +got):\n%s", got.kind, want.kind, diff)
					}
					s.Wait()
				})
			})
		}
	}
	for _, name := range sandbox.FaultKinds() {
		if !tried[name] {
			t.Errorf("fault %s is not tried", name)
		}
	}
}

// verdict is an error as a person sees it.
type verdict struct {
	kind error
	text string
}

func heard(t *testing.T, err error) verdict {
	t.Helper()
	if err == nil {
		return verdict{}
	}
	return verdict{kind(t, err), err.Error()}
}
