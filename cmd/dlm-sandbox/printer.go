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
	status := "no answer"
	if r.Status != 0 {
		status = strconv.Itoa(r.Status)
	}
	what := r.Name
	if what == "" {
		what = r.Path
	}
	line := fmt.Sprintf("%s %s %s %s -> %s",
		r.Time.Add(r.Duration).Format(time.TimeOnly), who(r), r.Method, printable(what), status)
	if l, ok := s.Lock(r.Name); ok {
		line += ", " + condition(l)
	}
	p.line(line)
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
