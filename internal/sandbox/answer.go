package sandbox

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	jsonUTF8   = "application/json; charset=utf-8"
	htmlUTF8   = "text/html; charset=utf-8"
	htmlLatin1 = "text/html; charset=iso-8859-1"
	xmlUTF8    = "application/xml; charset=utf-8"
)

// ending says how an answer gets to the client, if at all.
type ending int

const (
	sent   ending = iota
	cut           // the connection is closed instead
	silent        // nothing is sent, and the connection stays open
)

// answer is the server's answer to one request.
type answer struct {
	status      int
	contentType string
	header      map[string]string // headers besides those of every answer
	body        []byte
	lock        *lockBody // the lock in body, if there is one
	foreman     bool      // written by the controller: has Foreman's own headers
	closing     bool      // Connection: close, as the recording has it
	end         ending
	number      int           // of the request, from 1
	took        time.Duration // from the arrival to this answer
}

// lockBody is a lock as the API shows it, in the order of main.json.rabl.
type lockBody struct {
	CreatedAt string    `json:"created_at"`
	UpdatedAt string    `json:"updated_at"`
	ID        int       `json:"id"`
	HostID    *int      `json:"host_id"`
	Name      string    `json:"name"`
	Enabled   bool      `json:"enabled"`
	Type      string    `json:"type"`
	Host      *hostBody `json:"host"`
}

// hostBody is the holder; Self is only in answers to a host's GET.
type hostBody struct {
	Name string `json:"name"`
	Self *bool  `json:"self,omitempty"`
}

// errorBody is the error of a controller's view.
type errorBody struct {
	Message string `json:"message"`
}

// refusedBody is the error of 412.
type refusedBody struct {
	ID      *int   `json:"id"`
	Message string `json:"message"`
}

// deniedBody is what 403 adds to it.
type deniedBody struct {
	Message string   `json:"message"`
	Details string   `json:"details"`
	Missing []string `json:"missing_permissions"`
}

// encode writes v as Foreman does: no HTML escapes, no line end.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte(err.Error()) // impossible: only structs of strings come here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// stamp is a time as Foreman writes it: whole seconds, not RFC 3339.
func stamp(t time.Time) string {
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// showLock is the 200 with a lock in it.
func showLock(l lockBody) answer {
	return answer{status: http.StatusOK, contentType: jsonUTF8, body: encode(l), lock: &l, foreman: true}
}

// view is an error of the controller, in the layout of its view.
func view(status int, v any) *answer {
	body := fmt.Appendf(nil, "{\n  \"error\": %s\n}\n", encode(v))
	return &answer{status: status, contentType: jsonUTF8, body: body, foreman: true}
}

func failure(status int, message string) *answer {
	a := view(status, errorBody{Message: message})
	a.closing = status == http.StatusInternalServerError
	return a
}

// unexpected is what Foreman says about a NoMethodError.
const unexpected = "Internal Server Error: the server was unable to finish the request. " +
	"This may be caused by unavailability of some required service, incorrect API call or a server-side bug. " +
	"There may be more information in the server's logs."

// refused is the 412 that never says why; id is nil for a lock that could
// not be created.
func refused(id *int) answer {
	return *view(http.StatusPreconditionFailed, refusedBody{
		ID: id, Message: "Precondition failed. Lock is in invalid state for this operation.",
	})
}

func denied(details string, missing ...string) answer {
	return *view(http.StatusForbidden, deniedBody{Message: "Access denied", Details: details, Missing: missing})
}

func notFound(resource, id string) answer {
	return *failure(http.StatusNotFound, "Resource "+resource+" not found by id '"+id+"'")
}

// plainError is what Rails itself says outside a controller: here "error" is
// a string.
func plainError(status int, text string) []byte {
	return encode(struct {
		Status int    `json:"status"`
		Error  string `json:"error"`
	}{status, text})
}

// noRoute is Rails' 404 page, or the JSON that it has instead.
func noRoute(inJSON bool) *answer {
	if inJSON {
		return &answer{status: 404, contentType: jsonUTF8, body: plainError(404, "Not Found")}
	}
	return &answer{status: 404, contentType: htmlUTF8, body: noPage()}
}

// xmlFailure is the 500 to lock.xml, for which there is no view.
func xmlFailure() answer {
	return answer{status: 500, contentType: xmlUTF8, closing: true, body: []byte(
		`<?xml version="1.0" encoding="UTF-8"?>` + "\n<hash>\n" +
			`  <status type="integer">500</status>` + "\n  <error>Internal Server Error</error>\n</hash>\n")}
}

// etag is a weak ETag over the body, as Rails makes it.
func (a answer) etag() string {
	return fmt.Sprintf(`W/"%x"`, sha256.Sum256(a.body))[:len(`W/"`)+32] + `"`
}

// unlessMatching returns a 304 without a body for a client that already has this answer.
func (a answer) unlessMatching(etag string) answer {
	if a.status != http.StatusOK || etag == "" || etag != a.etag() {
		return a
	}
	return answer{status: http.StatusNotModified, foreman: true, header: map[string]string{"ETag": etag}}
}

// writeHeader sets the headers of such an answer. X-Request-Id counts from 1, in Rails' form.
func (a answer) writeHeader(h http.Header) {
	set := func(k, v string) { h[k] = []string{v} }
	set("Server", "Apache")
	if a.contentType != "" {
		set("Content-Type", a.contentType)
	}
	if a.foreman {
		set("Foreman_version", "3.13.0")
		set("Foreman_api_version", "2")
		set("Foreman_current_organization", "; ANY")
		set("Foreman_current_location", "; ANY")
		set("Apipie-Checksum", "0000000000000000000000000000000000000000")
		set("X-Request-Id", fmt.Sprintf("00000000-0000-4000-8000-%012d", a.number))
		set("X-Runtime", strconv.FormatFloat(a.took.Seconds(), 'f', 6, 64))
		set("Cache-Control", "no-cache")
		if a.status == http.StatusOK {
			set("Cache-Control", "max-age=0, private, must-revalidate")
			set("Etag", a.etag())
		}
	}
	if a.closing {
		set("Connection", "close")
	}
	for k, v := range a.header {
		set(http.CanonicalHeaderKey(k), v)
	}
}
