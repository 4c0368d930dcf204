package fleetlock

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/mtls"

	"github.com/hashicorp/go-hclog"
)

// ClientOptions configure a Client.
type ClientOptions struct {
	URL   string // the server's address, with a path prefix if it has one
	Files mtls.Files
	// ID returns the name of this host at the server. It is called for each request: the name may be in a certificate that
	// is being renewed. The error is an *lock.Error.
	ID func() (string, error)
	// Timeout limits one whole try: connecting, sending, and reading the whole answer.
	Timeout time.Duration
	// Retries is how often a request is repeated that got no usable answer. Every request may be: asking twice for the
	// same, the server says the same.
	Retries int
	Log     hclog.Logger
	// Transport replaces the network; for tests.
	Transport http.RoundTripper
	// Pace gives random parts of a time; for a repeatable simulation.
	Pace lock.Pace
}

// Client talks to one FleetLock server (https://coreos.github.io/zincati/development/fleetlock/protocol/). Its methods
// are safe for concurrent use.
type Client struct {
	ClientOptions
	base  string
	https *mtls.Client

	mu      sync.Mutex
	slowest time.Duration
	gave    time.Time
}

// NewClient makes a client. It reads no file and opens no connection.
func NewClient(o ClientOptions) *Client {
	words := mtls.Words{Server: "the FleetLock server", WebServer: "the web server at fleetlock_url",
		URLKey: "fleetlock_url", TimeoutKey: "http_timeout"}
	return &Client{ClientOptions: o, base: strings.TrimRight(o.URL, "/"),
		https: mtls.New(mtls.Options{Files: o.Files, Words: words, Timeout: o.Timeout, Transport: o.Transport})}
}

// Refusal is the answer "not now": somebody else has the lock, or may have it.
type Refusal struct {
	Status int
	// Text is what the server said, in printable characters; it may name the holder. Empty: nothing.
	Text string
	// Certain: the server has looked, and this host does not hold the lock. Otherwise its store may have failed: airlock
	// answers 500 to everything.
	Certain bool
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("the FleetLock server says: not now (%s%s)", statusText(r.Status), said(r.Text))
}

// PreReboot asks for a lock, and repeats that after errors that may pass. nil: granted, now or before, and only that
// (status 200). The errors are *Refusal and *lock.Error. After any of them the server may still have granted the lock,
// or grant it later, unless the *lock.Error is in an *Untaken. The end of ctx does not cut a request short, since the
// server may grant it even if nobody waits for the answer; but it is not repeated then.
func (c *Client) PreReboot(ctx context.Context, group string) error {
	return c.repeat(ctx, "pre-reboot", group)
}

// SteadyState gives a lock back, and repeats that after errors that may pass. nil: this host does not hold the lock,
// or will not in a moment (axxapy/fleetlock-consul answers before it has released). Newer poseidon/fleetlock says 423
// if another host holds it, which comes to the same. The error is an *lock.Error.
func (c *Client) SteadyState(ctx context.Context, group string) error {
	defer func() {
		c.mu.Lock()
		c.gave = time.Now()
		c.mu.Unlock()
	}()
	return c.repeat(ctx, "steady-state", group)
}

func (c *Client) repeat(ctx context.Context, call, group string) error {
	var backoff time.Duration
	untaken, whole := true, ctx
	if call == "pre-reboot" {
		whole = context.WithoutCancel(ctx)
	}
	for try := 0; ; try++ {
		err := c.once(whole, call, group)
		untaken = untaken && provesUntaken(err)
		if mayPass(err) && try < c.Retries {
			backoff = lock.Backoff(backoff)
			wait := max(backoff-c.Pace.RandomBelow(backoff/2), lock.RetryAfter(err))
			c.Log.Debug("retrying", "lock", group, "wait", wait.Round(time.Millisecond), "error", err)
			if lock.Sleep(ctx, wait) {
				continue
			}
		}
		if untaken {
			err = &Untaken{err}
		}
		return err
	}
}

// mayPass reports whether asking again may give another answer: a renewal replaces the certificate and its key one
// after the other.
func mayPass(err error) bool {
	return lock.IsTemporary(err) || errors.Is(err, mtls.ErrCredentials) && !errors.Is(err, fs.ErrNotExist)
}

// Probe finds out whether a server answers, by a request that no server takes for one of the protocol: GET, and without
// the protocol's header. It changes no lock, and does not show whether the server knows the group.
func (c *Client) Probe(ctx context.Context, group string) error {
	a, err := c.do(ctx, http.MethodGet, "steady-state", group, nil)
	if err != nil {
		return err
	}
	switch {
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden: // a proxy may say that in JSON, too
	case a.Status == http.StatusMethodNotAllowed, a.Status >= 400 && a.Status < 500 && kindOf(a.Body).Kind != "":
		return nil
	}
	return c.explain(a, "look for the server of", group)
}

