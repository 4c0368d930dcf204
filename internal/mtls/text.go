package mtls

import "foreman-dlm-updater/internal/file"

// cut makes a foreign text short enough for a message.
func cut(text string) string { return file.Cut(text, 300) }

// printable escapes characters that a terminal or a log would not show as they are. A byte that is not UTF-8 becomes
// U+FFFD.
func printable(text string) string { return file.Escape(string([]rune(text))) }
