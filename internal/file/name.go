package file

import "strings"

// leftovers are the suffixes of files that editors and package managers leave behind. .rpmsave, .rpmnew, .rpmorig:
// rpm(8); a trailing ~ is emacs's, .swp vim's, .rej and .orig patch's.
var leftovers = []string{"~", ".bak", ".orig", ".rej", ".swp", ".rpmsave", ".rpmnew", ".rpmorig"}

// Leftover reports whether a file of this name is hidden, or was left behind by an editor or a package manager. Whoever
// reads all files of a directory skips such files.
func Leftover(name string) bool {
	if strings.HasPrefix(name, ".") || strings.Contains(name, ".dpkg-") || strings.Contains(name, ".ucf-") {
		return true
	}
	for _, suffix := range leftovers {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
