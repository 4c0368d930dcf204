package fleetsandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Dialect names the server that the stand-in answers as. Statuses, kinds, texts and content types are from the source
// of that server; airlock was also run.
type Dialect string

// The dialects.
const (
	// Airlock is github.com/coreos/airlock (internal/server and internal/lock; the texts of failed_lock as measured). It
	// keeps the holders of a group in one key of etcd and writes with compare-and-swap: whoever wrote second is told so
	// with a 500, even if there are slots left.
	Airlock Dialect = "airlock"

	// Poseidon is github.com/poseidon/fleetlock (internal/server.go, encode.go). It keeps one holder for each group in a
	// Kubernetes lease, and Kubernetes refuses an update that is not of the version read.
	Poseidon Dialect = "poseidon"

	// Heathcliff is github.com/heathcliff26/fleetlock (pkg/server, pkg/lock-manager). It checks the slots once more under
	// a mutex before it writes, so only two of its processes can grant too many (the fault Replicas).
	Heathcliff Dialect = "heathcliff"

	// Consul is github.com/axxapy/fleetlock-consul (internal/server, internal/storage). It keeps one holder for each
	// group, and writes it without compare-and-swap: whoever writes last has it, and each was told 200. steady-state only
	// puts the release on a list, which is worked off every half second.
	Consul Dialect = "consul"
)

// Dialects returns the names of the dialects.
func Dialects() []string {
	return []string{string(Airlock), string(Poseidon), string(Heathcliff), string(Consul)}
}

// OneSlot reports whether the dialect has one slot for every group, and knows every group.
func (d Dialect) OneSlot() bool { return d == Poseidon || d == Consul }

// dialect returns the dialect's answers.
func (s *Server) dialect() Dialect { return s.opts.Dialect }

// ending says how an answer gets to the client, if at all.
type ending int

const (
	sent   ending = iota
	cut           // the connection is closed instead
	silent        // nothing is sent, and the connection stays open
)

// answer is the server's answer to one request.
type answer struct {
	status int
	header map[string]string
	body   string
	end    ending
	lost   bool // it is the answer to whoever lost a race
}

const (
	plain    = "text/plain; charset=utf-8" // what Go's net/http says of text and of JSON
	jsonType = "application/json"
	html     = "text/html"
)

// failed is an error in JSON, in the layout of the dialect's server.
func (d Dialect) failed(status int, kind, format string, args ...any) answer {
	var line strings.Builder
	err := json.NewEncoder(&line).Encode(struct {
		Kind  string `json:"kind"`
		Value string `json:"value"`
	}{kind, fmt.Sprintf(format, args...)})
	if err != nil {
		line.WriteString(err.Error()) // impossible: only strings come here
	}
	a := answer{status: status, body: line.String(), header: map[string]string{"Content-Type": plain}}
	switch d {
	case Airlock: // http.Error
		a.header["X-Content-Type-Options"] = "nosniff"
	case Poseidon: // encode.go
		a.header["Content-Type"], a.header["X-Content-Type-Options"] = jsonType, "nosniff"
	case Heathcliff: // json.Marshal adds no line end
		a.body = strings.TrimSuffix(a.body, "\n")
	}
	return a
}

// page is a page of plain text.
func page(status int, text string) answer {
	return answer{status: status, body: text, header: map[string]string{"Content-Type": plain}}
}

// groups are the names that the protocol allows.
var groups = regexp.MustCompile(`^[a-zA-Z0-9.-]+$`)

// check refuses what is not a request of the protocol; nil if it is one.
func (d Dialect) check(in *request) *answer {
	var a answer
	switch {
	case in.call == "": // Go's ServeMux
		a = page(http.StatusNotFound, "404 page not found\n")
		a.header["X-Content-Type-Options"] = "nosniff"
	case in.method != http.MethodPost && d == Poseidon:
		a = d.failed(http.StatusMethodNotAllowed, "method_not_allowed", "required method POST")
	case in.method != http.MethodPost: // Go's ServeMux
		a = page(http.StatusMethodNotAllowed, "Method Not Allowed\n")
		a.header["Allow"], a.header["X-Content-Type-Options"] = http.MethodPost, "nosniff"
	case in.protocol != "true":
		a = d.badRequest(noHeader, nil)
	case in.malformed != nil:
		a = d.badRequest(noJSON, in.malformed)
	case !groups.MatchString(in.group):
		a = d.badRequest(noGroup, errors.New("empty client group"))
	case in.id == "":
		a = d.badRequest(noID, errors.New("empty client ID"))
	default:
		return nil
	}
	return &a
}

// mistake is what is wrong with a request.
type mistake int

const (
	noHeader mistake = iota
	noJSON
	noGroup
	noID
)

