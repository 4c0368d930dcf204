package process

import (
	"strings"

	"foreman-dlm-updater/internal/file"
)

const (
	tailLines = 40
	tailWidth = 300 // characters of a line; the log has the rest
)

// A line of standard output that begins with noteMark is a note: something that people have to find again after the
// process, such as how to undo what it did.
const (
	noteMark = "DLM_NOTE: "
	maxNotes = 8 // of one process; more are only logged
)

// note returns the text of a note, or "" if the line is none.
func note(line string) string {
	text, found := strings.CutPrefix(line, noteMark)
	if !found {
		return ""
	}
	return file.Cut(strings.TrimSpace(text), tailWidth)
}

// tail keeps the last lines of both streams, in the order in which they were logged.
type tail struct {
	ring []string
	next int // the oldest, once the ring is full
}

func (t *tail) add(line string) {
	line = file.Cut(line, tailWidth)
	if len(t.ring) < tailLines {
		t.ring = append(t.ring, line)
		return
	}
	t.ring[t.next] = line
	t.next = (t.next + 1) % tailLines
}

// lines returns the kept lines, the oldest first.
func (t *tail) lines() []string {
	return append(t.ring[t.next:len(t.ring):len(t.ring)], t.ring[:t.next]...)
}
