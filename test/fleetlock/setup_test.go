package fleetlock

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/sandbox"
)

// site is nginx in front of airlock's stand-in, which knows the groups web with one slot, and db-1.x with nine.
type site struct {
	ca      *sandbox.CA // of the hosts and of nginx
	revoked *tls.Certificate
	airlock *fleetsandbox.Server
	running *httptest.Server // airlock's
	socket  string           // where nginx listens
	version uint16           // of TLS, the highest that clients speak; 0: any

	dir   string
	nginx *exec.Cmd
	ended chan string // nginx has ended; its messages
}

// start starts both. Both end with the test.
func start(t *testing.T) *site {
	t.Helper()
	binary := nginx(t)
	s := &site{dir: t.TempDir(), ended: make(chan string, 1)}
	s.socket = filepath.Join(s.dir, "socket")
	ca, err := sandbox.NewCA(filepath.Join(s.dir, "ca"))
	if err != nil {
		t.Fatal(err)
	}
	s.ca = ca
	s.revoked = s.issue(t, "revoked", sandbox.IssueOptions{})
	s.airlock = fleetsandbox.New(fleetsandbox.Options{Groups: map[string]int{"web": 1, "db-1.x": 9}})
	s.running = httptest.NewServer(s.airlock)
	t.Cleanup(s.running.Close)

	s.configure(t)
	s.nginx = exec.Command(binary, "-p", s.dir, "-c", "nginx.conf")
	messages, err := s.nginx.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.nginx.Start(); err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	go s.read(messages, ready)
	t.Cleanup(func() { s.stop(t) })
	select {
	case <-ready:
	case text := <-s.ended:
		s.ended <- text
		t.Fatalf("nginx does not start:\n%s", text)
	}
	return s
}

// nginx returns the path of nginx. It skips the test if there is none; in CI, where nobody would notice, it fails.
func nginx(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/nginx") // not in everybody's PATH
	}
	if err == nil {
		return path
	}
	if ci := os.Getenv("CI"); ci != "" && ci != "false" {
		t.Fatal("nginx is not installed")
	}
	t.Skip("SKIPPED: nginx is not installed: contrib/fleetlock/nginx.conf is not tested")
	return ""
}

// read reads what nginx says, and closes ready when it listens.
func (s *site) read(messages io.Reader, ready chan struct{}) {
	var text strings.Builder
	for lines := bufio.NewScanner(messages); lines.Scan(); {
		fmt.Fprintln(&text, lines.Text())
		if ready != nil && strings.Contains(lines.Text(), "start worker process ") {
			close(ready)
			ready = nil
		}
	}
	s.nginx.Wait()
	s.ended <- text.String()
}

