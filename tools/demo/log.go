package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// logLine is a line of the updater's log, with the fields that the account needs.
type logLine struct {
	raw     string
	Level   string `json:"@level"`
	Message string `json:"@message"`
	Stage   string
	Why     string
}

// parseLogLine never fails: a line that is not JSON (a panic, a usage message) is kept as it is.
func parseLogLine(raw string) logLine {
	l := logLine{raw: raw}
	if json.Unmarshal([]byte(raw), &l) != nil {
		return logLine{raw: raw}
	}
	return l
}

// readable turns the line back into text: time, level, message, pairs.
func (l logLine) readable() string {
	var pairs map[string]any
	if json.Unmarshal([]byte(l.raw), &pairs) != nil {
		return l.raw
	}
	text := fmt.Sprintf("%v [%s] %s", pairs["@timestamp"], strings.ToUpper(l.Level), l.Message)
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if !strings.HasPrefix(key, "@") {
			text += fmt.Sprintf(" %s=%q", key, fmt.Sprint(pairs[key]))
		}
	}
	return text
}

func (h *host) readableLog() string {
	var b strings.Builder
	for _, l := range h.log {
		b.WriteString("  " + l.readable() + "\n")
	}
	return b.String()
}