// Slowest is how long the slowest try has taken, answered or not.
func (c *Client) Slowest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slowest
}

// Gave is when SteadyState last returned; zero: never.
func (c *Client) Gave() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gave
}

// Identity is the server's address, and this host's name there; the name is empty if it can't be found out now.
func (c *Client) Identity() (url, id string) {
	id, _ = c.ID()
	return c.base, id
}

// once sends one request of the protocol.
func (c *Client) once(ctx context.Context, call, group string) error {
	id, err := c.ID()
	if err != nil {
		return &namelessError{err}
	}
	var ask struct {
		Params struct {
			ID    string `json:"id"`
			Group string `json:"group"`
		} `json:"client_params"`
	}
	ask.Params.ID, ask.Params.Group = id, group
	body, err := json.Marshal(ask)
	if err != nil {
		return &lock.Error{Meaning: lock.ErrMisconfigured, Err: err}
	}
	a, err := c.do(ctx, http.MethodPost, call, group, body)
	switch {
	case err != nil:
		return err
	case a.Status == http.StatusOK && !isPage(a),
		call == "steady-state" && a.Status == http.StatusLocked && kindOf(a.Body).Kind != "": // else perhaps a proxy's
		return nil
	}
	return c.explain(a, purposes[call], group)
}

// purposes are the words for the calls.
var purposes = map[string]string{"pre-reboot": "take", "steady-state": "release"}

// do sends one request and reads the answer.
func (c *Client) do(ctx context.Context, method, call, group string, body []byte) (*mtls.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/v1/"+call, bytes.NewReader(body))
	if err != nil {
		return nil, &lock.Error{Meaning: lock.ErrMisconfigured, Err: err}
	}
	req.Header.Set("User-Agent", "foreman-dlm-updater")
	if method == http.MethodPost {
		req.Header.Set("Fleet-Lock-Protocol", "true")
		req.Header.Set("Content-Type", "application/json")
	}
	began := time.Now()
	a, err := c.https.Do(req)
	took := time.Since(began)
	c.mu.Lock()
	c.slowest = max(c.slowest, took)
	c.mu.Unlock()
	took = took.Round(time.Millisecond)
	if err != nil {
		c.Log.Debug("request failed", "call", call, "lock", group, "took", took, "error", err)
		return nil, unanswered(err)
	}
	c.Log.Debug("request answered", "call", call, "lock", group, "status", a.Status, "took", took)
	return a, nil
}

// unanswered says what a missing answer means.
func unanswered(err error) error {
	var why *mtls.Error
	errors.As(err, &why) // mtls returns no other type
	e := &lock.Error{Err: err}
	switch why.Kind {
	case mtls.ErrNoAnswer:
		e.Meaning, e.Temporary, e.Why = lock.ErrUnavailable, true, "the FleetLock server is unavailable"
	case mtls.ErrNotTLS:
		e.Meaning, e.Temporary, e.Why = lock.ErrMisconfigured, true, "there is no FleetLock server at fleetlock_url"
	case mtls.ErrUntrusted:
		e.Meaning, e.Temporary, e.Why = lock.ErrRefused, true, "the server can't prove that it is the right one"
	case mtls.ErrRefused:
		e.Meaning, e.Renewing, e.Why = lock.ErrRefused, true, "the web server refuses this host's certificate"
	case mtls.ErrCredentials:
		e.Meaning, e.Renewing, e.Why = lock.ErrMisconfigured, true, "this host's certificate or key can't be used"
	}
	var name *net.DNSError
	if errors.As(err, &name) && name.IsNotFound {
		e.Next = fmt.Sprintf("correct fleetlock_url, or add %s to DNS or to /etc/hosts: the program does not ask other "+
			"sources in /etc/nsswitch.conf, as `getent ahosts %[1]s` does", name.Name)
	}
	return e
}

// problem is the body of an answer that is not 200.
type problem struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// kindOf reads such a body; its Kind is empty if it is none.
func kindOf(body []byte) (p problem) {
	if json.Unmarshal(body, &p) != nil {
		return problem{}
	}
	return problem{printable(p.Kind), printable(p.Value)}
}

