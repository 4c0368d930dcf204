package cli

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/workflow"

	"github.com/hashicorp/go-hclog"
)

// meanwhile is the way to the server, on which others act before and while the first request of a method is processed.
type meanwhile struct {
	http.RoundTripper
	method string
	act    func()
}

func (m *meanwhile) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == m.method && m.act != nil {
		m.act()
		m.act = nil
	}
	return m.RoundTripper.RoundTrip(r)
}

// TestContention: Foreman answers 500 to a change that it has made, because another host took or gave up the lock
// meanwhile. A look decides.
func TestContention(t *testing.T) {
	const lock, me, ms = "web", "web1", time.Millisecond
	type world struct {
		server *sandbox.Server
		work   *workflow.Workflow
	}
	later := func(w world, after time.Duration, holder string) {
		time.AfterFunc(after, func() { w.server.SetHolder(lock, holder) })
	}
	acquire := func(w world) error {
		_, err := w.work.TakeLock(context.Background(), workflow.ByHand{Name: lock})
		return err
	}
	release := func(w world) error { return w.work.ReleaseLock(context.Background(), lock, nil) }
	// web2 takes the free lock right before the PUT, and gives it up between Foreman's lookup and its check.
	comesAndGoes := func(w world) { w.server.SetHolder(lock, "web2"); later(w, 5*ms, "") }
	tests := []struct {
		name   string
		method string
		before string // the holder
		act    func(world)
		do     func(world) error
		error  string
		asked  string // each PUT and DELETE with its status
		holder string
	}{
		{"PUT, which took the lock", "PUT", "", comesAndGoes, acquire, "", "PUT 500", me},
		{"PUT, and then another host was given it", "PUT", "",
			func(w world) { comesAndGoes(w); later(w, 15*ms, "web3") }, acquire,
			"held by web3", "PUT 500", "web3"},
		{"PUT, and then it was freed", "PUT", "", func(w world) { comesAndGoes(w); later(w, 15*ms, "") }, acquire,
			"", "PUT 500, PUT 200", me},
		{"DELETE, and the next host has the lock", "DELETE", me, func(w world) { later(w, 15*ms, "web2") }, release,
			"", "DELETE 500", "web2"},
		{"DELETE, the next host had the lock, and it is this host's again", "DELETE", me, func(w world) {
			later(w, 15*ms, "web2")
			later(w, 25*ms, me)
		}, release, "", "DELETE 500, DELETE 200", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world{server: sandbox.New(sandbox.Options{
					Window: func(_ context.Context, _, _ string, gap sandbox.Gap) time.Duration {
						if gap == sandbox.BeforeWrite {
							return 0
						}
						return 10 * ms
					},
				})}
				way := &meanwhile{RoundTripper: w.server.Transport(me), method: test.method, act: func() { test.act(w) }}
				client := dlm.New(dlm.Options{URL: "https://foreman.example.com", Timeout: 30 * time.Second, Retries: 3,
					Log: hclog.NewNullLogger(), Transport: way})
				w.work = &workflow.Workflow{Settings: workflow.Settings{LockName: lock},
					OpenLock: opener(client, foreman.Settings{Settle: 2 * time.Second, Retries: 3}), Log: hclog.NewNullLogger()}
				w.server.SetHolder(lock, test.before)
				err := test.do(w)
				if err == nil != (test.error == "") || err != nil && !strings.Contains(err.Error(), test.error) {
					t.Errorf("got %v, want %q", err, test.error)
				}
				if got := changes(w.server); got != test.asked {
					t.Errorf("asked %q, want %q", got, test.asked)
				}
				if row, _ := w.server.Lock(lock); row.Holder != test.holder {
					t.Errorf("held by %q, want %q", row.Holder, test.holder)
				}
				w.server.Wait()
			})
		})
	}
}

// changes lists the requests of a server that were to change a lock.
func changes(server *sandbox.Server) string {
	var all []string
	for _, r := range server.Requests() {
		if r.Method != http.MethodGet {
			all = append(all, fmt.Sprintf("%s %d", r.Method, r.Status))
		}
	}
	return strings.Join(all, ", ")
}
