package config

import (
	"errors"
	"fmt"
	"strings"
)

const (
	maxDepth      = 10      // configparser.MAX_INTERPOLATION_DEPTH
	maxReferences = 1000    // in one value; Python has no limit, and would take for ever
	maxExpanded   = 1 << 16 // bytes of one value; Python has no limit here either
)

// expansion interpolates one value, by the rules of Python's BasicInterpolation.
type expansion struct {
	doc        *document
	out        strings.Builder
	references int
}

// interpolate returns the value of e with %% and %(key)s replaced.
func (d *document) interpolate(e entry) (string, error) {
	x := &expansion{doc: d}
	if err := x.expand(e, 1); err != nil {
		return "", err
	}
	if x.out.Len() > maxExpanded {
		return "", fmt.Errorf("is longer than %d bytes; shorten it", maxExpanded)
	}
	return x.out.String(), nil
}

func (x *expansion) expand(e entry, depth int) error {
	if depth > maxDepth && strings.Contains(e.value, "%") {
		return fmt.Errorf("%%(%s)s goes round in a circle, or more than %d keys deep; write the value out", e.name, maxDepth)
	}
	rest := e.value
	for {
		text, after, found := strings.Cut(rest, "%")
		x.out.WriteString(text)
		switch {
		case !found:
			return nil
		case x.out.Len() > maxExpanded:
			return fmt.Errorf("gets longer than %d bytes by interpolation; write the value out", maxExpanded)
		case strings.HasPrefix(after, "%"):
			x.out.WriteByte('%')
			rest = after[1:]
			continue
		}
		name, behind, err := reference(after)
		if err != nil {
			return fmt.Errorf("%w%s", err, x.where(e, depth))
		}
		if err := x.refer(name, e, depth); err != nil {
			return err
		}
		rest = behind
	}
}

// refer replaces a reference in e by the value of the key called name.
func (x *expansion) refer(name string, e entry, depth int) error {
	x.doc.used[name] = true
	if x.references++; x.references > maxReferences {
		return errors.New("has too many %(key)s; write the value out")
	}
	to, ok := x.doc.lookup(name)
	if !ok {
		return fmt.Errorf("%%(%s)s refers to a key that is not there%s; add the key, or write %%%% for a plain %%",
			name, x.where(e, depth))
	}
	return x.expand(to, depth+1)
}

// where names the key that the mistake is in, unless it is the one being read.
func (x *expansion) where(e entry, depth int) string {
	if depth == 1 {
		return ""
	}
	return fmt.Sprintf(" (in %s, line %d)", e.name, e.line)
}

// reference splits the text after a % into the lower-case key that it refers to, and the rest.
func reference(after string) (name, rest string, err error) {
	inner, isReference := strings.CutPrefix(after, "(")
	name, rest, closed := strings.Cut(inner, ")")
	rest, typed := strings.CutPrefix(rest, "s")
	if !isReference || name == "" || !closed || !typed {
		return "", "", fmt.Errorf("%q is no %%(key)s; write %%%% for a plain %%", "%"+after)
	}
	return strings.ToLower(name), rest, nil
}
