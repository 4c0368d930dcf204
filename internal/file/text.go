package file

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Escape turns bytes into text that can be logged and shown: a byte that is not UTF-8 becomes \xNN, and an unprintable
// character becomes Go's escape for it (\t, \x1b, \u202e). unicode.IsPrint decides what is printable, as in hclog's own
// quoting, which therefore finds nothing to escape a second time. A backslash stays as it is: whoever reads a log wants
// to see what the hook said, and nobody turns the text back into bytes.
func Escape[T string | []byte](text T) string { return EscapeBut(text, "") }

// EscapeBut is Escape, but leaves the characters in but as they are, newlines for instance.
func EscapeBut[T string | []byte](text T, but string) string {
	if plain(text) {
		return string(text)
	}
	s := string(text)
	out := make([]byte, 0, len(s)+len(s)/4)
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, `\x%02x`, s[0])
		case unicode.IsPrint(r) || strings.ContainsRune(but, r):
			out = append(out, s[:size]...)
		default:
			quoted := strconv.QuoteRune(r)
			out = append(out, quoted[1:len(quoted)-1]...)
		}
		s = s[size:]
	}
	return string(out)
}

// plain reports whether text is all printable ASCII.
func plain[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Cut shortens text to a number of characters, and marks the cut with "...". The rest does not stay in memory.
func Cut(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	end := 0
	for range most {
		_, size := utf8.DecodeRuneInString(text[end:])
		end += size
	}
	return strings.Clone(text[:end]) + "..."
}

// CutBytes shortens text to a number of bytes, and marks the cut with "...". It cuts no character in two.
func CutBytes(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// Quote quotes the first bytes of foreign content with %q, for a message.
func Quote(content []byte, most int) string {
	if len(content) > most {
		return fmt.Sprintf("%q...", content[:most])
	}
	return fmt.Sprintf("%q", content)
}

// Shown is a name that is safe to show: quoted if it could play tricks on a terminal.
func Shown(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// ShellWord quotes a path as one word for the shell. A path with unprintable characters becomes $'…' (bash, POSIX
// 2024), so that the word can also be shown.
func ShellWord(path string) string {
	const plain = "+,-./:@_" // beside letters and digits
	odd := func(r rune) bool {
		return !strings.ContainsRune(plain, r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}
	switch {
	case path != "" && strings.IndexFunc(path, odd) < 0:
		return path
	case Escape(path) == path:
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	default:
		return "$'" + Escape(strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(path)) + "'"
	}
}

// Cause is an error without its operation and path, for a message that already names them.
func Cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
