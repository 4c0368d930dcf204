package file

import "strconv"

// Shown is a name as a person may see it: quoted if it has anything in it that could play tricks on a terminal.
func Shown(name string) string {
	if quoted := strconv.Quote(name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
