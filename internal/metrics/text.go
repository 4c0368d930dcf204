package metrics

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// This is Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/), as far as it is
// needed here. The libraries for it would cost 2 ms and 2 MB at each start, and most nights there is nothing to do.
// Tests compare this code with one of them.

// family is a metric with its samples. All are gauges.
type family struct {
	help    string
	label   string             // the label that tells the samples apart; empty if there is only one
	samples map[string]float64 // by the value of label
}

var (
	escapesHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapesLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// encode writes the families in the order of their names, each with the prefix. A family without samples is left out.
// Each sample also has the label lock.
func encode(lock string, families map[string]family) (text []byte, err error) {
	for _, short := range slices.Sorted(maps.Keys(families)) {
		name, f := prefix+short, families[short]
		if len(f.samples) == 0 {
			continue
		}
		text = fmt.Appendf(text, "# HELP %s %s\n# TYPE %[1]s gauge\n", name, escapesHelp.Replace(f.help))
		for _, value := range slices.Sorted(maps.Keys(f.samples)) {
			labels := "lock=" + quote(lock)
			if f.label != "" {
				labels += "," + f.label + "=" + quote(value)
			}
			if !utf8.ValidString(labels) {
				return nil, fmt.Errorf("metric %s: %q is not UTF-8", name, labels)
			}
			text = fmt.Appendf(text, "%s{%s} %s\n", name, labels, strconv.FormatFloat(f.samples[value], 'g', -1, 64))
		}
	}
	return text, nil
}

func quote(value string) string { return `"` + escapesLabel.Replace(value) + `"` }

// sample is a line of a file.
type sample struct {
	name   string
	labels map[string]string
	value  float64
}

// time turns the value of a moment back into a time.
func (s sample) time() time.Time { return time.UnixMilli(int64(s.value*1000 + 0.5)) }

var errForeign = errors.New("it holds something else; name a file that nothing else uses")

// decode reads what encode wrote. The error is errForeign if the text holds anything else.
func decode(text string) (samples []sample, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		s, ok := decodeLine(line)
		if !ok {
			return nil, errForeign
		}
		samples = append(samples, s)
	}
	return samples, nil
}

// decodeLine reads NAME{LABEL="VALUE",...} NUMBER; the labels may be missing.
func decodeLine(line string) (s sample, ok bool) {
	end := strings.IndexAny(line, "{ ")
	if end <= 0 {
		return s, false
	}
	s.name, s.labels = line[:end], map[string]string{}
	rest := line[end:]
	if rest[0] == '{' {
		for rest = strings.TrimSpace(rest[1:]); !strings.HasPrefix(rest, "}"); {
			name, after, _ := strings.Cut(rest, "=")
			quoted, err := strconv.QuotedPrefix(after) // Go has these escapes and more
			if err != nil {
				return s, false
			}
			if s.labels[name], err = strconv.Unquote(quoted); err != nil {
				return s, false
			}
			rest = strings.TrimPrefix(after[len(quoted):], ",")
		}
		rest = rest[1:]
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	s.value = value
	return s, err == nil
}
