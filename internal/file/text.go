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

// Escape makes text of bytes that can be logged and shown: bytes that are not UTF-8 become \xNN, and what
// is no printable character its escape in Go (\t, \x1b, \u202e). Printable is what unicode.IsPrint says,
// as in hclog's own quoting of text, which therefore finds nothing to escape a second time. A backslash
// stays one: whoever reads a log wants to see what the hook said, and nobody turns the text back into bytes.
func Escape[T string | []byte](text T) string { return EscapeBut(text, "") }

// EscapeBut is Escape, and leaves the characters of but as they are: the newlines of a text, for instance.
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

// plain reports whether text is nothing but printable ASCII.
func plain[T string | []byte](text T) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

// Cut shortens text to a number of characters, says so with "...", and keeps nothing of the rest in memory.
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

// CutBytes shortens text to a number of bytes, and says so with "...". It cuts no character in two.
func CutBytes(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

// Quote quotes the first bytes of foreign content for a message, as %q does.
func Quote(content []byte, most int) string {
	if len(content) > most {
		return fmt.Sprintf("%q...", content[:most])
	}
	return fmt.Sprintf("%q", content)
}

// Shown is a name as a person may see it: quoted if it has anything in it that could play tricks on a terminal.
func Shown(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}

// ShellWord makes a path one word of the shell. With unprintable characters in it that is bash's and
// POSIX 2024's $'…', so that the word can be shown as well.
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

// Cause is an error without the operation and the path, for a message that has named them already.
func Cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
