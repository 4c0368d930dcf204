package cli

// The rules of the user interface. They hold for this file, and for all other code in this package that prints.
//
//   - Stdout has the answer that a command was asked for, and nothing else, for `command >file` and `command | grep`.
//     Errors, warnings, hints and the log go to stderr.
//   - A message on stderr begins with "foreman-dlm-updater: " and then "error: ", "warning: " (the command goes on) or
//     "hint: " (what to do next). An error comes once, at the end. Its hint is the last line, and says so if the lock
//     stays held. The type of the error decides the hint, not its text (hint in exit.go).
//   - Commands return errors. Only exitCode (exit.go) makes an exit code of one, and only main exits.
//   - A command that a person is to type names the configuration, unless that is the default (withConfig in exit.go).
//   - Foreign text (a hook's output, an answer of a server, a file) is quoted (%q), or loses its control characters: it
//     can't move the cursor or pretend to be a line of this program.
//   - On a terminal, long lines are broken between words. Elsewhere a message stays one line, for grep. JSON and the
//     line of the monitoring plugin are never broken (whole).
//   - Colours only on a terminal, and not with NO_COLOR or TERM=dumb (picture.go). They repeat what the words say.
//   - JSON is for programs, sentences are for people. Fields, codes and event names keep their meanings; sentences may
//     change. A program that reads sentences will break.
//   - Nothing blocks for ever, and nothing asks a question. If nobody reads any more (`| head`), a command ends without
//     an error. A reader that hangs can't keep a command alive after a signal (unreadPatience), nor delay a run.

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

// errUnread: nobody reads the output any more, as with `| head`. The command has not failed.
var errUnread = errors.New("nobody reads this any more")

// output prints for people and scripts. On a terminal it breaks long lines between words. Elsewhere lines stay whole,
// for grep. It waits until somebody reads; after a signal, for unreadPatience at most.
type output struct {
	io.Writer
	stop  <-chan struct{} // closed after a signal; nil: never
	width int             // of the terminal, in columns; 0 if there is none
	rest  []byte          // on a terminal: the beginning of a line that has no end yet
}

// unreadPatience is how long a program waits, after a signal, for somebody to read what it prints.
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

// print writes in a goroutine of its own, since a write to a reader that hangs never ends.
func (o *output) print(lines []byte) error {
	lines = bytes.Clone(lines) // the caller uses its slice again
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

// whole returns a writer that never breaks lines, for JSON and for the line of the monitoring plugin.
func whole(w io.Writer) io.Writer {
	if out, ok := w.(*output); ok {
		return &output{Writer: out.Writer, stop: out.stop}
	}
	return w
}

// wrap breaks a line between words, so that no part is wider than width, unless a single word is. The parts that follow
// are indented, to where the last column begins if there are columns.
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
	at, spaces := 0, -1 // the current column, and how many spaces come before the next word
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

// hang returns where the last column of a line begins, which is how far to indent what follows. Columns are at least
// two spaces apart. Columns that begin beyond most do not count. With a single column, it is two more than the line's
// indent.
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
	escapes = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]") }) // colours
)

// columns returns how wide a text is on a terminal.
func columns(text string) int { return utf8.RuneCountInString(escapes().ReplaceAllString(text, "")) }