// stop lets nginx answer what it has begun, ends it, and returns its log without times and addresses.
func (s *site) stop(t *testing.T) string {
	t.Helper()
	s.nginx.Process.Signal(syscall.SIGQUIT)
	text := <-s.ended
	s.ended <- text // for the next call
	if t.Failed() {
		t.Logf("nginx says:\n%s", text)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^\S+ \S+ (.*) [0-9.]+s$`).ReplaceAllString(string(log), "$1")
}

// configure writes nginx's files. The one from contrib is as it stands, but for addresses and paths.
func (s *site) configure(t *testing.T) {
	t.Helper()
	conf, err := os.ReadFile("../../contrib/fleetlock/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := s.ca.Issue("lock1.example.com",
		sandbox.IssueOptions{Server: true, DNSNames: []string{"lock.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	puppet, text := "/etc/puppetlabs/puppet/ssl", string(conf)
	for from, to := range map[string]string{
		" 443 ssl;":                                    " unix:" + s.socket + " ssl;",
		"listen [::]:443 ssl;\n":                       "\n",
		puppet + "/certs/lock1.example.com.pem":        cert,
		puppet + "/private_keys/lock1.example.com.pem": key,
		puppet + "/certs/ca.pem":                       filepath.Join(s.dir, "ca-chain.pem"),
		puppet + "/crl.pem":                            filepath.Join(s.dir, "crl.pem"),
		"/var/log/nginx/fleetlock.log":                 filepath.Join(s.dir, "log"),
		"http://127.0.0.1:3333/":                       s.running.URL + "/",
	} {
		if strings.Count(text, from) != 1 {
			t.Fatalf("contrib/fleetlock/nginx.conf has %q not just once", from)
		}
		text = strings.Replace(text, from, to, 1)
	}
	s.write(t, "fleetlock.conf", []byte(text))
	main := "daemon off;\nworker_processes 1;\npid pid;\nerror_log stderr notice;\nevents {}\nhttp {\n" +
		"ssl_session_cache shared:all:1m;\n" // as sites have it for all their servers
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += kind + "_temp_path tmp;\n"
	}
	s.write(t, "nginx.conf", []byte(main+"include fleetlock.conf;\n}\n"))
	s.chain(t)
}

func (s *site) write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// chain writes the CA and the lists of revoked certificates as a host of Puppet has them: the CA that issues
// certificates is an intermediate one, below a root, and each has a list.
func (s *site) chain(t *testing.T) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(s.ca.File(), strings.TrimSuffix(s.ca.File(), ".pem")+".key")
	if err != nil {
		t.Fatal(err)
	}
	key := pair.PrivateKey.(*ecdsa.PrivateKey)
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotAfter: pair.Leaf.NotAfter,
		NotBefore: pair.Leaf.NotBefore, IsCA: true, BasicConstraintsValid: true, KeyUsage: pair.Leaf.KeyUsage,
	}
	root := sign(t, template, template, rootKey, rootKey)
	intermediate := sign(t, pair.Leaf, root, key, rootKey)

	var chain, lists []byte
	chain = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: intermediate.Raw})
	chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})...)
	for _, ca := range []struct {
		cert    *x509.Certificate
		key     *ecdsa.PrivateKey
		revoked []x509.RevocationListEntry
	}{
		{intermediate, key, []x509.RevocationListEntry{
			{SerialNumber: s.revoked.Leaf.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)},
		}},
		{root, rootKey, nil},
	} {
		list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute),
			NextUpdate: time.Now().Add(time.Hour), RevokedCertificateEntries: ca.revoked}
		der, err := x509.CreateRevocationList(rand.Reader, list, ca.cert, ca.key)
		if err != nil {
			t.Fatal(err)
		}
		lists = append(lists, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	s.write(t, "ca-chain.pem", chain)
	s.write(t, "crl.pem", lists)
}

// sign returns a certificate for key, signed by parent.
func sign(t *testing.T, template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// issue returns a certificate of a host.
func (s *site) issue(t *testing.T, cn string, o sandbox.IssueOptions) *tls.Certificate {
	t.Helper()
	return issue(t, s.ca, cn, o)
}

// stranger returns a certificate from another CA.
func stranger(t *testing.T, cn string) *tls.Certificate {
	t.Helper()
	ca, err := sandbox.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return issue(t, ca, cn, sandbox.IssueOptions{})
}

func issue(t *testing.T, ca *sandbox.CA, cn string, o sandbox.IssueOptions) *tls.Certificate {
	t.Helper()
	certFile, keyFile, err := ca.Issue(cn, o)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return &cert
}

// issueFor returns a certificate whose subject has an organization besides the CN, which Puppet's have not.
func (s *site) issueFor(t *testing.T, cn, organization string) *tls.Certificate {
	t.Helper()
	cert := s.issue(t, cn, sandbox.IssueOptions{})
	pair, err := tls.LoadX509KeyPair(s.ca.File(), strings.TrimSuffix(s.ca.File(), ".pem")+".key")
	if err != nil {
		t.Fatal(err)
	}
	template := *cert.Leaf
	template.Subject, template.RawSubject = pkix.Name{CommonName: cn, Organization: []string{organization}}, nil
	leaf := sign(t, &template, pair.Leaf, cert.PrivateKey.(*ecdsa.PrivateKey), pair.PrivateKey.(*ecdsa.PrivateKey))
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: cert.PrivateKey, Leaf: leaf}
}
