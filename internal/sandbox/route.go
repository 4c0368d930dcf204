package sandbox

import (
	"net/http"
	"slices"
	"strings"
)

// resource is what a path addresses.
type resource int

const (
	lockOf   resource = iota + 1 // dlmlocks/NAME/lock
	oneLock                      // dlmlocks/NAME
	allLocks                     // dlmlocks
	eventsOf                     // dlmlocks/NAME/dlmlock_events
)

// methods are the routed methods of each resource; for any other, Rails answers "no such page". HEAD goes with GET.
var methods = map[resource][]string{
	lockOf:   {http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete},
	oneLock:  {http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete},
	allLocks: {http.MethodGet, http.MethodHead, http.MethodPost},
	eventsOf: {http.MethodGet, http.MethodHead},
}

// target is where a request goes.
type target struct {
	what resource
	name string // of the lock, as in the path: neither stripped nor looked up
	xml  bool   // asked for as lock.xml: Foreman acts, and then finds no view for it
}

// forHosts reports whether a client certificate is enough.
func (t target) forHosts(method string) bool {
	reading := method == http.MethodGet || method == http.MethodHead
	return t.what == lockOf || t.what == oneLock && reading
}

// route finds the target of a request, or the page that says there is none.
func route(in *request) (target, *answer) {
	segs := in.segments()
	if len(segs) == 0 || segs[0] != "api" {
		return target{}, noRoute(true)
	}
	to := parse(segs)
	if !slices.Contains(methods[to.what], in.method) {
		return target{}, noRoute(strings.Contains(in.accept, "application/json"))
	}
	return to, nil
}

// parse reads the parts of a path below /api; target.what is 0 if there is nothing there.
func parse(segs []string) target {
	segs = segs[1:]
	if len(segs) > 0 && segs[0] == "v2" {
		segs = segs[1:]
	}
	if len(segs) == 0 || segs[0] != "dlmlocks" {
		return target{}
	}
	switch segs = segs[1:]; len(segs) {
	case 0:
		return target{what: allLocks}
	case 1:
		return target{what: oneLock, name: segs[0]}
	case 2:
		switch segs[1] {
		case "lock", "lock.json", "lock.xml":
			return target{what: lockOf, name: segs[0], xml: segs[1] == "lock.xml"}
		case "dlmlock_events":
			return target{what: eventsOf, name: segs[0]}
		}
	}
	return target{}
}

// lockName returns the name of the lock that the path addresses, "" if none.
func (in *request) lockName() string {
	segs := in.segments()
	if len(segs) == 0 || segs[0] != "api" {
		return ""
	}
	return parse(segs).name
}
