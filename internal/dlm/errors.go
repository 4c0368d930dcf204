package dlm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"foreman-dlm-updater/internal/file"
	"foreman-dlm-updater/internal/mtls"
)

// What an error of this package proves. Compare with errors.Is.
var (
	// ErrUnavailable: no answer, or a server error (429, 5xx). It proves nothing: a PUT or DELETE may still have changed
	// the lock.
	ErrUnavailable = errors.New("foreman is unavailable")
	// ErrNotNow: 412. Another host has the lock, or it is disabled, or this host is barred; Foreman's text is the same for
	// all three.
	ErrNotNow = errors.New("not now")
	// ErrNoLock: Foreman has no lock of this name yet.
	ErrNoLock = errors.New("no such lock")
	// ErrDuplicate: Foreman has two locks of this name, and nobody can take either.
	ErrDuplicate = errors.New("duplicate lock")
	// ErrRefused: Foreman, or its web server in the TLS handshake (Status 0), doesn't accept this host or its
	// certificate.
	ErrRefused = errors.New("foreman refuses this host")
	// ErrUntrusted: the server can't prove that it is Foreman.
	ErrUntrusted = errors.New("server not trusted")
	// ErrCredentials: the host's own key, certificate or CA file can't be used.
	ErrCredentials = errors.New("unusable key or certificate file")
	// ErrWrongURL: there is no lock API at foreman_url.
	ErrWrongURL = errors.New("wrong foreman_url")
	// ErrNotForeman: status 200 with a body that does not answer this question as Foreman does, a status that Foreman
	// never gives here, or a refusal without Foreman's message.
	ErrNotForeman = errors.New("not Foreman's answer")
	// ErrRejected: any other refusal by Foreman, which will be the same next time.
	ErrRejected = errors.New("request rejected")
)

// Error is an answer that is not a lock, or a missing answer. It wraps one of the sentinels above, and the cause if
// there is one: an *mtls.Error if there was no answer.
type Error struct {
	Kind   error  // one of the sentinels above
	Op     string // "show lock", "acquire lock", "release lock"
	Lock   string
	Status int    // the HTTP status; 0 if there was no answer
	Detail string // what was wrong, and with what
	// RetryAfter is how long the server asked us to wait, at most 5 minutes; 0 if it didn't.
	RetryAfter time.Duration
	Err        error
}

// Error is one line of printable characters, whatever a server put into its answer or its certificate.
func (e *Error) Error() string {
	return printable(fmt.Sprintf("%s %q: %s", e.Op, cut(e.Lock), e.Detail))
}

func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// kinds say what a missing answer proves.
var kinds = map[error]error{
	mtls.ErrNoAnswer:    ErrUnavailable,
	mtls.ErrNotTLS:      ErrWrongURL,
	mtls.ErrUntrusted:   ErrUntrusted,
	mtls.ErrRefused:     ErrRefused,
	mtls.ErrCredentials: ErrCredentials,
}

// unanswered classifies a missing answer.
func (e *Error) unanswered(err error) *Error {
	var why *mtls.Error
	errors.As(err, &why) // mtls returns no other type
	e.Kind, e.Detail, e.Err = kinds[why.Kind], why.Detail, err
	return e
}

// refusal classifies an answer whose status is not 200.
func (e *Error) refusal(a *mtls.Answer, files mtls.Files) *Error {
	e.Status = a.Status
	message, own := foremanMessage(a)
	switch {
	case a.Status == http.StatusTooManyRequests || a.Status >= 500:
		e.Kind, e.RetryAfter = ErrUnavailable, mtls.RetryAfter(a.Header)
		e.Detail = fmt.Sprintf("Foreman answers %s%s", statusText(a.Status), said(message))
	case a.Status == http.StatusNotFound && strings.HasPrefix(message, "Resource dlmlock not found"):
		e.Kind, e.Detail = ErrNoLock, "Foreman has no lock of this name"
	case a.Status == http.StatusNotFound:
		e.Kind = ErrWrongURL
		e.Detail = fmt.Sprintf("there is no lock API at foreman_url (%s%s): either the address is wrong, or this "+
			"Foreman lacks the DLM plugin", statusText(a.Status), said(message))
	case redirects[a.Status]:
		e.Kind = ErrWrongURL
		e.Detail = fmt.Sprintf("foreman_url answers %s and points to %q, which is not followed: put Foreman's own "+
			"address into foreman_url", statusText(a.Status), cut(a.Header.Get("Location")))
	case a.Status >= 400 && !(own && refusals[a.Status]):
		e.Kind = ErrNotForeman
		e.Detail = fmt.Sprintf("the answer has status %s, without the message that Foreman would give with it (a proxy "+
			"or another server may have answered)", statusText(a.Status))
	case a.Status == http.StatusPreconditionFailed:
		e.Kind, e.Detail = ErrNotNow, "Foreman says: not now (412)"
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		e.Kind = ErrRefused
		e.Detail = fmt.Sprintf("Foreman refuses this host with %s%s; presented was %s. Foreman knows a host by "+
			"the CN of its certificate, in the same case, and has to trust the CA that issued it",
			statusText(a.Status), said(message), files.Presented())
	case a.Status >= 400:
		e.Kind = ErrRejected
		e.Detail = fmt.Sprintf("Foreman rejects the request with %s%s", statusText(a.Status), said(message))
	default:
		e.Kind = ErrNotForeman
		e.Detail = fmt.Sprintf("the answer has status %s, which Foreman never gives here", statusText(a.Status))
	}
	return e
}

// redirects are the answers that point elsewhere.
var redirects = map[int]bool{
	http.StatusMovedPermanently:  true,
	http.StatusFound:             true,
	http.StatusSeeOther:          true,
	http.StatusTemporaryRedirect: true,
	http.StatusPermanentRedirect: true,
}

// refusals are the statuses 4xx that Foreman itself gives, besides 404. No others were recorded with foreman_dlm 4.0.0.
var refusals = map[int]bool{
	http.StatusBadRequest:           true,
	http.StatusUnauthorized:         true,
	http.StatusForbidden:            true,
	http.StatusPreconditionFailed:   true,
	http.StatusUnsupportedMediaType: true,
}

func statusText(status int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
}

func said(message string) string {
	if message == "" {
		return ""
	}
	return fmt.Sprintf(", saying %q", message)
}

// foremanMessage finds Foreman's message in a refusal. Foreman's controllers answer with error.message and sometimes
// error.details. Rails itself answers with the status and error as a string. Apache and proxies answer with HTML, which
// holds no message. own reports whether the answer has one of the first two forms: other servers use a field "error"
// too.
func foremanMessage(a *mtls.Answer) (message string, own bool) {
	var wire struct {
		Status int             `json:"status"`
		Error  json.RawMessage `json:"error"`
	}
	if json.Unmarshal(a.Body, &wire) != nil || wire.Error == nil {
		return "", false
	}
	var text string
	if json.Unmarshal(wire.Error, &text) == nil {
		return cut(text), wire.Status == a.Status
	}
	var object struct {
		Message string `json:"message"`
		Details string `json:"details"`
	}
	if json.Unmarshal(wire.Error, &object) != nil {
		return "", false
	}
	return cut(strings.TrimSpace(strings.TrimSpace(object.Message) + " " + object.Details)), object.Message != ""
}

// cut makes a foreign text short enough for a message.
func cut(text string) string { return file.Cut(text, 300) }

// printable escapes characters that a terminal or a log would not show as they are. A byte that is not UTF-8 becomes
// U+FFFD.
func printable(text string) string { return file.Escape(string([]rune(text))) }
