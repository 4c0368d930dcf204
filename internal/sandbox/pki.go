package sandbox

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"foreman-dlm-updater/internal/file"

	"golang.org/x/sys/unix"
)

// CA is a throw-away certificate authority in a directory: ca.pem and ca.key. It is for tests and trials: the key has
// no password.
type CA struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// IssueOptions say what a certificate is for.
type IssueOptions struct {
	Expired  bool // valid until yesterday
	NotYet   bool // valid from tomorrow
	Server   bool // for a server; else for a client
	DNSNames []string
	IPs      []net.IP
}

const (
	caLife   = 10 * 365 * 24 * time.Hour
	certLife = 2 * 365 * 24 * time.Hour
	day      = 24 * time.Hour
)

// NewCA loads the CA in a directory, or makes the directory and the CA. If several processes do so at once, one makes
// it, and the others load it.
func NewCA(dir string) (*CA, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make CA directory: %w", err)
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	_, err = os.Stat(filepath.Join(dir, "ca.pem"))
	if errors.Is(err, fs.ErrNotExist) {
		return makeCA(dir)
	}
	return loadCA(dir)
}

// Lock waits until no other process or caller holds the lock of this directory. Whoever issues a certificate that
// others may issue too takes the lock first, and unlocks once both files are read.
func (ca *CA) Lock() (unlock func(), err error) { return lock(ca.dir) }

func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock CA directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock CA directory %s: %w", dir, err)
	}
	return func() { f.Close() }, nil
}

func loadCA(dir string) (*CA, error) {
	path := filepath.Join(dir, "ca.pem")
	der, err := readPEM(path, "CERTIFICATE")
	if err != nil {
		return nil, fmt.Errorf("read CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read CA %s: %w", path, err)
	}
	path = filepath.Join(dir, "ca.key")
	if der, err = readPEM(path, "EC PRIVATE KEY"); err != nil {
		return nil, fmt.Errorf("read CA key: %w", err)
	}
	key, err := x509.ParseECPrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("read CA key %s: %w", path, err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, fmt.Errorf("read CA: %s is not the key of the certificate next to it", path)
	}
	return &CA{dir, cert, key}, nil
}

func readPEM(path, kind string) ([]byte, error) {
	text, err := file.Read(path, 1<<20)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("%s: no %s in it", path, kind)
	}
	return block.Bytes, nil
}

func makeCA(dir string) (*CA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make CA key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	// The serial is in the name too: a client that picks a certificate by its issuer could not tell two CAs with the same
	// name apart.
	tmpl := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: fmt.Sprintf("throw-away CA %x", serial.Bytes()[:4])},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(caLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	if err := writePair(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key"), der, key); err != nil {
		return nil, err
	}
	return loadCA(dir)
}

// Issue makes a key and a certificate for cn and writes them to CN.pem and CN.key (mode 0600) in the directory of the
// CA. It replaces existing files.
func (ca *CA) Issue(cn string, o IssueOptions) (certFile, keyFile string, err error) {
	if cn == "" || cn == "." || cn == ".." || cn == "ca" || cn != filepath.Base(cn) {
		return "", "", fmt.Errorf("issue certificate for %q: not a name for a file", cn)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("make key for %q: %w", cn, err)
	}
	serial, err := newSerial()
	if err != nil {
		return "", "", err
	}
	tmpl := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: cn},
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames:     o.DNSNames,
		IPAddresses:  o.IPs,
	}
	tmpl.NotBefore, tmpl.NotAfter = o.validity(time.Now())
	if o.Server {
		tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, ca.cert, key.Public(), ca.key)
	if err != nil {
		return "", "", fmt.Errorf("issue certificate for %q: %w", cn, err)
	}
	certFile, keyFile = filepath.Join(ca.dir, cn+".pem"), filepath.Join(ca.dir, cn+".key")
	return certFile, keyFile, writePair(certFile, keyFile, der, key)
}

func (o IssueOptions) validity(now time.Time) (from, to time.Time) {
	switch {
	case o.Expired:
		return now.Add(-30 * day), now.Add(-day)
	case o.NotYet:
		return now.Add(day), now.Add(30 * day)
	}
	return now.Add(-time.Hour), now.Add(certLife)
}

// File returns the path of the CA's certificate.
func (ca *CA) File() string { return filepath.Join(ca.dir, "ca.pem") }

// Pool returns a pool with this CA alone.
func (ca *CA) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.cert)
	return p
}

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return n.SetBit(n, 126, 1), nil // never short, never 0
}

// writePair writes the key first: there is never a certificate without its key.
func writePair(certFile, keyFile string, der []byte, key *ecdsa.PrivateKey) error {
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("write key %s: %w", keyFile, err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
	if err := file.ReplaceUnsynced(keyFile, text, 0o600); err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	text = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := file.ReplaceUnsynced(certFile, text, 0o644); err != nil {
		return fmt.Errorf("write certificate: %w", err)
	}
	return nil
}
