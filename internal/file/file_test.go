package file

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, content string) {
		if err := os.WriteFile(at(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("whole", "12345")
	write("long", "123456")
	for _, err := range []error{os.Symlink("whole", at("link")), os.Symlink("gone", at("nowhere")),
		unix.Mkfifo(at("fifo"), 0o600),
		os.Symlink("/dev/zero", at("device")), os.Mkdir(at("dir"), 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]error{
		"whole": nil, "link": nil, "long": ErrTooLong, "fifo": ErrNotRegular, "device": ErrNotRegular, "dir": ErrNotRegular,
		"gone": fs.ErrNotExist, "nowhere": fs.ErrNotExist,
	} {
		t.Run(name, func(t *testing.T) {
			content, err := Read(at(name), 5)
			if want == nil && (err != nil || string(content) != "12345") {
				t.Fatalf("got %q, %v", content, err)
			}
			var path *fs.PathError
			if want != nil && (!errors.Is(err, want) || !errors.As(err, &path) || !strings.Contains(err.Error(), at(name))) {
				t.Fatalf("got %v, want %v", err, want)
			}
		})
	}
}
