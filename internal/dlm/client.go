// Package dlm is a client for the lock API of Foreman's DLM plugin: it asks for a lock's state, claims the lock and
// releases it, as the host that its TLS certificate names. It says what an answer means. Package foreman decides what
// to do next (settle, wait, give up).
package dlm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/mtls"

	"github.com/hashicorp/go-hclog"
)

const (
	firstBackoff = time.Second // between the first try and the second; doubled with each try
	maxBackoff   = 30 * time.Second
)

// Options configure a Client.
type Options struct {
	URL   string // Foreman's address, with a path prefix if it has one
	Files mtls.Files
	// Timeout limits one whole try: connecting, sending, and reading the whole answer.
	Timeout time.Duration
	// Retries is how often a request is repeated after a transient error, if it can't have changed anything.
	Retries int
	Log     hclog.Logger
	// Transport replaces the network; for tests.
	Transport http.RoundTripper
	// Random returns a random part of d; nil: math/rand. A repeatable simulation brings its own.
	Random func(d time.Duration) time.Duration
}

// Client talks to one Foreman. Its methods are safe for concurrent use.
type Client struct {
	base    string
	files   mtls.Files
	https   *mtls.Client
	retries int
	log     hclog.Logger
	random  func(d time.Duration) time.Duration

	mu      sync.Mutex
	slowest time.Duration
}

// New makes a client. It reads no file and opens no connection.
func New(o Options) *Client {
	words := mtls.Words{
		Server:     "Foreman",
		WebServer:  "Foreman's web server",
		URLKey:     "foreman_url",
		TimeoutKey: "http_timeout",
	}
	random := o.Random
	if random == nil {
		random = rand.N[time.Duration]
	}
	return &Client{
		base:    strings.TrimRight(o.URL, "/"),
		files:   o.Files,
		https:   mtls.New(mtls.Options{Files: o.Files, Words: words, Timeout: o.Timeout, Transport: o.Transport}),
		retries: o.Retries,
		log:     o.Log,
		random:  random,
	}
}

// Lock is a lock as Foreman shows it.
type Lock struct {
	Name    string
	Enabled bool
	// Holder is Foreman's name for the host that has the lock, which may differ from the name in its certificate. Empty:
	// the lock is free.
	Holder string
	// Self is set if this host is the holder. Only Show can tell: the answers to PUT and DELETE don't say it.
	Self bool
	// Updated is when the lock last changed hands, or its holder last claimed it again.
	Updated time.Time
}

// Show asks for the lock's state. It asks again after errors that may pass: no answer, an answer that is not Foreman's,
// a key and a certificate that do not match while they are being renewed. ErrNoLock: there is no such lock yet.
func (c *Client) Show(ctx context.Context, name string) (Lock, error) {
	var err error
	for try := 0; ; try++ {
		var lock Lock
		lock, err = c.lock(ctx, http.MethodGet, name)
		if !mayPass(err) || try >= c.retries {
			return lock, err
		}
		wait := c.backoff(try, err)
		c.log.Debug("retrying", "lock", name, "wait", wait.Round(time.Millisecond), "error", err)
		select {
		case <-ctx.Done():
			return Lock{}, err
		case <-time.After(wait):
		}
	}
}

// Acquire claims the lock, once. It does not retry: an error proves nothing, so the caller must ask Show (a 5xx can
// come after the change: foreman_dlm 4.0.0, dlmlock.rb:53 and :104 work after the commit). Another host's claim may
// still overwrite a granted one: "SELECT free, UPDATE holder" is not atomic (dlmlock.rb:99).
//
// ErrNotNow: another host has the lock, it is disabled, or this host is barred. ErrDuplicate: Foreman has two locks of
// this name.
func (c *Client) Acquire(ctx context.Context, name string) error {
	lock, err := c.lock(ctx, http.MethodPut, name)
	if err == nil && lock.Holder == "" {
		return &Error{Kind: ErrDuplicate, Op: opNames[http.MethodPut], Lock: name, Status: http.StatusOK,
			Detail: "Foreman said yes, but names no holder: it has two locks of this name"}
	}
	return err
}

// Release releases the lock, once; like Acquire it does not retry. ErrNotNow: another host has the lock, or it is
// disabled. ErrDuplicate: Foreman has two locks of this name and released neither (dlmlock.rb:99-105). The error is the
// same if another host took the lock in the same instant; Show can tell the two apart.
func (c *Client) Release(ctx context.Context, name string) error {
	lock, err := c.lock(ctx, http.MethodDelete, name)
	if err == nil && lock.Holder != "" {
		return &Error{Kind: ErrDuplicate, Op: opNames[http.MethodDelete], Lock: name, Status: http.StatusOK,
			Detail: fmt.Sprintf("Foreman said yes, and names %s as the holder still: it has two locks of this name, "+
				"of which an administrator must delete one", lock.Holder)}
	}
	return err
}

// mayPass reports whether asking again may give another answer.
func mayPass(err error) bool {
	for _, kind := range []error{ErrUnavailable, ErrNotForeman, ErrWrongURL, ErrUntrusted} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return errors.Is(err, ErrCredentials) && !errors.Is(err, fs.ErrNotExist)
}

