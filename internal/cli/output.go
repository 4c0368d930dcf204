package cli

import (
	"bytes"
	"errors"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// errUnread says that nobody reads what is printed, as behind `| head`. It is no failure of the command.
var errUnread = errors.New("nobody reads this any more")

// output prints for people and scripts. On a terminal it breaks long lines between words. Elsewhere lines stay whole,
// for grep. It waits until somebody reads, but once the program was told to stop no longer than unreadPatience.
type output struct {
	io.Writer
	stop  <-chan struct{} // closed once the program was told to stop; nil: never
	width int             // of the terminal in columns; 0: none
	rest  []byte          // on a terminal: of a line whose end has not come yet
}

// unreadPatience is how long a program that was told to stop waits for somebody to read what it prints.
const unreadPatience = time.Second

func newOutput(w io.Writer, stop <-chan struct{}) *output {
	out := &output{Writer: w, stop: stop}
	if file, ok := w.(*os.File); ok && onTerminal(file) {
		if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil {
			out.width = int(size.Col)
		}
	}
	return out
}

// Write implements io.Writer; the error is errUnread if nobody reads any more.
func (o *output) Write(text []byte) (int, error) {
	lines := text
	if o.width > 0 {
		o.rest = append(o.rest, text...)
		end := bytes.LastIndexByte(o.rest, '\n') + 1
		var broken strings.Builder
		for line := range strings.Lines(string(o.rest[:end])) {
			broken.WriteString(wrap(line, o.width))
		}
		o.rest, lines = o.rest[end:], []byte(broken.String())
	}
	if err := o.print(lines); errors.Is(err, syscall.EPIPE) {
		return 0, errUnread
	} else if err != nil {
		return 0, err
	}
	return len(text), nil
}

// print writes in a goroutine of its own: where nobody reads, a write never ends.
func (o *output) print(lines []byte) error {
	lines = bytes.Clone(lines) // which the caller uses again
	printed := make(chan error, 1)
	go func() {
		_, err := o.Writer.Write(lines)
		printed <- err
	}()
	select {
	case err := <-printed:
		return err
	case <-o.stop:
	}
	select {
	case err := <-printed:
		return err
	case <-time.After(unreadPatience):
		return errUnread
	}
}

// whole is for what must not be broken into lines, such as JSON, and the one line of a plugin.
func whole(w io.Writer) io.Writer {
	if out, ok := w.(*output); ok {
		return &output{Writer: out.Writer, stop: out.stop}
	}
	return w
}

// wrap breaks a line between words, so that no part is wider than width, unless a single word is. What does not fit
// goes below the beginning of the last column, or is indented.
func wrap(line string, width int) string {
	line, end := strings.CutSuffix(line, "\n")
	if columns(line) > width {
		line = wrapped(strings.Split(line, " "), hang(line, width*2/3), width)
	}
	if end {
		line += "\n"
	}
	return line
}

func wrapped(words []string, indent, width int) string {
	var out strings.Builder
	at, spaces := 0, -1 // the column that was reached, and how many spaces are before the next word
	for i, word := range words {
		spaces++
		if word == "" {
			continue
		}
		needs := columns(word)
		if rest := strings.Join(words[i:], " "); spaces > 1 && !gaps().MatchString(rest) {
			// The last column stays together.
			needs = min(columns(rest), width-indent)
		}
		if at > indent && at+spaces+needs > width {
			out.WriteByte('\n')
			at, spaces = 0, max(0, min(indent, width-columns(word)))
		}
		out.WriteString(strings.Repeat(" ", spaces) + word)
		at, spaces = at+spaces+columns(word), 0
	}
	return out.String()
}

// hang is where the last column of a line begins. Columns that begin beyond most do not count; if there is only one, it
// is two further in than the line. Columns are two spaces apart or more.
func hang(line string, most int) int {
	first := len(line) - len(strings.TrimLeft(line, " "))
	last := first + 2
	for _, gap := range gaps().FindAllStringIndex(line, -1) {
		if at := columns(line[:gap[1]]); at > first && at <= most {
			last = at
		}
	}
	return last
}

// Most invocations print nothing, so these are made when they are needed.
var (
	gaps    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`  +`) })
	escapes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]") }) // colours, and the like
)

// columns is how wide text is on a terminal.
func columns(text string) int { return utf8.RuneCountInString(escapes().ReplaceAllString(text, "")) }
