package model

import (
	"net/http"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// Seen is the result of a fleet that began then, from the records of a stand-in server. What an administrator did is
// left out.
func Seen(server *sandbox.Server, began time.Time) (r Result) {
	for _, request := range server.Requests() {
		switch request.Method {
		case http.MethodGet:
			r.Gets++
		case http.MethodPut:
			r.Puts++
		case http.MethodDelete:
			r.Deletes++
		}
	}
	free := map[string]time.Time{} // since when a lock has been free
	for _, event := range server.Events() {
		if event.By == "admin" {
			continue
		}
		switch event.Kind {
		case sandbox.EventAcquire:
			r.Acquires++
			if since, ok := free[event.Lock]; ok {
				r.Idle = append(r.Idle, event.Time.Sub(since))
			}
			delete(free, event.Lock)
		case sandbox.EventFail:
			r.Fails++
		case sandbox.EventRelease:
			r.Releases++
			free[event.Lock], r.Took = event.Time, event.Time.Sub(began)
		}
	}
	return r
}
