package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDocument: the document says what the tests try today.
func TestDocument(t *testing.T) {
	old, err := os.ReadFile(filepath.Join("../..", document))
	if err != nil {
		t.Fatal(err)
	}
	want, err := rewrite(string(old), "../..")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(string(old), "\n")); diff != "" {
		t.Errorf("run `make docs-bad-input` (-want +got):\n%s", diff)
	}
}

// TestCollect: what is read from a script and from a test, and what is refused.
func TestCollect(t *testing.T) {
	tests := []struct {
		name, script, table string
		want                []row
		fails               string
	}{
		{name: "a script",
			script: "#: Hooks | it fails\ncp x y\nexits 1 foreman-dlm-updater -c config.ini\n" +
				"stderr 'the hook.s code: exit [0-9]+ \\(.*\\)'\n! stderr 'hook started'\n" +
				"foreman held-by\n\n# no entry\nexits 2 foreman-dlm-updater\n",
			want: []row{{"it fails", "exit 1; `the hook's code: exit N ( … )`; no hook runs; the lock is free afterwards"}}},
		{name: "a script that asserts nothing", script: "#: Hooks | it fails\ncp x y\n", fails: "says nothing"},
		{name: "a section that isn't there", script: "#: Nothing | it fails\nexits 1 foreman-dlm-updater\n",
			fails: "is no section"},
		{name: "a table",
			table: "//bad:Hooks: name err says\nfor range []struct{ name string; n int; err error; says string }{\n" +
				"{\"a\", 1, ErrX, \"b\" + c + d()}, {\"fine\", 2, nil, \"\"}, {name: \"e\\n\", says: \"\\x1b\\\"\\xff\"}} {}",
			want: []row{{"a", "ErrX: `bconstant…`"}, {"`\"e\\n\"`", "`\\x1b\"\\xff`"}}},
		{name: "a map",
			table: "//bad:Hooks: key want\n_ = map[string]struct{ want []string }{\"a\": {[]string{\"b\", \"c\"}}}",
			want:  []row{{"a", "`b`, `c`"}}},
		{name: "no table", table: "//bad:Hooks: name says", fails: "a table below"},
		{name: "no such field", table: "//bad:Hooks: name says\n_ = []struct{ a string }{{\"b\"}}", fails: "no entries"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			source := "package x\n\nconst c = \"constant\"\n\nfunc TestX() {\n" + tt.table + "\n}\n"
			for path, text := range map[string]string{"cmd/a/testdata/b.txtar": tt.script, "internal/c/d_test.go": source} {
				path = filepath.Join(root, path)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			groups, err := collect(root)
			if tt.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fails) {
					t.Errorf("got %v", err)
				}
				return
			}
			var got []row
			for _, g := range groups {
				got = append(got, g.rows...)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(row{})); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestItem: long entries take several lines, none of which begins as a list or a heading does.
func TestItem(t *testing.T) {
	long := strings.Repeat("word ", 23)
	got := item(row{"it fails", long + "#! - is kept"})
	want := "- **it fails**:\n  " + long + "#! -\n  is kept\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := item(row{"`\"x\"`", "fails"}); got != "- `\"x\"`:\n  fails\n" {
		t.Errorf("%q", got)
	}
}
