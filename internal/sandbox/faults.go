package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// FaultKind says what goes wrong.
type FaultKind int

// The kinds of faults. "Nothing changed" and "the change made" are about the
// lock of a PUT or DELETE: that is what a client must not guess.
const (
	Delay       FaultKind = iota + 1 // Fault.Delay passes before the request is processed
	DelayAnswer                      // Fault.Delay passes between the change and the answer
	DropBefore                       // connection closed without an answer, nothing changed
	DropAfter                        // the change made, then the connection closed without an answer
	HangBefore                       // no answer until the client gives up, nothing changed
	HangAfter                        // the change made, then no answer until the client gives up
	ErrorBefore                      // Fault.Status with Foreman's JSON error, nothing changed; for authenticated callers
	ErrorAfter                       // the change made, then Fault.Status with Foreman's JSON error
	HTML                             // 200 with a proxy's page, nothing changed
	Redirect                         // 302 to Fault.Location, nothing changed
	WrongName                        // the change made; a 200 names another lock
	NoHolder                         // PUT of a lock only: 200 with host null, nothing changed
	EmptyBody                        // the change made, then 200 with an empty body
	JSONArray                        // the change made, then 200 with the answer in a JSON array
	Huge                             // the change made; a 200 has a body of more than 2 MiB
	Unavailable                      // Apache's own 503 page, as when Foreman's Puma is down; nothing changed
)

// kinds are the names of the fault kinds on command lines.
var kinds = []string{
	Delay: "delay", DelayAnswer: "delay-answer", DropBefore: "drop-before", DropAfter: "drop-after",
	HangBefore: "hang-before", HangAfter: "hang-after", ErrorBefore: "error-before", ErrorAfter: "error-after",
	HTML: "html", Redirect: "redirect", WrongName: "wrong-name", NoHolder: "no-holder", EmptyBody: "empty-body",
	JSONArray: "json-array", Huge: "huge", Unavailable: "unavailable",
}

// FaultKinds returns the names that ParseFaultKind takes.
func FaultKinds() []string { return slices.Clone(kinds[1:]) }

// ParseFaultKind returns the kind with this name, such as "drop-after".
func ParseFaultKind(name string) (FaultKind, error) {
	if i := slices.Index(kinds, name); i > 0 {
		return FaultKind(i), nil
	}
	return 0, fmt.Errorf("unknown fault %q: it must be one of %s", name, strings.Join(kinds[1:], ", "))
}

// String returns the name of the kind.
func (k FaultKind) String() string {
	if k > 0 && int(k) < len(kinds) {
		return kinds[k]
	}
	return "none"
}

// Fault is something that goes wrong with the requests that it matches.
type Fault struct {
	Method string // GET, PUT or DELETE; "": any
	CN     string // of the caller's certificate; "": anyone's
	Kind   FaultKind
	Times  int // how many matching requests it spoils; 0: all until ClearFaults

	// Delay is how long the kinds Delay and DelayAnswer wait. With any other kind the server waits that long before it
	// looks at the request.
	Delay time.Duration

	Status     int    // of ErrorBefore and ErrorAfter; 0: 500
	Message    string // of ErrorBefore and ErrorAfter; "": Foreman's message for an internal error
	RetryAfter string // header of ErrorBefore, ErrorAfter and Unavailable; "": none, as Foreman's own
	Location   string // of Redirect
}

// Inject switches a fault on, for requests that arrive from now on. If several faults match a request, the one that was
// injected first spoils it.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults switches all faults off.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// faultFor returns the fault for a request and counts it; the zero Fault if there is none.
func (s *Server) faultFor(in *request) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !f.matches(in) {
			continue
		}
		if f.Times == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		} else if f.Times > 1 {
			f.Times--
		}
		return *f
	}
	return Fault{}
}

func (f *Fault) matches(in *request) bool {
	if f.Kind == NoHolder && in.method != http.MethodPut {
		return false
	}
	return (f.Method == "" || f.Method == in.method) && (f.CN == "" || f.CN == in.cn)
}

// instead is the answer to a request that never reaches Foreman; nil if it does.
func (f Fault) instead() *answer {
	switch f.Kind {
	case DropBefore:
		return &answer{end: cut}
	case HangBefore:
		return &answer{end: silent}
	case HTML:
		return &answer{status: http.StatusOK, contentType: htmlUTF8, body: []byte(proxyPage)}
	case Redirect:
		return &answer{status: http.StatusFound, contentType: htmlUTF8, header: map[string]string{"Location": f.Location}}
	case Unavailable:
		a := apachePage(http.StatusServiceUnavailable)
		a.header = f.retryAfter()
		return a
	}
	return nil
}

// insteadOfAction is the answer to a request that Foreman accepted but failed to carry out, before it changed anything;
// nil if Foreman acts.
func (f Fault) insteadOfAction(to target) *answer {
	switch {
	case f.Kind == ErrorBefore:
		return f.failure()
	case f.Kind == NoHolder && to.what == lockOf:
		r := row{id: 1, name: to.name, enabled: true, created: time.Now(), updated: time.Now()}
		a := showLock(r.body(nil))
		return &a
	}
	return nil
}

// spoil changes an answer as the fault does after the change is made.
func (f Fault) spoil(a answer) answer {
	lock := a.status == http.StatusOK && a.lock != nil
	switch {
	case f.Kind == DropAfter:
		a.end = cut
	case f.Kind == HangAfter:
		a.end = silent
	case f.Kind == ErrorAfter:
		return *f.failure()
	case f.Kind == EmptyBody:
		a.status, a.body = http.StatusOK, nil
	case f.Kind == JSONArray:
		a.status, a.body = http.StatusOK, slices.Concat([]byte("["), a.body, []byte("]"))
	case f.Kind == WrongName && lock:
		l := *a.lock
		l.Name += "-other"
		a.body = encode(l)
	case f.Kind == Huge && lock:
		a.body = huge(*a.lock)
	}
	return a
}

func (f Fault) failure() *answer {
	status, message := f.Status, f.Message
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if message == "" {
		message = unexpected
	}
	a := failure(status, message)
	a.header = f.retryAfter()
	return a
}

func (f Fault) retryAfter() map[string]string {
	if f.RetryAfter == "" {
		return nil
	}
	return map[string]string{"Retry-After": f.RetryAfter}
}

// huge is a lock in valid JSON that is too long: a client that stops reading within the padding gets no lock, and one
// that reads on gets one.
func huge(l lockBody) []byte {
	b, err := json.Marshal(struct {
		Padding string `json:"padding"`
		lockBody
	}{strings.Repeat("x", 2<<20), l})
	if err != nil {
		return nil // impossible: strings and numbers
	}
	return b
}
