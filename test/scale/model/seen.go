package model

import (
	"net/http"
	"time"

	"foreman-dlm-updater/internal/dlm/dlmtest"
)

// Seen is what a stand-in server has on record of a fleet that began then.
func Seen(server *dlmtest.Server, began time.Time) (r Result) {
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
		case dlmtest.EventAcquire:
			if r.Acquires++; !free.IsZero() {
				r.Idle = append(r.Idle, event.Time.Sub(free))
			}
			free = time.Time{}
		case dlmtest.EventFail:
			r.Fails++
		case dlmtest.EventRelease:
			r.Releases++
			free, r.Took = event.Time, event.Time.Sub(began)
		}
	}
	return r
}
