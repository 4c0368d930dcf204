package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"foreman-dlm-updater/internal/file"
)

func TestMode(t *testing.T) {
	for _, mode := range []os.FileMode{0o400, 0o600, 0o644, 0o755, 0o660, 0o602, 0o666} {
		file := write(t, minimal)
		if err := os.Chmod(file, mode); err != nil { // not by the umask's leave
			t.Fatal(err)
		}
		_, problems, err := Load(file, hookStages)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if mode&0o022 != 0 {
			want = []string{fmt.Sprintf("FILE: its mode is %04o, so others can change it, "+
				"and it names commands that run as root; run: chmod go-w FILE", mode)}
		}
		if diff := cmp.Diff(want, texts(file, problems)); diff != "" {
			t.Errorf("%04o: %s", mode, diff)
		}
	}
}

// stranger is a file's information with another owner.
type stranger struct {
	fs.FileInfo
	uid uint32
}

func (s stranger) Sys() any { return &syscall.Stat_t{Uid: s.uid} }

func TestOwner(t *testing.T) {
	info, err := os.Stat(write(t, minimal))
	if err != nil {
		t.Fatal(err)
	}
	const other = "/etc/a b.ini: its owner, uid 1001, can change it, and it names commands that run as root; run: " +
		"chown root: '/etc/a b.ini'"
	for _, tt := range []struct {
		uid  uint32
		euid int
		want []string
	}{
		{0, 0, nil}, {0, 1000, nil}, {1000, 1000, nil}, {1001, 0, []string{other}}, {1001, 1000, []string{other}},
	} {
		r := &report{file: "/etc/a b.ini"}
		vet(r, stranger{info, tt.uid}, tt.euid)
		if diff := cmp.Diff(tt.want, texts("-", r.problems)); diff != "" {
			t.Errorf("uid %d seen by %d: %s", tt.uid, tt.euid, diff)
		}
	}
}

func TestOwnerOnDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to give a file away")
	}
	file := write(t, minimal+"lock_settle = 0\n")
	if err := os.Chown(file, 65534, -1); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.ini")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, link} { // a link's own owner, root, doesn't count
		c, problems, err := Load(name, hookStages)
		want := []string{
			"FILE: its owner, uid 65534, can change it, and it names commands that run as root; run: chown root: FILE",
			"FILE:6: lock_settle: 0 is refused; a time above 0, such as 30s, would be right",
		}
		if diff := cmp.Diff(want, texts(name, problems)); diff != "" || err != nil || c != nil {
			t.Error(c, err, diff)
		}
	}
}

func TestSymlink(t *testing.T) {
	file := write(t, minimal)
	link := filepath.Join(t.TempDir(), "link.ini")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	c, problems, err := Load(link, hookStages)
	if err != nil || problems != nil || c.Path != link {
		t.Errorf("config %v, problems %v, error %v", c, problems, err)
	}
}

func TestRelativeConfigPath(t *testing.T) {
	file := write(t, minimal+"lock_settle = 0\n")
	t.Chdir(filepath.Dir(file))
	_, problems, err := Load("./config.ini", hookStages)
	if err != nil || len(problems) != 1 || problems[0].File != file {
		t.Errorf("problems %v, error %v; want one in %s", problems, err, file)
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	long := write(t, minimal+strings.Repeat("#\n", maxSize/2))
	//bad:Configuration: name text
	for _, tt := range []struct {
		name, path string
		is         error
		text       string
	}{
		{"absent", dir + "/none", fs.ErrNotExist, "read config " + dir + "/none: no such file or directory"},
		{"directory", dir, file.ErrNotRegular, "read config " + dir + ": not a regular file (it is a directory)"},
		{"FIFO", fifo, file.ErrNotRegular, "read config " + fifo + ": not a regular file (it is a FIFO)"},
		{"device", "/dev/null", file.ErrNotRegular, "read config /dev/null: not a regular file (it is a device)"},
		{"too long", long, file.ErrTooLong, "read config " + long + ": too long (more than 1048576 bytes)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				_, _, err := Load(tt.path, hookStages)
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || err.Error() != tt.text || tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("error %v; want %s", err, tt.text)
				}
			case <-time.After(time.Minute):
				t.Fatal("hangs")
			}
		})
	}
}

func TestNoPermission(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	file := write(t, minimal)
	if err := os.Chmod(file, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(file, hookStages); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v; want %v", err, fs.ErrPermission)
	}
}
