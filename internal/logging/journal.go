package logging

import (
	"bytes"
	"io"

	"github.com/hashicorp/go-hclog"
)

// journal writes lines with the prefixes that tell the journal their priority: syslog's numbers in angle brackets
// (sd-daemon(3), SyslogLevelPrefix= in systemd.exec(5)). Every line has its own, because the journal takes each line as
// an entry.
type journal struct{ out io.Writer }

// Write is for entries without a level.
func (j journal) Write(p []byte) (int, error) { return j.LevelWrite(hclog.Info, p) }

// LevelWrite takes a whole entry, which may have several lines, and writes it at once.
func (j journal) LevelWrite(level hclog.Level, p []byte) (int, error) {
	prefix := priority(level)
	out := make([]byte, 0, len(p)+len(prefix)*(1+bytes.Count(p, []byte("\n"))))
	for line := range bytes.Lines(p) {
		out = append(out, prefix...)
		out = append(out, line...)
	}
	if _, err := j.out.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// priority is syslog's debug, info, warning or err.
func priority(level hclog.Level) string {
	switch level {
	case hclog.Error:
		return "<3>"
	case hclog.Warn:
		return "<4>"
	case hclog.Info:
		return "<6>"
	}
	return "<7>"
}
