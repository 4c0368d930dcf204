package fleetsandbox

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

func newCA(t *testing.T) *sandbox.CA {
	t.Helper()
	ca, err := sandbox.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func start(t *testing.T, s *Server, ca *sandbox.CA) *sandbox.Running {
	t.Helper()
	run, err := s.Start(ca)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return run
}

// client trusts the CA, and has a certificate for cn from it, or none if cn is "".
func client(t *testing.T, ca *sandbox.CA, cn string) *http.Transport {
	t.Helper()
	conf := &tls.Config{RootCAs: ca.Pool()}
	if cn != "" {
		certFile, keyFile, err := ca.Issue(cn, sandbox.IssueOptions{})
		if err != nil {
			t.Fatal(err)
		}
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	tr := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// TestTLS: a client may connect with a certificate or without, and the record says which it had.
func TestTLS(t *testing.T) {
	ca := newCA(t)
	s := New(Options{Slots: 2})
	run := start(t, s, ca)
	for _, cn := range []string{"node1", ""} {
		got := post(t, client(t, ca, cn), run.URL+"/v1/pre-reboot", `{"client_params":{"id":"id-of-`+cn+`","group":"web"}}`)
		if got.Status != 200 {
			t.Errorf("%q: %+v", cn, got)
		}
	}
	if got, want := eventString(s), "acquire:id-of-node1:node1 acquire:id-of-:"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestPlain: without TLS nobody has a name.
func TestPlain(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Options{})
	run := sandbox.ServePlain(s, l, nil)
	defer run.Close()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	got := post(t, tr, run.URL+"/v1/pre-reboot", wantsWeb)
	if got.Status != 200 || !strings.HasPrefix(run.URL, "http://") {
		t.Errorf("%s: %+v", run.URL, got)
	}
	if got, want := eventString(s), "acquire:a:"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestNetworkFaults: the faults that cut or withhold an answer, over a real connection.
func TestNetworkFaults(t *testing.T) {
	ca := newCA(t)
	for _, tt := range []struct {
		kind    FaultKind
		err     string
		changed bool
	}{
		{DropBefore, "EOF", false},
		{DropAfter, "EOF", true},
		{HangBefore, "deadline exceeded", false},
		{HangAfter, "deadline exceeded", true},
	} {
		t.Run(string(tt.kind), func(t *testing.T) {
			s := New(Options{})
			run := start(t, s, ca)
			s.Inject(Fault{Kind: tt.kind, Times: 1})
			tr := client(t, ca, "a")
			tr.ResponseHeaderTimeout = 300 * time.Millisecond
			got := post(t, tr, run.URL+"/v1/pre-reboot", wantsWeb)
			if got.Err == nil || !strings.Contains(got.Err.Error(), tt.err) {
				t.Errorf("%+v, want error %q", got, tt.err)
			}
			if changed := len(s.Holders("web")) == 1; changed != tt.changed {
				t.Errorf("changed: %v, want %v", changed, tt.changed)
			}
		})
	}
}

// TestCloseEndsHanging: a closed server leaves no client waiting, and makes no late release.
func TestCloseEndsHanging(t *testing.T) {
	ca := newCA(t)
	arrived := make(chan struct{}, 3)
	s := New(Options{Answered: func(Request) { arrived <- struct{}{} }})
	run, err := s.Start(ca)
	if err != nil {
		t.Fatal(err)
	}
	s.Inject(Fault{Kind: EarlyRelease, Delay: time.Hour})
	s.Inject(Fault{Kind: HangAfter, ID: "b"})
	tr := client(t, ca, "a")
	post(t, tr, run.URL+"/v1/pre-reboot", wantsWeb)
	post(t, tr, run.URL+"/v1/steady-state", wantsWeb)
	<-arrived
	<-arrived
	hung := make(chan raw, 1)
	go func() {
		hung <- post(t, client(t, ca, "b"), run.URL+"/v1/pre-reboot", `{"client_params":{"id":"b","group":"web"}}`)
	}()
	<-arrived
	if err := run.Close(); err != nil {
		t.Error(err)
	}
	if got := <-hung; got.Err == nil {
		t.Errorf("the client got an answer: %+v", got)
	}
	s.Wait()
	if got, want := eventString(s), "acquire:a:a"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
}

// TestNeverTooMany: hosts that ask at once, over real connections, until each had a slot: never are more of them inside
// than there are slots. (fleetlock-consul lets several in; TestRaces shows it.)
func TestNeverTooMany(t *testing.T) {
	for _, d := range []Dialect{Airlock, Poseidon, Heathcliff} {
		for _, slots := range []int{1, 3} {
			if d.OneSlot() && slots > 1 {
				continue
			}
			t.Run(fmt.Sprintf("%s/%d", d, slots), func(t *testing.T) {
				t.Parallel()
				neverTooMany(t, d, slots)
			})
		}
	}
}

func neverTooMany(t *testing.T, d Dialect, slots int) {
	ca := newCA(t)
	s := New(Options{Dialect: d, Slots: slots,
		Window: func(context.Context, string, string, Gap) time.Duration { return rand.N(2 * time.Millisecond) }})
	run := start(t, s, ca)
	var inside atomic.Int64
	var all sync.WaitGroup
	for i := range 8 {
		id := fmt.Sprintf("node%d", i)
		tr := client(t, ca, id)
		body := `{"client_params":{"id":"` + id + `","group":"web"}}`
		all.Go(func() {
			for range 5 {
				insist(t, tr, run.URL+"/v1/pre-reboot", body)
				if n := inside.Add(1); n > int64(slots) {
					t.Errorf("%d hosts are inside", n)
				}
				insist(t, tr, run.URL+"/v1/pre-reboot", body) // meanwhile others may come in
				inside.Add(-1)
				insist(t, tr, run.URL+"/v1/steady-state", body)
			}
		})
	}
	all.Wait()
	if got := s.Holders("web"); len(got) > 0 {
		t.Errorf("held by %q at the end", got)
	}
}

// insist asks until it hears 200, or an answer fails to come.
func insist(t *testing.T, tr *http.Transport, url, body string) {
	t.Helper()
	for {
		switch got := post(t, tr, url, body); {
		case got.Err != nil:
			t.Error(got.Err)
			return
		case got.Status == http.StatusOK:
			return
		}
	}
}
