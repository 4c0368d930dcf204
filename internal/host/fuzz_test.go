package host

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// FuzzBoot: any content of the files that identify a boot gives an identity or an error.
func FuzzBoot(f *testing.F) {
	for _, s := range []string{"", "\n", "3f0e\n", "\x00", "1 (a) b) (c) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 x",
		"@u 3"} {
		f.Add([]byte(s))
	}
	file := filepath.Join(f.TempDir(), "boot_id")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if boot, err := ReadBoot(t.Context(), file); err == nil && boot.ID != string(bytes.TrimSpace(content)) ||
			err == nil && boot.ID == "" {
			t.Errorf("%q gave %+v", content, boot)
		}
		if n, err := startTime(content); err == nil && !bytes.Contains(content, strconv.AppendUint(nil, n, 10)) && n != 0 {
			t.Errorf("%q gave %d", content, n)
		}
		parseCount(string(content))
	})
}

// FuzzLockFile: a file is used as a lock file only if it is empty or holds a pid; otherwise it stays as it was.
func FuzzLockFile(f *testing.F) {
	for _, s := range []string{"", "\n", "123\n", "0123456789012345678901234567890123456789", "-1", "x",
		"                                 key"} {
		f.Add([]byte(s))
	}
	file := filepath.Join(f.TempDir(), "lock")
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		readPID(file)
		instance, err := Only(file, file+"-state")
		if err == nil {
			instance.Close()
		}
		after, readErr := os.ReadFile(file)
		if readErr != nil {
			t.Fatal(readErr)
		}
		old := string(bytes.TrimSpace(content))
		if _, notPID := strconv.Atoi(old); old != "" && notPID != nil && (err == nil || !bytes.Equal(after, content)) {
			t.Errorf("%q was taken for a lock file (%v), and is %q now", content, err, after)
		}
	})
}
