package model

import (
	"net/http"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// Seen is the result of a fleet that began then, from the records of a stand-in server.
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
	var free time.Time
	for _, event := range server.Events() {
		switch event.Kind {
		case sandbox.EventAcquire:
			if r.Acquires++; !free.IsZero() {
				r.Idle = append(r.Idle, event.Time.Sub(free))
			}
			free = time.Time{}
		case sandbox.EventFail:
			r.Fails++
		case sandbox.EventRelease:
			r.Releases++
			free, r.Took = event.Time, event.Time.Sub(began)
		}
	}
	return r
}
