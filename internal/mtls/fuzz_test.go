package mtls

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/test/legible"
)

// FuzzCredentials gives the client any files for its certificate, its key and its CA.
func FuzzCredentials(f *testing.F) {
	ca := newCA(f)
	good := issue(f, ca, "web1", sandbox.IssueOptions{}, ca)
	var text [3][]byte
	for i, path := range []string{good.Cert.Path, good.Key.Path, good.CA.Path} {
		var err error
		if text[i], err = os.ReadFile(path); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(text[0], text[1], text[2])
	f.Add(text[1], text[0], []byte{})
	f.Add(text[0][:100], text[1], text[2])
	f.Add(text[0], []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), text[2])
	dir := f.TempDir()
	files := at(filepath.Join(dir, "cert"), filepath.Join(dir, "key"), filepath.Join(dir, "ca"))
	f.Fuzz(func(t *testing.T, cert, key, ca []byte) {
		err := errors.Join(os.WriteFile(files.Cert.Path, cert, 0o600), os.WriteFile(files.Key.Path, key, 0o600),
			os.WriteFile(files.CA.Path, ca, 0o600))
		if err != nil {
			t.Fatal(err)
		}
		pair, roots, err := files.Load()
		switch {
		case err != nil && (!errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), dir)):
			t.Errorf("%v names no file, or is of another kind", err)
		case err == nil && (pair.Leaf == nil || pair.PrivateKey == nil || roots == nil):
			t.Errorf("%+v, %v", pair, roots)
		}
		legible.Line(t, (&Error{Detail: files.Presented()}).Error())
		legible.Line(t, files.CommonName())
	})
}
