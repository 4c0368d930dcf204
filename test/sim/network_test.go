package sim

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
)

// network carries the requests of one invocation to Foreman and its answers back: an http.RoundTripper.
type network struct{ *invocation }

// fate is what happens to one request.
type fate struct {
	there, back time.Duration
	name        string
	lostThere   bool
	lostBack    bool
	reset       time.Duration // when the client sees the connection break; 0: never
	again       time.Duration // when it arrives a second time, after the first; 0: never
	lag         time.Duration // the most that is left of its way once nobody waits for an answer any more
	status      int           // answered by somebody else than Foreman
	after       int           // the status that replaces Foreman's answer
	fault       fleetsandbox.Fault
}

// fate draws what happens to a request.
func (n network) fate(call, lock string) fate {
	r := n.rng
	way := func() time.Duration { return time.Millisecond + r.between(n.latency/4+1, 4*n.latency) }
	f := fate{there: way(), back: way(), lag: r.part(n.lag)}
	if n.isCalm() {
		return f
	}
	if n.plan.late && r.chance(0.2) {
		f.lag = r.part(5 * n.locks.Settle)
	}
	if n.asks.breaksItsPromise() && r.chance(0.3) {
		f.fault = n.ownFault(call)
		return f
	}
	if !r.chance(n.odds.network) && !(isFlag(lock) && r.chance(n.flags)) {
		return f
	}
	switch r.n(12) {
	case 0:
		f.name, f.lostThere = "request lost", true
	case 1:
		f.name, f.lostThere, f.reset = "connection breaks before it arrives", true, f.there
	case 2:
		f.name, f.lostBack = "answer lost", true
	case 3:
		f.name, f.lostBack, f.reset = "connection breaks before the answer", true, f.there+n.window*2+time.Millisecond
	case 4: // while it waits in a queue of a proxy, say
		f.name, f.reset, f.there = "connection breaks, and it arrives later", f.there, f.there+n.httpTimeout
	case 5:
		f.name, f.again = "arrives twice", time.Millisecond+r.part(n.lag)
	case 6:
		f.name, f.there = "slow to arrive", r.part(n.httpTimeout*5/4)
	case 7:
		f.name, f.back = "slow answer", r.part(n.httpTimeout*5/4)
	case 8:
		f.status = pick(r, 500, 502, 503, 503, 429)
	case 9:
		f.status = pick(r, 200, 302, 401, 404)
	default:
		if n.fleet != nil {
			f.fault = n.serverFault(call)
			return f
		}
		f.after = pick(r, 500, 500, 200)
	}
	return f
}

// RoundTrip returns as http.Transport does; what it has sent stays under way.
func (n network) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := n.step(req.Method); err != nil {
		return nil, err
	}
	call, lock := asksFor(req)
	f := n.fate(call, lock)
	n.count(f)
	n.note("%s %s sent%s", call, lock, f.told())
	n.sends(call)
	sent := time.Now()
	answers, gone := make(chan *http.Response, 1), make(chan struct{})
	n.actors.Go(func() { n.deliver(req, f, answers, gone) })
	defer close(gone)
	var breaks <-chan time.Time
	if f.reset > 0 {
		timer := time.NewTimer(f.reset)
		defer timer.Stop()
		breaks = timer.C
	}
	select {
	case <-n.dead:
		return nil, errDead
	case <-req.Context().Done():
		n.note("%s: given up", call)
		n.hears(call, sent, nil)
		return nil, req.Context().Err()
	case <-breaks:
		n.note("%s: connection broken", call)
		n.hears(call, sent, nil)
		return nil, fmt.Errorf("connection reset: %w", io.EOF)
	case res := <-answers:
		if err := n.step("hearing the answer to " + call); err != nil {
			return nil, err
		}
		n.note("%s: answered %d", call, res.StatusCode)
		n.hears(call, sent, res)
		return res, nil
	}
}

func (n network) count(f fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.requests++
	if f.told() != "" {
		n.spoiled++
	}
}

func (f fate) told() string {
	text := ""
	for _, part := range []string{f.name, status("answered by another with", f.status),
		status("the answer will be", f.after), string(f.fault.Kind)} {
		if part != "" {
			text += ": " + part
		}
	}
	return text
}

func status(what string, n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%s %d", what, n)
}

// deliver takes a request to the server, and its answer back.
func (n network) deliver(req *http.Request, f fate, answers chan<- *http.Response, gone <-chan struct{}) {
	lost := false // nobody waits for the answer
	arrives := time.Now().Add(f.there)
	since := arrives
	timer := time.NewTimer(f.there)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-gone:
		lost, since = true, time.Now()
		time.Sleep(min(time.Until(arrives), f.lag))
	}
	if f.lostThere {
		return
	}
	res := canned(f.status)
	if res == nil {
		res = n.ask(req, since, f.fault)
		if f.again > 0 && !lost {
			again := time.Now()
			n.actors.Go(func() {
				time.Sleep(f.again)
				call, _ := asksFor(req)
				n.world.note("network", "%s of %s arrives once more", call, n.name)
				n.ask(req, again, fleetsandbox.Fault{})
			})
		}
	}
	if f.after != 0 && res.StatusCode == http.StatusOK {
		res = canned(f.after)
	}
	if f.lostBack || lost {
		return
	}
	timer.Reset(f.back)
	select {
	case <-timer.C:
		answers <- res
	case <-gone:
	}
}

// ask hands a request to the server, which works on it whatever becomes of the client. It is late if it is written
// later than the settle time after since.
func (n network) ask(req *http.Request, since time.Time, f fleetsandbox.Fault) *http.Response {
	call, lock := asksFor(req)
	ctx, answered := n.arrives(n.name, call, lock, since)
	defer answered()
	if n.fleet != nil {
		return n.askFleet(ctx, req, f)
	}
	res, err := n.server.Transport(n.name).RoundTrip(
		(&http.Request{Method: req.Method, URL: req.URL, Header: req.Header}).WithContext(ctx))
	if err != nil {
		panic(err) // the server's faults are not used
	}
	n.processed(req.Method, res.StatusCode)
	return res
}

// processed counts what Foreman answered with 500 by itself; the server's faults are not used, so it is the callback
// without a host.
func (w *world) processed(method string, status int) {
	if method == http.MethodGet || status != http.StatusInternalServerError {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stumbled++
	w.noteLocked("foreman", "%s is answered 500: the lock was changed meanwhile", method)
}

// asksFor is the method and the lock in /api/dlmlocks/NAME/lock, or the call in /v1/CALL.
func asksFor(req *http.Request) (call, lock string) {
	if path.Base(path.Dir(req.URL.Path)) == "v1" {
		return path.Base(req.URL.Path), lockName
	}
	return req.Method, path.Base(path.Dir(req.URL.Path))
}

// canned is an answer that is not Foreman's to this request; nil for status 0.
func canned(status int) *http.Response {
	res := &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}}
	body := `{"error": {"message": "trouble"}}`
	switch status {
	case 0:
		return nil
	case http.StatusOK, http.StatusNotFound:
		body = "<html>a proxy's page</html>"
	case http.StatusFound:
		res.Header.Set("Location", "https://elsewhere.example.com/")
	case http.StatusTooManyRequests:
		res.Header.Set("Retry-After", "7")
	}
	res.Body = io.NopCloser(strings.NewReader(body))
	return res
}
