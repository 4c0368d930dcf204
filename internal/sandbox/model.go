package sandbox

import (
	"slices"
	"strings"
	"time"
)

// host is a host record of Foreman.
type host struct {
	id     int
	cn     string // Foreman's certname
	name   string // usually the same
	barred bool
}

// row is a row of Foreman's table dlmlocks. Its column name has no unique
// index (foreman_dlm's migration 20170824084100 asks for one in a way that
// makes none), so two rows can have the same.
type row struct {
	id               int
	name             string
	holder           *host
	enabled          bool
	created, updated time.Time
}

// addHost makes a host record; its name is the CN. The caller holds mu, or
// is New.
func (s *Server) addHost(cn string) *host {
	s.hostID++
	h := &host{id: s.hostID, cn: cn, name: cn}
	s.hosts[cn] = h
	return h
}

// knownHost finds the host of a certificate; nil if there is none. The case of a CN matters to Foreman. The caller
// holds mu.
func (s *Server) knownHost(cn string) *host {
	h, met := s.hosts[cn]
	if !met && cn != "" && s.opts.Hosts == nil {
		return s.addHost(cn)
	}
	return h
}

// insert adds a free, enabled row, even if there are others with this name. The caller holds mu.
func (s *Server) insert(name string) *row {
	s.rowID++
	now := time.Now()
	r := &row{id: s.rowID, name: name, enabled: true, created: now, updated: now}
	s.rows = append(s.rows, r)
	return r
}

// destroyed reports whether r has been removed. The caller holds mu.
func (s *Server) destroyed(r *row) bool { return !slices.Contains(s.rows, r) }

// named finds the first row of this name. The caller holds mu.
func (s *Server) named(name string) *row {
	for _, r := range s.rows {
		if r.name == name {
			return r
		}
	}
	return nil
}

// invalid reports whether the validation of r would fail because another row has its name. Then no update is made, and
// Foreman ignores that (dlmlock.rb:99-105). The caller holds mu.
func (s *Server) invalid(r *row) bool {
	return slices.ContainsFunc(s.rows, func(o *row) bool { return o != r && o.name == r.name })
}

// find looks up a lock as Foreman does: first by id ("1st-floor" counts as 1: parameterizable.rb:14-16, id.to_i), and
// only then by name. The caller holds mu.
func (s *Server) find(in *request, name string) *row {
	found := s.named(name)
	if id := toI(name); id > 0 {
		for _, r := range s.rows {
			if r.id == id {
				found = r
			}
		}
	}
	if found == nil || !in.inScope(found) {
		return nil
	}
	return found
}

// findOrCreate finds a lock, or makes it. White space is stripped only here (Foreman's strip_whitespace). So a name
// with white space is not found the second time, and can't be made again either: the result is nil. Between the
// validation and the insert it waits for the race window, so two requests can both insert, unless the guard refuses
// that: then there is an answer. The caller holds mu, which is unlocked meanwhile.
func (s *Server) findOrCreate(in *request, name string) (*row, *answer) {
	if r := s.find(in, name); r != nil {
		return r, nil
	}
	name = strip(name)
	if strings.TrimSpace(name) == "" || s.named(name) != nil { // Rails calls all of Unicode's white space blank
		return nil, nil
	}
	s.dwell(in, BeforeWrite)
	if a := s.nameTaken(name); a != nil {
		return nil, a
	}
	return s.insert(name), nil
}

// strip is Ruby's String#strip.
func strip(name string) string { return strings.Trim(name, " \t\n\v\f\r\x00") }

// dwell unlocks mu and waits, for the time of a gap. The caller holds mu.
func (s *Server) dwell(in *request, gap Gap) {
	var window time.Duration
	switch {
	case s.opts.Window != nil:
		window = s.opts.Window(in.ctx, in.cn, in.method, gap)
	case gap == BeforeWrite:
		window = s.opts.RaceWindow
	}
	if window <= 0 {
		return
	}
	s.mu.Unlock()
	defer s.mu.Lock()
	Pause(in.ctx, window)
}

// body is the lock in an answer. h is the host that asks, if the answer should say whether it is the holder.
func (r *row) body(h *host) lockBody {
	l := lockBody{
		CreatedAt: stamp(r.created), UpdatedAt: stamp(r.updated), ID: r.id, Name: r.name,
		Enabled: r.enabled, Type: updateType,
	}
	if r.holder == nil {
		return l
	}
	id := r.holder.id
	l.HostID, l.Host = &id, &hostBody{Name: r.holder.name}
	if h != nil {
		self := r.holder == h
		l.Host.Self = &self
	}
	return l
}

// toI is Ruby's String#to_i: leading white space, a sign, and digits with single underscores between them. The rest is
// ignored; 0 if there is no number. Beyond int4 it is 0 too: Foreman then finds nothing by id.
func toI(s string) int {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	negative := strings.HasPrefix(s, "-")
	if negative || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	const maxInt4 = 1<<31 - 1
	n := 0
	for i, c := range []byte(s) {
		switch {
		case c >= '0' && c <= '9':
			n = n*10 + int(c-'0')
		case c == '_' && i > 0 && s[i-1] != '_':
			continue
		default:
			return sign(n, negative)
		}
		if n > maxInt4 {
			return 0
		}
	}
	return sign(n, negative)
}

func sign(n int, negative bool) int {
	if negative {
		return -n
	}
	return n
}
