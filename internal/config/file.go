package config

import (
	"io/fs"
	"os"
	"syscall"

	"foreman-dlm-updater/internal/file"

	"github.com/kballard/go-shellquote"
)

// maxSize is the largest file that is read, in bytes.
const maxSize = 1 << 20

// readFile returns the content of the regular file at path. It follows a symbolic link. It reports an owner or a mode
// that lets others write the file.
func readFile(path string, r *report) ([]byte, error) {
	f, err := file.Open(path)
	if err != nil {
		return nil, file.Cause(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, file.Cause(err)
	}
	vet(r, info, os.Geteuid())
	data, err := file.Content(f, maxSize)
	if err != nil {
		return nil, file.Cause(err)
	}
	return data, nil
}

// vet reports an owner other than root and euid, and write permission for group and others. If an access list lets
// anybody else write, the group bits say so: they are the list's mask (acl(5)).
func vet(r *report, info fs.FileInfo, euid int) {
	const why = "can change it, and it names commands that run as root"
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != euid {
		r.errorf(0, "", "its owner, uid %d, %s; run: %s", st.Uid, why, shellquote.Join("chown", "root:", r.file))
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		r.errorf(0, "", "its mode is %04o, so others %s; run: %s", mode, why, shellquote.Join("chmod", "go-w", r.file))
	}
}
