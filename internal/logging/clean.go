package logging

import (
	"context"
	"fmt"
	"slices"
	"time"

	"foreman-dlm-updater/internal/file"

	"github.com/hashicorp/go-hclog"
)

// sink passes log entries to an output, escaped so that they are safe to show. hclog itself quotes most values, but not
// messages, names and keys, not bytes that are not UTF-8, and in JSON nothing beyond ASCII's control characters.
//
// hclog calls all sinks of a logger under one mutex. So Accept must not block: it would delay whoever logs, and the
// other outputs.
type sink struct {
	hclog.SinkAdapter
	root  hclog.Logger                  // its level counts: hclog gives every entry to the sinks
	queue *queue                        // the adapter writes to it
	edit  func(key, text string) string // Options.Edit
}

// Accept takes an entry of any level.
func (s *sink) Accept(name string, level hclog.Level, msg string, args ...interface{}) {
	if level < s.root.GetLevel() || !s.admit() {
		return
	}
	args = slices.Clone(args)
	if s.edit != nil {
		msg = s.edit("", msg)
		s.editValues(args)
	}
	for i := range args {
		if i%2 == 0 && i+1 < len(args) {
			args[i] = clean(fmt.Sprint(args[i]), false)
		} else {
			args[i] = cleanValue(args[i])
		}
	}
	s.SinkAdapter.Accept(clean(name, false), level, clean(msg, false), args...)
}

// editValues changes the values that are texts or errors.
func (s *sink) editValues(args []interface{}) {
	for i := 1; i < len(args); i += 2 {
		key, _ := args[i-1].(string)
		switch value := args[i].(type) {
		case string:
			args[i] = s.edit(key, value)
		case error:
			args[i] = s.edit(key, fmt.Sprint(value)) // even of a nil pointer
		}
	}
}

// admit reports whether there is room for an entry. If entries before it were lost, it logs that first.
func (s *sink) admit() bool {
	lost, ok := s.queue.admit()
	if ok {
		s.tellLost(lost)
	}
	return ok
}

func (s *sink) tellLost(lines int) {
	if lines > 0 {
		s.SinkAdapter.Accept("", hclog.Warn, "log lines lost: nobody read the log", "lines", lines)
	}
}

// close writes what is queued, and then how many lines were lost.
func (s *sink) close(ctx context.Context) error {
	s.tellLost(s.queue.missed())
	return s.queue.close(ctx)
}

// cleanValue leaves numbers as they are and turns the rest into text, the same in every format. Newlines stay: hclog
// indents and marks the lines of such a value.
func cleanValue(value interface{}) interface{} {
	switch v := value.(type) {
	case nil, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64,
		hclog.Hex, hclog.Octal, hclog.Binary, hclog.CapturedStacktrace:
		return value
	case string:
		return clean(v, true)
	case hclog.Quote:
		return hclog.Quote(clean(string(v), true))
	case []string:
		list := make([]string, len(v))
		for i, s := range v {
			list[i] = clean(s, true)
		}
		return list
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case hclog.Format:
		if format, ok := v[0].(string); ok {
			return clean(fmt.Sprintf(format, v[1:]...), true)
		}
	}
	return clean(fmt.Sprint(value), true)
}

// clean escapes unprintable characters. newlines says whether newlines stay as they are.
func clean(s string, newlines bool) string {
	if newlines {
		return file.EscapeBut(s, "\n")
	}
	return file.Escape(s)
}
