package foreman

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/lock"
)

// why says in a few words what is wrong with answers that prove nothing.
var why = map[error]string{
	dlm.ErrUnavailable: "Foreman is unavailable",
	dlm.ErrNotForeman:  "the answer is not Foreman's",
	dlm.ErrWrongURL:    "there is no Foreman at foreman_url",
	dlm.ErrUntrusted:   "the server can't prove that it is Foreman",
	dlm.ErrCredentials: "this host's certificate or key can't be used",
	dlm.ErrRefused:     "Foreman's web server refuses this host's certificate",
}

// meanings are the meanings of the kinds of answers, for a caller that gives up because of one.
var meanings = map[error]error{
	dlm.ErrUnavailable: lock.ErrUnavailable,
	dlm.ErrWrongURL:    lock.ErrMisconfigured,
	dlm.ErrCredentials: lock.ErrMisconfigured,
	dlm.ErrUntrusted:   lock.ErrRefused,
	dlm.ErrRefused:     lock.ErrRefused,
}

// meaning says what follows from an error of the API; nil for nil.
func meaning(err error) error {
	if err == nil {
		return nil
	}
	e := &lock.Error{Err: err, Next: advice(err)}
	var answer *dlm.Error
	if !errors.As(err, &answer) {
		return e
	}
	e.Meaning = meanings[answer.Kind]
	switch answer.Kind {
	case dlm.ErrUnavailable, dlm.ErrNotForeman, dlm.ErrWrongURL, dlm.ErrUntrusted:
		e.Temporary, e.RetryAfter = true, answer.RetryAfter
	case dlm.ErrCredentials:
		e.Renewing = true
	case dlm.ErrRefused:
		e.Renewing = answer.Status == 0 // by the web server, before Foreman was asked who this host is
	}
	if e.Temporary || e.Renewing {
		e.Why = why[answer.Kind]
	}
	if refusedByPage(answer) {
		e.Meaning = lock.ErrRefused
	}
	return e
}

// meaningOnce is meaning for a request that follows a successful look and is not tried again: if the certificate or key
// can't be used now, somebody is renewing the files.
func meaningOnce(err error) error {
	err = meaning(err)
	var e *lock.Error
	if errors.As(err, &e) && errors.Is(err, dlm.ErrCredentials) {
		e.Temporary, e.Renewing = true, false
	}
	return err
}

// refusedByPage reports whether a web server refused with a page of its own. The cause may be maintenance or the
// certificate. The program waits, as after any odd answer; if it gives up, the certificate is the more likely cause.
func refusedByPage(answer *dlm.Error) bool {
	return answer.Kind == dlm.ErrNotForeman &&
		slices.Contains([]int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}, answer.Status)
}

// advice says what to do about an error of the API; empty: what its meaning suggests.
func advice(err error) string {
	var name *net.DNSError
	switch {
	case errors.Is(err, dlm.ErrDuplicate):
		return "an administrator must delete one of the duplicate locks in Foreman (Monitor > Distributed Locks, " +
			"or the API); until then nobody can take it"
	case errors.As(err, &name) && name.IsNotFound:
		return fmt.Sprintf("correct foreman_url, or add %s to DNS or to /etc/hosts: the program does not ask other sources "+
			"in /etc/nsswitch.conf, as `getent ahosts %[1]s` does", name.Name)
	}
	return ""
}

func isNotNow(err error) bool { return errors.Is(err, dlm.ErrNotNow) }
func isNoLock(err error) bool { return errors.Is(err, dlm.ErrNoLock) }