// badRequest is the 400 for a mistake; err says more. Only Heathcliff checks what is in the name of a group, and Consul
// gives a request without a group a default one.
func (d Dialect) badRequest(m mistake, err error) answer {
	switch d {
	case Poseidon:
		if m == noHeader {
			return d.failed(http.StatusBadRequest, "missing_header", "missing required header fleet-lock-protocol: true")
		}
		return d.failed(http.StatusBadRequest, "decode_error", "error decoding message")
	case Heathcliff:
		kind := "bad_request"
		if m == noHeader {
			kind = "missing_fleetlock_header"
		}
		return d.failed(http.StatusBadRequest, kind, "%s", []string{
			noHeader: "The header fleet-lock-protocol must be set to true",
			noJSON:   "The request json could not be parsed",
			noGroup:  `The value of group is invalid or empty. It must conform to "` + groups.String() + `"`,
			noID:     "The value of id is empty",
		}[m])
	case Consul:
		switch m {
		case noHeader:
			return d.failed(http.StatusBadRequest, "missing_header", "'fleet-lock-protocol' header is missing or invalid")
		case noID:
			return d.failed(http.StatusBadRequest, "missing_id", "client ID is empty")
		}
		return d.failed(http.StatusBadRequest, "invalid_body", "%v", err)
	}
	if m == noHeader {
		err = errors.New("wrong 'fleet-lock-protocol' header")
	}
	return d.failed(http.StatusBadRequest, "invalid_client_identity", "failed to validate client identity: %v", err)
}

// unknownGroup is the answer of the dialects that know only some groups. Heathcliff's does not tell it from other
// errors.
func (d Dialect) unknownGroup(name string) answer {
	if d == Heathcliff {
		return d.unexpected(PreReboot)
	}
	return d.failed(http.StatusBadRequest, "unknown_group", "unknown group %q", name)
}

// granted is the 200 to pre-reboot; again says that the host had the slot before.
func (d Dialect) granted(again bool) answer {
	switch {
	case d == Poseidon && again:
		return page(http.StatusOK, "retained reboot lease")
	case d == Poseidon:
		return page(http.StatusOK, "obtained reboot lease")
	}
	return d.done()
}

// released is the 200 to steady-state; had says whether the host had a slot. (The newest poseidon/fleetlock answers 423
// if another host has it; the protocol wants a 200, and earlier versions said so.)
func (d Dialect) released(id string, had bool) answer {
	switch {
	case d == Poseidon && had:
		return page(http.StatusOK, "unlocked reboot lease for "+id)
	case d == Poseidon:
		return page(http.StatusOK, "reboot lease already unlocked")
	}
	return d.done()
}

func (d Dialect) done() answer {
	if d == Heathcliff {
		return d.failed(http.StatusOK, "success", "The operation was succesfull")
	}
	return answer{status: http.StatusOK}
}

// draining is the 202 of Heathcliff, which grants nothing yet.
func draining() answer {
	return Heathcliff.failed(http.StatusAccepted, "waiting_for_node_drain",
		"The Slot has been reserved, but the node is not yet drained")
}

// full is the answer if others have all slots.
func (d Dialect) full(group string, slots int, holders []string) answer {
	first := ""
	if len(holders) > 0 {
		first = holders[0]
	}
	switch d {
	case Poseidon:
		return d.failed(http.StatusLocked, "lock_held", "reboot lease lock unavailable, held by %s", first)
	case Heathcliff:
		return d.failed(http.StatusLocked, "all_slots_full",
			"Could not reserve a slot as all slots in the group are currently locked already")
	case Consul:
		return d.failed(http.StatusConflict, "failed_lock", "already locked: group %s already locked by %s", group, first)
	}
	return d.failed(http.StatusInternalServerError, "failed_lock",
		"failed to lock semaphore: all %d semaphore slots currently locked", slots)
}

// lost is the answer to whoever wrote second. Poseidon says what it says to others, with the holder that it had read:
// none. Consul never says so.
func (d Dialect) lost(call string) answer {
	switch {
	case d == Poseidon && call == PreReboot:
		return d.full("", 1, nil)
	case d == Poseidon:
		return d.failed(http.StatusInternalServerError, "internal_error", "error unlocking reboot lease")
	}
	return d.failed(http.StatusInternalServerError, "failed_lock", "%s: conflict on semaphore detected, aborting",
		airlockFails(call))
}

// unexpected is what the server says if what it keeps the holders in does not answer in time: the write may have been
// made.
func (d Dialect) unexpected(call string) answer {
	switch d {
	case Poseidon:
		return d.failed(http.StatusInternalServerError, "internal_error", "error getting reboot lease")
	case Heathcliff:
		return d.failed(http.StatusInternalServerError, "error", "An unexpected error occured")
	case Consul:
		return d.failed(http.StatusConflict, "failed_lock", "context deadline exceeded")
	}
	return d.failed(http.StatusInternalServerError, "failed_lock", "%s: context deadline exceeded", airlockFails(call))
}

func airlockFails(call string) string {
	if call == PreReboot {
		return "failed to lock semaphore"
	}
	return "failed to release any semaphore lock"
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Dialect) UnmarshalText(text []byte) error {
	if !slices.Contains(Dialects(), string(text)) {
		return fmt.Errorf("unknown dialect %q: it must be one of %s", text, strings.Join(Dialects(), ", "))
	}
	*d = Dialect(text)
	return nil
}
