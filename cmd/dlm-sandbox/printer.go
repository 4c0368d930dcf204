package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/sandbox"
)

// printer writes whole lines, from any goroutine.
type printer struct {
	mu  sync.Mutex
	out io.Writer
}

func newPrinter(out io.Writer) *printer { return &printer{out: out} }

func (p *printer) line(s string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.out, s) // nobody may be reading, which is no error
}

// Write prints the messages of the network server, such as refused TLS handshakes.
func (p *printer) Write(b []byte) (int, error) {
	p.line(time.Now().Format(time.TimeOnly) + " " + strings.TrimSpace(string(b)))
	return len(b), nil
}

// request prints a request that may have changed something or was refused, and the lock's new state.
func (p *printer) request(s *sandbox.Server, r sandbox.Request) {
	reading := r.Method == http.MethodGet || r.Method == http.MethodHead
	if reading && r.Status == http.StatusOK {
		return
	}
	what := r.Name
	if what == "" {
		what = r.Path
	}
	line := fmt.Sprintf("%s %s %s %s -> %s",
		r.Time.Add(r.Duration).Format(time.TimeOnly), who(r), r.Method, printable(what), status(r.Status))
	if l, ok := s.Lock(r.Name); ok {
		line += ", " + condition(l)
	}
	p.line(line)
}

// fleetLockRequest prints a request, and the hosts that have the group's slots now.
func (p *printer) fleetLockRequest(s *fleetsandbox.Server, r fleetsandbox.Request) {
	what := printable(r.Path)
	if r.Call != "" && r.Group != "" {
		what = r.Call + " " + printable(r.Group)
	}
	line := fmt.Sprintf("%s %s %s %s -> %s", r.Time.Add(r.Duration).Format(time.TimeOnly), asker(r), r.Method, what,
		status(r.Status))
	if r.Lost {
		line += " (lost a race)"
	}
	if slots := s.Slots(r.Group); r.Group != "" && slots > 0 {
		line += ", " + occupied(r.Group, s.Holders(r.Group), slots)
	}
	p.line(line)
}

// asker is who sent a request: the id that it gives, and its certificate if that says something else.
func asker(r fleetsandbox.Request) string {
	switch {
	case r.ID == "" && r.CN == "":
		return "(nobody)"
	case r.ID == "":
		return printable(r.CN)
	case r.CN == "" || r.CN == r.ID:
		return printable(r.ID)
	}
	return printable(r.CN) + " as " + printable(r.ID)
}

func occupied(group string, holders []string, slots int) string {
	if len(holders) == 0 {
		return printable(group) + " is free"
	}
	var names []string
	for _, h := range holders {
		names = append(names, printable(h))
	}
	verb := " holds "
	if len(names) > 1 {
		verb = " hold "
	}
	return fmt.Sprintf("%s%s%s (%d of %d)", strings.Join(names, ", "), verb, printable(group), len(holders), slots)
}

func status(code int) string {
	if code == 0 {
		return "no answer"
	}
	return strconv.Itoa(code)
}

func who(r sandbox.Request) string {
	switch {
	case r.CN != "":
		return printable(r.CN)
	case r.User != "":
		return printable(r.User)
	}
	return "(no certificate)"
}

func condition(l sandbox.Row) string {
	name := printable(l.Name)
	text := name + " is free"
	if l.Holder != "" {
		text = printable(l.Holder) + " holds " + name
	}
	if !l.Enabled {
		text += " (disabled)"
	}
	return text
}

// printable quotes a name unless it is one printable word.
func printable(s string) string {
	bad := func(r rune) bool { return r == '"' || unicode.IsSpace(r) || !unicode.IsPrint(r) }
	if s == "" || strings.ContainsFunc(s, bad) {
		return strconv.Quote(s)
	}
	return s
}