// Identity is Foreman's address, and the common name in the client's certificate; the name is empty if the certificate
// can't be read.
func (c *Client) Identity() (url, cn string) { return c.base, c.files.CommonName() }

// Slowest is how long the slowest try has taken, answered or not.
func (c *Client) Slowest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slowest
}

var opNames = map[string]string{
	http.MethodGet:    "show lock",
	http.MethodPut:    "acquire lock",
	http.MethodDelete: "release lock",
}

// lock sends one request and reads the lock from the answer.
func (c *Client) lock(ctx context.Context, method, name string) (Lock, error) {
	failure := &Error{Op: opNames[method], Lock: name}
	req, err := c.request(ctx, method, name)
	if err != nil {
		failure.Kind, failure.Detail, failure.Err = ErrWrongURL, err.Error(), err
		return Lock{}, failure
	}
	began := time.Now()
	a, err := c.https.Do(req)
	took := time.Since(began)
	c.note(took)
	if err != nil {
		err := failure.unanswered(err)
		c.log.Debug("request failed", "method", method, "lock", name, "took", took.Round(time.Millisecond), "error", err)
		return Lock{}, err
	}
	c.log.Debug("request answered", "method", method, "lock", name, "status", a.Status,
		"took", took.Round(time.Millisecond), "request_id", cut(a.Header.Get("X-Request-Id")))
	if a.Status != http.StatusOK {
		return Lock{}, failure.refusal(a, c.files)
	}
	lock, detail := parse(a.Body, method, name)
	if detail != "" {
		failure.Kind, failure.Status, failure.Detail = ErrNotForeman, a.Status, detail
		return Lock{}, failure
	}
	return lock, nil
}

func (c *Client) note(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.slowest = max(c.slowest, took)
}

// request makes the HTTP request for a lock.
func (c *Client) request(ctx context.Context, method, name string) (*http.Request, error) {
	// Foreman takes "+" in a path literally, and every id parameter in a query as one more condition. So there is no
	// query.
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api/dlmlocks/"+url.PathEscape(name)+"/lock", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	// Foreman translates its messages, and only the message tells "no such lock" from "no such page" (foreman 3.13,
	// app/views/api/v2/errors/not_found.json.rabl).
	req.Header.Set("Accept-Language", "en")
	req.Header.Set("User-Agent", "foreman-dlm-updater")
	if method == http.MethodPut {
		req.Header.Set("Content-Type", "application/json") // else 415, even without a body
	}
	return req, nil
}

// parse reads a lock from an answer with status 200. If the answer is not a lock, or another lock, it says what is
// wrong.
func parse(body []byte, method, name string) (Lock, string) {
	if len(body) > mtls.MaxAnswer {
		return Lock{}, fmt.Sprintf("the answer is longer than %d bytes", mtls.MaxAnswer)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return Lock{}, "the answer is empty"
	}
	// Maps, because a struct's fields would match names in any case.
	var wire, host map[string]json.RawMessage
	if json.Unmarshal(body, &wire) != nil || !optional(wire, "host", &host) {
		return Lock{}, notALock(body)
	}
	var (
		named, holder, updated string
		enabled                = true
		self                   *bool
	)
	switch {
	case !optional(wire, "name", &named) || !optional(wire, "enabled", &enabled) ||
		!optional(wire, "updated_at", &updated) || !optional(host, "name", &holder) || !optional(host, "self", &self):
		return Lock{}, notALock(body)
	case wire["name"] == nil || wire["host"] == nil:
		return Lock{}, fmt.Sprintf("the answer lacks a lock's name or holder: %s", abridged(body))
	case named != name:
		return Lock{}, fmt.Sprintf("the answer is about another lock, %q", cut(named))
	}
	lock := Lock{Name: name, Enabled: enabled, Self: self != nil && *self}
	if host != nil {
		lock.Holder = printable(cut(holder))
		if lock.Holder == "" {
			lock.Holder = "a host without a name"
		}
	}
	// Taking this for "held by another" could leave our own lock held.
	if method == http.MethodGet && host != nil && self == nil {
		return Lock{}, fmt.Sprintf("the answer doesn't say whether this host is the holder, %q: Foreman took the request "+
			"for a user's, not for a host's with a certificate", lock.Holder)
	}
	// This is how Rails writes a time. If it can't be read, it is only missing from messages.
	lock.Updated, _ = time.Parse("2006-01-02 15:04:05 MST", updated)
	return lock, ""
}

// optional reads a member of a JSON object, which may be missing. It returns false if the member has another type.
func optional(object map[string]json.RawMessage, key string, value any) bool {
	text, ok := object[key]
	return !ok || json.Unmarshal(text, value) == nil
}

func notALock(body []byte) string {
	return fmt.Sprintf("the answer is not a lock (a proxy or another server may have answered): %s", abridged(body))
}

func abridged(body []byte) string { return file.Quote(bytes.TrimSpace(body), 120) }

// backoff is how long to wait after the given try, counted from 0: as long as the server asked for; otherwise twice as
// long with each try, less a random part of up to a half, so that a fleet doesn't come back all at once.
func (c *Client) backoff(try int, err error) time.Duration {
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return e.RetryAfter
	}
	wait := min(firstBackoff<<min(try, 10), maxBackoff)
	return wait - c.random(wait/2)
}
