package hook

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCheckInterpreter(t *testing.T) {
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"python3": 0o755, "plain": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "10-x")
	const mend = ": install it, or correct the hook's first line; `chmod a-x "
	tests := []struct {
		name, text, want string
	}{
		{"shell", "#!/bin/sh\nexit 0\n", ""},
		{"blanks and an argument", "#!  /bin/sh -e\n", ""},
		{"no line end", "#!/bin/sh", ""},
		{"program", "\x7fELF\x02", ""},
		{"env", "#!/usr/bin/env python3\n", ""},
		{"env with an option and a variable", "#!/usr/bin/env -S LANG=C python3 -u\n", ""},
		{"env alone", "#!/usr/bin/env\n", ""},
		{"missing", "#!/no/such/thing -e\n", `interpreter "/no/such/thing": no such file or directory` + mend},
		{"a directory", "#!" + dir + "\n", `interpreter "` + dir + `" is not executable` + mend},
		{"not executable", "#!" + dir + "/plain\n", `interpreter "` + dir + `/plain" is not executable` + mend},
		{"env doesn't find it", "#!/usr/bin/env ruby\n", `command "ruby" not found in PATH "` + dir + `"` + mend},
		{"env finds no program", "#!/usr/bin/env plain\n", `command "plain" not found in PATH "` + dir + `"` + mend},
		{"no first line", "exit 0\n", "it names no interpreter: there is no #! line at its beginning" + mend},
		{"nothing in it", "", "it names no interpreter: there is no #! line at its beginning" + mend},
		{"nothing in the line", "#!\n/bin/sh\n", "it names no interpreter: there is no #! line at its beginning" + mend},
		{"DOS", "#!/bin/sh\r\nexit 0\r\n", "the lines of the file end as in DOS; mend it with: sed -i 's/\\r$//' " + file},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(test.text), 0o755); err != nil {
				t.Fatal(err)
			}
			want := test.want
			if want != "" {
				want = file + ": " + want
			}
			if want != "" && test.name != "DOS" {
				want += file + "` disables the hook"
			}
			got := ""
			if o, bad := CheckInterpreter(Hook{Name: "10-x", Path: file}, []string{"PATH=" + dir}); bad {
				got = o.String()
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
