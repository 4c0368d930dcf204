package mtls

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"foreman-dlm-updater/internal/file"
)

// maxPEM limits how many bytes are read from a file; Debian's bundle of all CAs has a quarter of it.
const maxPEM = 1 << 20

// File is a PEM file, and the configuration key that holds its path: messages name both.
type File struct{ ConfigKey, Path string }

// read returns the file's text.
func (f File) read() ([]byte, error) {
	text, err := file.Read(f.Path, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.ConfigKey, err)
	}
	return text, nil
}

func (f File) String() string { return f.ConfigKey + " " + f.Path }

// Files are the client's certificate and key, and the CA bundle that vouches for the server. They are read again for
// every connection, so that a renewed certificate is used at once.
type Files struct {
	Cert, Key File // both without a path: no certificate is shown
	CA        File // without a path: the system's trust store
}

// anonymous reports whether no certificate is shown.
func (f Files) anonymous() bool { return f.Cert.Path == "" && f.Key.Path == "" }

// Load reads the files. The certificate is nil if none is shown, and the pool if the system's trust store is used. The
// error wraps ErrCredentials, and names the configuration keys.
func (f Files) Load() (*tls.Certificate, *x509.CertPool, error) {
	cert, err := f.pair()
	if err != nil {
		if key, _ := f.Key.read(); bytes.Contains(key, []byte("ENCRYPTED")) {
			err = fmt.Errorf("%v: the key is encrypted, and there is nobody to ask for its passphrase", f.Key)
		}
		return nil, nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	if f.CA.Path == "" {
		return cert, nil, nil
	}
	bundle, err := f.CA.read()
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, nil, fmt.Errorf("%w: %v: there is no PEM certificate in it", ErrCredentials, f.CA)
	}
	return cert, roots, nil
}

// pair reads the certificate and its key; nil if none is shown.
func (f Files) pair() (*tls.Certificate, error) {
	if f.anonymous() {
		return nil, nil
	}
	cert, err := f.Cert.read()
	if err != nil {
		return nil, err
	}
	key, err := f.Key.read()
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%v, %v: %w", f.Cert, f.Key, err)
	}
	return &pair, nil
}

// Leaf is the client's own certificate. It does not read the key, which fewer users may read.
func (f Files) Leaf() (*x509.Certificate, error) {
	rest, err := f.Cert.read()
	if err != nil {
		return nil, fmt.Errorf("read %w", err)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, fmt.Errorf("read %v: there is no PEM certificate in it", f.Cert)
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %v: %w", f.Cert, err)
		}
		return cert, nil
	}
}

// CommonName is the CN in the certificate's subject, in printable characters; empty if the certificate can't be read.
func (f Files) CommonName() string {
	cert, err := f.Leaf()
	if err != nil {
		return ""
	}
	return printable(cert.Subject.CommonName)
}

// Presented says which certificate the client presents, for a message. The text can hold any characters.
func (f Files) Presented() string {
	if f.anonymous() {
		return fmt.Sprintf("none (the key %s is not set)", f.Cert.ConfigKey)
	}
	cert, err := f.pair()
	if err != nil || cert.Leaf == nil {
		return f.Cert.String()
	}
	return fmt.Sprintf("%v (CN %q, issued by %q, %s)", f.Cert, cut(cert.Leaf.Subject.CommonName),
		cut(cert.Leaf.Issuer.String()), validity(cert.Leaf))
}

// authorities says where the CAs are that vouch for the server, for a message.
func (f Files) authorities() string {
	if f.CA.Path == "" {
		return fmt.Sprintf("in the system's trust store (the key %s is not set)", f.CA.ConfigKey)
	}
	return fmt.Sprintf("in the file of the key %s, %s", f.CA.ConfigKey, f.CA.Path)
}

// particulars describe a certificate, for a message.
func particulars(cert *x509.Certificate) string {
	return fmt.Sprintf("(subject %q, issued by %q, %s)", cut(cert.Subject.String()), cut(cert.Issuer.String()),
		validity(cert))
}

// validity says when a certificate is valid, and whether it is now.
func validity(cert *x509.Certificate) string {
	text := fmt.Sprintf("valid %s to %s", day(cert.NotBefore), day(cert.NotAfter))
	switch now := time.Now(); {
	case now.After(cert.NotAfter):
		return text + ": expired"
	case now.Before(cert.NotBefore):
		return text + ": not valid yet"
	}
	return text
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// names lists the names that a server's certificate is for. Its CN doesn't count.
func names(cert *x509.Certificate) string {
	const most = 5
	var all []string
	for _, name := range cert.DNSNames {
		all = append(all, fmt.Sprintf("%q", cut(name)))
	}
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	switch {
	case len(all) == 0:
		return "no name at all (it has no subjectAltName, and its CN doesn't count)"
	case len(all) > most:
		return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
	}
	return strings.Join(all, ", ")
}
