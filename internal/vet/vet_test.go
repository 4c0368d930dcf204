package vet

import (
	"os"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const nobody = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to give files away")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tempDir is a directory with the mode that stage directories have.
func tempDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func regular(mode uint32) func(string) error {
	return func(path string) error {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o600); err != nil {
			return err
		}
		return syscall.Chmod(path, mode)
	}
}

func TestIsHome(t *testing.T) {
	for path, want := range map[string]bool{"/root": true, "/etc": false} {
		if isHome(path, 0) != want {
			t.Errorf("%s: %v", path, !want)
		}
	}
}

func TestUnsafeErrorText(t *testing.T) {
	err := &UnsafeError{Kind: "stage directory", Path: "/etc/x.d", Offenders: []Offender{
		{Path: "/etc/x.d/a\x1b[31m", Why: "belongs to bob (uid 1000)", Fix: "chown root:root it"},
		{Path: "/etc/x.d/b", Why: "is odd"},
	}}
	want := "refused stage directory /etc/x.d:\n" +
		"$'/etc/x.d/a\\x1b[31m': belongs to bob (uid 1000); fix it with: chown root:root it\n" +
		"/etc/x.d/b: is odd"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
