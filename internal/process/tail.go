package process

import "foreman-dlm-updater/internal/file"

const (
	tailLines = 40
	tailWidth = 300 // characters of a line; the log has the rest
)

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
