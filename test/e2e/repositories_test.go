//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// The product's versions: the one that hosts begin with, and the one that an update brings.
const (
	productOld = "1.0.0"
	productNew = "1.0.1"
)

// What a host's apt may be pointed to.
const (
	ledgerOld     = "deb [trusted=yes] file:/e2e/apt/old ./"
	ledgerNew     = "deb [trusted=yes] file:/e2e/apt/new ./"
	systemNew     = "deb [trusted=yes] file:/e2e/apt/system ./"
	productFormat = "deb [signed-by=/e2e/product-%[1]s/apt/foreman-dlm-updater.asc] file:/e2e/product-%[1]s/apt ./"
)

// publishLedger makes a flat apt repository that offers the package ledger in one version.
func (l *lab) publishLedger(repository, version string) {
	l.t.Helper()
	tree := l.path("ledger-" + version)
	if err := os.CopyFS(tree, os.DirFS("ledger")); err != nil {
		l.t.Fatal(err)
	}
	control := filepath.Join(tree, "DEBIAN/control")
	text, err := os.ReadFile(control)
	if err != nil {
		l.t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte("@VERSION@"), []byte(version))
	if err := os.WriteFile(control, text, 0o644); err != nil {
		l.t.Fatal(err)
	}
	l.publish(repository, tree)
}

// publish makes a flat apt repository of what is in the trees.
func (l *lab) publish(repository string, trees ...string) {
	l.t.Helper()
	dir := l.path("given/apt/" + repository)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
	for _, tree := range trees {
		must(l.t, l.command("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, dir))
	}
	scan := l.command("dpkg-scanpackages", "--multiversion", ".")
	scan.Dir = dir
	if err := os.WriteFile(filepath.Join(dir, "Packages"), []byte(must(l.t, scan)), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// publishProduct makes the product's packages and signed repositories, as a release does, in both versions.
func (l *lab) publishProduct() {
	l.t.Helper()
	keyring := l.path("gnupg")
	if err := os.Mkdir(keyring, 0o700); err != nil {
		l.t.Fatal(err)
	}
	const owner = "e2e@example.com"
	must(l.t, l.command("gpg", "--homedir", keyring, "--batch", "--quiet", "--passphrase", "", "--quick-generate-key",
		owner, "rsa3072", "sign", "never"))
	defer func() { _ = l.command("gpgconf", "--homedir", keyring, "--kill", "all").Run() }()
	for _, version := range []string{productOld, productNew} {
		cmd := l.command("make", "-C", "../..", "repo", "VERSION="+version, "DIST="+l.path("dist-"+version))
		// the hosts have the same
		cmd.Env = append(cmd.Env, "SIGNING_KEY="+owner, "GNUPGHOME="+keyring, "ARCHS="+runtime.GOARCH)
		must(l.t, cmd)
		if err := os.CopyFS(l.path("given/product-"+version), os.DirFS(l.path("dist-"+version+"/repo"))); err != nil {
			l.t.Fatal(err)
		}
	}
}

// publishSystem offers newer versions of the C library and of systemd: what the distribution has now, under a higher
// version. They come with their own maintainer scripts, which restart and re-execute what they always do.
func (l *lab) publishSystem(h *host) {
	l.t.Helper()
	debs := l.path("system")
	if err := os.MkdirAll(debs, 0o755); err != nil {
		l.t.Fatal(err)
	}
	packages := strings.Fields(h.run("dpkg-query", "-W", "-f", "${source:Package}/${Package}\n"))
	var names []string
	for _, entry := range packages {
		if source, name, _ := strings.Cut(entry, "/"); source == "systemd" || source == "glibc" {
			names = append(names, name)
		}
	}
	if len(names) < 4 {
		l.t.Fatalf("packages of systemd and glibc on %s: %v", h.name, names)
	}
	must(l.t, l.command("apt-get", "-qq", "update"))
	download := l.command("apt-get", append([]string{"-q", "download"}, names...)...)
	download.Dir = debs
	must(l.t, download)
	files, err := filepath.Glob(debs + "/*.deb")
	if err != nil || len(files) != len(names) {
		l.t.Fatalf("downloaded %v, %v, want %v", files, err, names)
	}
	var trees []string
	for _, file := range files {
		tree := strings.TrimSuffix(file, ".deb")
		must(l.t, l.command("dpkg-deb", "--raw-extract", file, tree))
		if err := raiseVersion(filepath.Join(tree, "DEBIAN/control")); err != nil {
			l.t.Fatal(err)
		}
		trees = append(trees, tree)
	}
	l.publish("system", trees...)
}

var versionLine = regexp.MustCompile(`(?m)^Version: (.*)$`)

// raiseVersion makes a package newer, and what it asks for of its own source's packages, which are made newer too.
func raiseVersion(control string) error {
	text, err := os.ReadFile(control)
	if err != nil {
		return err
	}
	version := versionLine.FindSubmatch(text)
	if version == nil {
		return errors.New(control + ": no version")
	}
	raised := bytes.ReplaceAll(text, []byte("= "+string(version[1])+")"), []byte("= "+string(version[1])+"+e2e1)"))
	raised = versionLine.ReplaceAll(raised, []byte("Version: ${1}+e2e1"))
	return os.WriteFile(control, raised, 0o644)
}

// product is a line for sources.list.
func product(version string) string { return fmt.Sprintf(productFormat, version) }