// explain says what an answer means that is not a grant (https://github.com/coreos/airlock, poseidon/fleetlock,
// heathcliff26/fleetlock, axxapy/fleetlock-consul). Whatever no server of these says proves nothing.
func (c *Client) explain(a *mtls.Answer, purpose, group string) error {
	said := kindOf(a.Body)
	e := &lock.Error{Temporary: true, Meaning: lock.ErrUnavailable, Why: "the FleetLock server is unavailable",
		RetryAfter: mtls.RetryAfter(a.Header)}
	detail := "answers " + statusText(a.Status) + saying(said)
	switch refused := purpose == "take"; {
	case refused && a.Status == http.StatusLocked:
		return &Refusal{a.Status, said.Value, true}
	case refused && a.Status == http.StatusConflict:
		// fleetlock-consul says 409 to all that fails, also if consul does (internal/server, internal/storage).
		return &Refusal{a.Status, said.Value, said.Value == "" || strings.Contains(said.Value, "already locked")}
	case refused && a.Status == http.StatusInternalServerError && said.Kind != "":
		// airlock's kind "failed_lock" is also for a lost race, and for an etcd that fails (internal/lock/semaphore.go).
		return &Refusal{a.Status, said.Value, strings.HasSuffix(said.Value, " semaphore slots currently locked")}
	case a.Status < 500 && a.Status >= 400 && said.Kind == "unknown_group":
		e.Temporary, e.Meaning, e.Why = false, lock.ErrMisconfigured, ""
		e.Next = fmt.Sprintf("correct lock_name, or add the group %s to the server's configuration", group)
		e.Err = &deniedError{fmt.Sprintf("%s lock %q: the FleetLock server knows no group %[2]q (%s%s)", purpose, group,
			statusText(a.Status), saying(said))}
		return e
	case a.Status == http.StatusAccepted:
		e.Why = "the FleetLock server is not ready with this host: it may be draining it"
		detail = "answers 202 Accepted, which is no grant: perhaps it is still draining this host"
	case a.Status == http.StatusOK:
		e.Meaning, e.Why = lock.ErrMisconfigured, "the answer is not a FleetLock server's"
		detail = fmt.Sprintf("answers 200 with a page, which no FleetLock server does (a proxy may have answered): %s",
			file.Quote(bytes.TrimSpace(a.Body), 120))
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden || a.Status == http.StatusBadRequest &&
		said.Kind == "":
		e.Meaning, e.Why = lock.ErrRefused, "the web server at fleetlock_url refuses this host"
		detail += "; presented was " + c.Files.Presented()
	case a.Status >= 300 && a.Status < 400:
		e.Meaning, e.Why = lock.ErrMisconfigured, "there is no FleetLock server at fleetlock_url"
		detail += fmt.Sprintf(" and points to %q, which is not followed: put the server's own address into fleetlock_url",
			printable(a.Header.Get("Location")))
	case slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed}, a.Status):
		e.Meaning, e.Why = lock.ErrMisconfigured, "there is no FleetLock server at fleetlock_url"
		detail += fmt.Sprintf(" for %s/v1/…: correct fleetlock_url", c.base)
	case a.Status < 500 && a.Status != http.StatusTooManyRequests && a.Status != http.StatusConflict:
		e.Meaning, e.Why = nil, "the answer is not a FleetLock server's"
	}
	e.Err = fmt.Errorf("%s lock %q: the FleetLock server %s", purpose, group, detail)
	if a.Status == http.StatusForbidden && said.Kind == "certificate_refused" { // contrib/fleetlock/nginx.conf
		e.Err = &deniedError{e.Err.Error()}
	}
	return e
}

// Untaken: none of the tries can have taken the lock.
type Untaken struct{ error }

// Unwrap returns what the last try failed with.
func (e *Untaken) Unwrap() error { return e.error }

// provesUntaken reports whether an error proves that the request has taken nothing: the server has denied it, or no
// connection came about. A server reads no request of a client whose certificate it refuses.
func provesUntaken(err error) bool {
	var denied *deniedError
	var nameless *namelessError
	var name *net.DNSError
	var network *net.OpError
	for _, unsent := range []error{mtls.ErrCredentials, mtls.ErrNotTLS, mtls.ErrUntrusted, mtls.ErrRefused} {
		if errors.Is(err, unsent) {
			return true
		}
	}
	return errors.As(err, &denied) || errors.As(err, &nameless) || errors.As(err, &name) ||
		errors.As(err, &network) && network.Op == "dial"
}

// namelessError: this host can't find out its own name, so it has sent nothing.
type namelessError struct{ error }

func (e *namelessError) Unwrap() error { return e.error }

// deniedError: the server knows no such group, or its proxy refuses this host's certificate.
type deniedError struct{ text string }

func (e *deniedError) Error() string { return e.text }

func saying(said problem) string {
	switch {
	case said.Kind == "":
		return ""
	case said.Value == "":
		return fmt.Sprintf(", saying %q", said.Kind)
	}
	return fmt.Sprintf(", saying %q: %q", said.Kind, said.Value)
}

func said(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf(", saying %q", text)
}

// isPage reports whether a body is a web page: a proxy's, or a web server's own.
func isPage(a *mtls.Answer) bool {
	return strings.Contains(strings.ToLower(a.Header.Get("Content-Type")), "html") ||
		bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("<"))
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

// printable makes a foreign text short, and escapes what a terminal or a log would not show as it is.
func printable(text string) string {
	return file.Escape(file.Cut(strings.ToValidUTF8(text, "\ufffd"), 300))
}
