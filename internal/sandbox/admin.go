package sandbox

import (
	"encoding/json"
	"net/http"
	"time"
)

// admin is the user who may change locks without being a host.
const admin = "admin"

// destroyedBody is the lock in the answer to its destruction.
type destroyedBody struct {
	ID        int    `json:"id"`
	Name      string `json:"name"`
	Enabled   bool   `json:"enabled"`
	HostID    *int   `json:"host_id"`
	CreatedAt string `json:"created_at"`
	UpdatedAt string `json:"updated_at"`
}

// administer is PUT and DELETE of dlmlocks/NAME by the user admin. The caller
// holds mu.
func (s *Server) administer(in *request, name string) answer {
	r := s.find(in, name)
	if r == nil {
		return notFound("dlmlock", name)
	}
	if in.method == http.MethodDelete {
		s.destroy(r)
		const layout = "2006-01-02T15:04:05.000Z"
		l := r.body(nil)
		return answer{status: http.StatusOK, contentType: jsonUTF8, foreman: true, body: encode(destroyedBody{
			ID: r.id, Name: r.name, Enabled: r.enabled, HostID: l.HostID,
			CreatedAt: r.created.UTC().Format(layout), UpdatedAt: r.updated.UTC().Format(layout),
		})}
	}
	if s.invalid(r) {
		return notRecorded()
	}
	return s.edit(in, r)
}

// updateType is the only type of lock that the plugin has.
const updateType = "ForemanDlm::Dlmlock::Update"

// create is POST dlmlocks with {"dlmlock":{"name":...,"type":...}} by the user admin. It was never recorded: Foreman's
// API answers its other resources with 201, and with 422 for a name that does not pass the validation (dlmlock.rb:22).
// The caller holds mu.
func (s *Server) create(in *request) answer {
	var ask struct {
		Dlmlock struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"dlmlock"`
	}
	if json.Unmarshal(in.body, &ask) != nil || ask.Dlmlock.Type != updateType {
		return notRecorded()
	}
	name := strip(ask.Dlmlock.Name)
	switch {
	case name == "":
		return unprocessable("can't be blank")
	case s.named(name) != nil:
		return unprocessable("has already been taken")
	}
	a := showLock(s.insert(name).body(nil))
	a.status = http.StatusCreated
	return a
}

// unprocessable is the 422 for a lock whose name is wrong.
func unprocessable(why string) answer {
	var body struct {
		Error struct {
			ID       *int                `json:"id"`
			Errors   map[string][]string `json:"errors"`
			Messages []string            `json:"full_messages"`
		} `json:"error"`
	}
	body.Error.Errors = map[string][]string{"name": {why}}
	body.Error.Messages = []string{"Name " + why}
	return answer{status: http.StatusUnprocessableEntity, contentType: jsonUTF8, foreman: true, body: encode(body)}
}

// edit sets the fields in the body {"dlmlock":{"enabled":...,"host_id":...}}.
func (s *Server) edit(in *request, r *row) answer {
	var ask struct {
		Dlmlock map[string]json.RawMessage `json:"dlmlock"`
	}
	if len(in.body) > 0 && json.Unmarshal(in.body, &ask) != nil {
		return notRecorded()
	}
	enabled, holder := r.enabled, r.holder
	if raw, ok := ask.Dlmlock["enabled"]; ok && json.Unmarshal(raw, &enabled) != nil {
		return notRecorded()
	}
	if raw, ok := ask.Dlmlock["host_id"]; ok {
		var id *int
		if json.Unmarshal(raw, &id) != nil {
			return notRecorded()
		}
		holder = s.hostByID(id)
		if holder == nil && id != nil {
			return notRecorded()
		}
	}
	if a := s.taken(r, holder); a != nil {
		return *a
	}
	s.set(r, enabled, holder)
	return showLock(r.body(nil))
}

func (s *Server) hostByID(id *int) *host {
	for _, h := range s.hosts {
		if h != nil && id != nil && h.id == *id {
			return h
		}
	}
	return nil
}

// set writes an administrator's change, with its events. The caller holds mu.
func (s *Server) set(r *row, enabled bool, holder *host) {
	was := r.holder
	if r.enabled == enabled && was == holder {
		return
	}
	r.updated = time.Now()
	r.holder = holder
	if r.enabled != enabled {
		r.enabled = enabled
		kind := EventDisable
		if enabled {
			kind = EventEnable
		}
		s.log(kind, r, holder, admin)
	}
	s.logChange(r, was, holder, admin)
}

// destroy removes a row. The caller holds mu.
func (s *Server) destroy(r *row) {
	for i, o := range s.rows {
		if o == r {
			s.rows = append(s.rows[:i:i], s.rows[i+1:]...)
			return
		}
	}
}
