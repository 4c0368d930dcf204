package fleetsandbox

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// FaultKind says what goes wrong. The names are those of package sandbox where the meaning is.
type FaultKind string

// The kinds of faults. "Nothing changed" and "the change made" are about the slot: that is what a client must not
// guess.
const (
	Delay       FaultKind = "delay"        // Fault.Delay passes before the request is processed
	DelayAnswer FaultKind = "delay-answer" // Fault.Delay passes between the change and the answer
	DropBefore  FaultKind = "drop-before"  // connection closed without an answer, nothing changed
	DropAfter   FaultKind = "drop-after"   // the change made, then the connection closed without an answer
	HangBefore  FaultKind = "hang-before"  // no answer until the client gives up, nothing changed
	HangAfter   FaultKind = "hang-after"   // the change made, then no answer until the client gives up
	ErrorBefore FaultKind = "error-before" // Fault.Status with the dialect's JSON error, nothing changed
	ErrorAfter  FaultKind = "error-after"  // the change made, then Fault.Status with the dialect's JSON error
	HTML        FaultKind = "html"         // 200 with a proxy's page, nothing changed
	Redirect    FaultKind = "redirect"     // 302 to Fault.Location, nothing changed
	EmptyBody   FaultKind = "empty-body"   // the change made, then the answer without its body
	Huge        FaultKind = "huge"         // the change made, then the answer with a body of more than 2 MiB
	Unavailable FaultKind = "unavailable"  // the proxy's own 503 page, as when the server is down; nothing changed

	Draining     FaultKind = "draining"      // pre-reboot only: the slot is taken, and the answer to its holder is 202
	EarlyRelease FaultKind = "early-release" // steady-state only: 200 now, and the slot is freed Fault.Delay later
	Forget       FaultKind = "forget"        // the server forgets all holders of the group before it handles the request

	// Replicas, pre-reboot only: the request goes to a second replica, which counts for itself, and writes Fault.Delay
	// after it has counted, whatever others have written meanwhile.
	Replicas FaultKind = "replicas"
)

var kinds = []FaultKind{Delay, DelayAnswer, DropBefore, DropAfter, HangBefore, HangAfter, ErrorBefore, ErrorAfter, HTML,
	Redirect, EmptyBody, Huge, Unavailable, Draining, EarlyRelease, Forget, Replicas}

// FaultKinds returns the names that ParseFaultKind takes.
func FaultKinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return names
}

// ParseFaultKind returns the kind with this name, such as "drop-after".
func ParseFaultKind(name string) (FaultKind, error) {
	if !slices.Contains(kinds, FaultKind(name)) {
		return "", fmt.Errorf("unknown fault %q: it must be one of %s", name, strings.Join(FaultKinds(), ", "))
	}
	return FaultKind(name), nil
}

// only is the call that a kind is about, if it is not about both.
var only = map[FaultKind]string{Draining: PreReboot, EarlyRelease: SteadyState, Replicas: PreReboot}

// Only returns the call that the kind is about, "" if it is about both.
func (k FaultKind) Only() string { return only[k] }

// Fault is something that goes wrong with the requests that it matches.
type Fault struct {
	Call  string // PreReboot or SteadyState; "": any
	ID    string // as the client gives it; "": anyone's
	Kind  FaultKind
	Times int // how many matching requests it spoils; 0: all until ClearFaults

	// Delay is how long the kinds Delay, DelayAnswer, EarlyRelease and Replicas wait. With any other kind the server waits
	// that long before it looks at the request.
	Delay time.Duration

	Status     int    // of ErrorBefore and ErrorAfter; 0: the dialect's
	RetryAfter string // header of ErrorBefore, ErrorAfter and Unavailable; "": none
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
	if call := f.Kind.Only(); call != "" && call != in.call {
		return false
	}
	return (f.Call == "" || f.Call == in.call) && (f.ID == "" || f.ID == in.id)
}

// waitsFirst reports whether Fault.Delay passes before the server looks at the request.
func (f Fault) waitsFirst() bool {
	return !slices.Contains([]FaultKind{DelayAnswer, EarlyRelease, Replicas}, f.Kind)
}

// instead is the answer to a request that never reaches the server; nil if it does.
func (f Fault) instead() *answer {
	asHTML := map[string]string{"Content-Type": html}
	switch f.Kind {
	case DropBefore:
		return &answer{end: cut}
	case HangBefore:
		return &answer{end: silent}
	case HTML:
		return &answer{status: http.StatusOK, header: asHTML, body: signIn}
	case Redirect:
		asHTML["Location"] = f.Location
		return &answer{status: http.StatusFound, header: asHTML}
	case Unavailable:
		a := answer{status: http.StatusServiceUnavailable, header: asHTML, body: nginxPage}
		return f.withRetryAfter(a)
	}
	return nil
}

// spoil changes an answer as the fault does after the change is made.
func (f Fault) spoil(in *request, a answer, d Dialect) answer {
	switch f.Kind {
	case DropAfter:
		a.end = cut
	case HangAfter:
		a.end = silent
	case ErrorAfter:
		return f.failure(in, d)
	case EmptyBody:
		a.body = ""
	case Huge:
		a.body = `{"padding":"` + strings.Repeat("x", 2<<20) + `"}`
	}
	return a
}

// failure is the server's own error, with the fault's status if it has one.
func (f Fault) failure(in *request, d Dialect) answer {
	a := d.unexpected(in.call)
	if f.Status != 0 {
		a.status = f.Status
	}
	return *f.withRetryAfter(a)
}

func (f Fault) withRetryAfter(a answer) *answer {
	if f.RetryAfter != "" {
		a.header["Retry-After"] = f.RetryAfter
	}
	return &a
}

// signIn is what a proxy between here and the server might say, with 200.
const signIn = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\n" +
	"<body><h1>Please sign in to the network</h1></body></html>\n"

// nginxPage is nginx's page for 503.
const nginxPage = "<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head>\r\n<body>\r\n" +
	"<center><h1>503 Service Temporarily Unavailable</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
