package mtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

var quiet = log.New(io.Discard, "", 0)

// serverConfig has a certificate for a name or an address from ca, and asks for the client's as Apache does.
func serverConfig(t *testing.T, ca *sandbox.CA, name string, o sandbox.IssueOptions) *tls.Config {
	t.Helper()
	o.Server = true
	if ip := net.ParseIP(name); ip != nil {
		o.IPs = []net.IP{ip}
	} else {
		o.DNSNames = []string{name}
	}
	certFile, keyFile, err := ca.Issue("server", o)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		ClientAuth:   tls.VerifyClientCertIfGiven,
		ClientCAs:    ca.Pool(),
	}
}

// serveRaw hands every connection to serve, closes it afterwards, and returns the address.
func serveRaw(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				serve(conn)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// counting is an address where connections are counted and closed.
func counting(t *testing.T) (address string, connections *atomic.Int32) {
	t.Helper()
	connections = new(atomic.Int32)
	return serveRaw(t, func(net.Conn) { connections.Add(1) }), connections
}

// startTLS gives the server a certificate from ca, and asks for the client's.
func startTLS(t *testing.T, server *httptest.Server, ca *sandbox.CA) string {
	t.Helper()
	server.TLS = serverConfig(t, ca, "127.0.0.1", sandbox.IssueOptions{})
	server.Config.ErrorLog = quiet
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// expiredAuthority is a server whose certificate is good, while its CA's has expired. The CA is in the file.
func expiredAuthority(t *testing.T) (server *tls.Config, caFile string) {
	t.Helper()
	now := time.Now()
	old := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Old CA"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	young := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{{127, 0, 0, 1}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign := func(of *x509.Certificate) []byte {
		der, err := x509.CreateCertificate(rand.Reader, of, old, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sign(old)})
	cert := tls.Certificate{Certificate: [][]byte{sign(young)}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{cert}}, write(t, "ca.pem", string(text))
}
