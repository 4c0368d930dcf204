package foreman

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"
)

// failure is an error of the API, with what it proves.
type failure struct {
	public lock.Error // what everybody may know
	kind   error      // dlm's; nil: none of these
	// passes: it proves nothing, and the next try may go better.
	passes bool
	// renewing: this host's own certificate or key can't be used, or the web server refuses it. That is certain at a first
	// look; where all was well before, the files may be in the middle of their renewal.
	renewing bool
	// retryAfter is how long the server wants to be left alone; 0: it didn't say.
	retryAfter time.Duration
}

func (f *failure) Error() string { return f.public.Error() }
func (f *failure) Unwrap() error { return &f.public }

// why is what is said of answers that prove nothing, in short.
var why = map[error]string{
	dlm.ErrUnavailable: "Foreman is unavailable",
	dlm.ErrNotForeman:  "the answer is not Foreman's",
	dlm.ErrWrongURL:    "there is no Foreman at foreman_url",
	dlm.ErrUntrusted:   "the server can't prove that it is Foreman",
	dlm.ErrCredentials: "this host's certificate or key can't be used",
	dlm.ErrRefused:     "Foreman's web server refuses this host's certificate",
}

// meanings are what the kinds of answers mean for whoever has to end with one.
var meanings = map[error]error{
	dlm.ErrUnavailable: lock.ErrUnavailable,
	dlm.ErrWrongURL:    lock.ErrMisconfigured,
	dlm.ErrCredentials: lock.ErrMisconfigured,
	dlm.ErrUntrusted:   lock.ErrRefused,
	dlm.ErrRefused:     lock.ErrRefused,
}

// meaning says what an error of the API proves; nil for nil.
func meaning(err error) error {
	if err == nil {
		return nil
	}
	f := &failure{public: lock.Error{Err: err, Next: next(err)}}
	var answer *dlm.Error
	if !errors.As(err, &answer) {
		return f
	}
	f.kind, f.public.Meaning = answer.Kind, meanings[answer.Kind]
	switch answer.Kind {
	case dlm.ErrUnavailable, dlm.ErrNotForeman, dlm.ErrWrongURL, dlm.ErrUntrusted:
		f.passes, f.retryAfter = true, answer.RetryAfter
	case dlm.ErrCredentials:
		f.renewing = true
	case dlm.ErrRefused:
		f.renewing = answer.Status == 0 // by the web server, before Foreman was asked who this host is
	}
	if f.passes || f.renewing {
		f.public.Why = why[answer.Kind]
	}
	if refusedByPage(answer) {
		f.public.Meaning = lock.ErrRefused
	}
	return f
}

// meaningOnce is meaning for a request that was not tried again, after a look that found nothing wrong: files that can't
// be used are in the middle of their renewal.
func meaningOnce(err error) error {
	err = meaning(err)
	var f *failure
	if errors.As(err, &f) && f.kind == dlm.ErrCredentials {
		f.passes, f.renewing = true, false
	}
	return err
}

// refusedByPage reports whether a web server refused with a page of its own, during maintenance or because of the
// certificate. Such a page is waited out like any odd answer. If the wait ends with one, the certificate is the likelier
// cause.
func refusedByPage(answer *dlm.Error) bool {
	return answer.Kind == dlm.ErrNotForeman &&
		slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, answer.Status)
}

// next says what to do about an error of the API; empty if its meaning says it.
func next(err error) string {
	var name *net.DNSError
	switch {
	case errors.Is(err, dlm.ErrDuplicate):
		return "an administrator must delete one of the duplicate locks in Foreman (Monitor > Distributed Locks, or the API); " +
			"until then nobody can take it"
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("correct foreman_url, or add %s to DNS or to /etc/hosts: the program asks nothing else that /etc/nsswitch.conf names "+
			"(`getent ahosts %[1]s` does)", name.Name)
	}
	return ""
}

func passes(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.passes
}

func renewing(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.renewing
}

// retryAfter is how long the server wants to be left alone; 0: it didn't say.
func retryAfter(err error) time.Duration {
	var f *failure
	if !errors.As(err, &f) {
		return 0
	}
	return f.retryAfter
}

func isNotNow(err error) bool { return errors.Is(err, dlm.ErrNotNow) }
func isNoLock(err error) bool { return errors.Is(err, dlm.ErrNoLock) }
