package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Letters for what is no stage.
const (
	waiting = 'w' // it has no slot yet
	stopped = '-' // it may not begin: another host has failed
	broken  = '!' // its run has failed
)

// letters are the stages that are drawn. needs_update is too short.
var letters = map[string]byte{"pre_update": 'P', "update": 'U', "needs_reboot": '?', "reboot": 'R', "post_update": 'S'}

const legend = `  w waits for a slot, or makes sure of it
%s! has failed, and keeps its slot
  guarded stages: P pre_update (stops the service), U update, ? needs_reboot,
  R reboot
  S post_update (starts the service)
  %s: the number of the host that holds it`

// legendFor explains the letters that can be seen.
func legendFor(l locks) string {
	mayNot := "  - may not begin: a host has failed        "
	if l.fleetLock {
		mayNot = "  "
	}
	return fmt.Sprintf(legend, mayNot, strings.Join(l.rows(), ", "))
}

// span is a stretch of a row of the timeline.
type span struct {
	row      string
	letter   byte
	from, to time.Duration
}

// columnFor is how much time one column stands for, so that the timeline fits on a terminal.
func columnFor(spans []span) time.Duration {
	const most, fine = 70, 50 * time.Millisecond
	var last time.Duration
	for _, s := range spans {
		last = max(last, s.to)
	}
	return max(2*fine, (last/most + fine - 1).Truncate(fine))
}

// timeline draws a row for each host and for each slot, and a legend.
func timeline(spans []span, l locks) string {
	column := columnFor(spans)
	var b strings.Builder
	b.WriteString(axis(spans, column))
	for _, row := range slices.Concat(hostNames, l.rows()) {
		fmt.Fprintf(&b, "  %-5s %s\n", row, draw(spans, row, column))
	}
	return b.String() + "\n" + legendFor(l) + "\n"
}

// axis is the line with the seconds, one label in twenty columns.
func axis(spans []span, column time.Duration) string {
	const every = 20
	var b strings.Builder
	fmt.Fprintf(&b, "  %-5s ", "")
	for i := 0; i < columns(spans, column); i += every {
		fmt.Fprintf(&b, "%-*s", every, fmt.Sprintf("|%gs", (time.Duration(i)*column).Seconds()))
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// columns is how many columns there are.
func columns(spans []span, column time.Duration) int {
	n := 0
	for _, s := range spans {
		n = max(n, int((s.to+column-1)/column))
	}
	return n
}

// draw draws one row. A column shows the span that takes up most of it. A span that takes up most of no column gets the
// column of its middle, so that no stage is missing. In the row of a slot such spans are left out: they are claims
// that were overwritten at once.
func draw(spans []span, row string, column time.Duration) string {
	cells := []byte(strings.Repeat(".", columns(spans, column)))
	shown := map[int]bool{}
	for i := range cells {
		if most, ok := fills(spans, row, time.Duration(i)*column, column); ok {
			cells[i], shown[most] = spans[most].letter, true
		}
	}
	for i, s := range spans {
		if s.row == row && !strings.HasPrefix(row, "slot") && !shown[i] {
			cells[min(int((s.from+s.to)/2/column), len(cells)-1)] = s.letter
		}
	}
	return string(cells)
}

// fills returns the span of a row that takes up most of a column. ok is false if the row's spans fill less than half of
// the column.
func fills(spans []span, row string, from, column time.Duration) (most int, ok bool) {
	var best, sum time.Duration
	for i, s := range spans {
		part := min(s.to, from+column) - max(s.from, from)
		if s.row != row || part <= 0 {
			continue
		}
		sum += part
		if part > best {
			most, best = i, part
		}
	}
	return most, sum >= column/2
}
