package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// serveCmd listens.
type serveCmd struct {
	Dir       string   `placeholder:"DIR" help:"Directory of the throw-away CA; made if it is not there."`
	CA        string   `placeholder:"FILE" help:"In place of --dir: the CA of the clients' certificates."`
	Cert      string   `placeholder:"FILE" help:"In place of --dir: the server's certificate."`
	Key       string   `placeholder:"FILE" help:"In place of --dir: the key of --cert."`
	Listen    string   `default:"127.0.0.1:8443" placeholder:"ADDR:PORT" help:"Where to listen; port 0 picks a free one (default ${default})."`
	Name      []string `placeholder:"NAME" help:"Further host name or address for the server's certificate; repeatable."`
	Record    string   `placeholder:"FILE" help:"Append each event to this file, as a line of JSON."`
	Restore   bool     `help:"Begin with the locks as they are at the end of the record."`
	Fault     []string `sep:"none" placeholder:"METHOD:KIND[:TIMES[:DELAY]]" help:"Something that goes wrong; METHOD may be any, TIMES 0 is always; repeatable. Methods are GET, PUT and DELETE, with --fleetlock pre-reboot and steady-state. Kinds: ${kinds}. With --fleetlock: ${fleetkinds}."`
	FleetLock bool     `name:"fleetlock" help:"Answer as a FleetLock server in place of Foreman."`

	RaceWindow time.Duration `placeholder:"50ms" help:"How long a request that changes a lock waits between check and write, so that hosts can race."`

	foremanFlags   `group:"As Foreman"`
	fleetLockFlags `group:"With --fleetlock"`
}

// Validate is called by kong.
func (c *serveCmd) Validate() error {
	own := c.CA != "" && c.Cert != "" && c.Key != ""
	none := c.CA+c.Cert+c.Key == ""
	switch {
	case c.PlainHTTP && (c.Dir != "" || !none || len(c.Name) > 0):
		return errors.New("--plain-http needs no certificates: leave out --dir, --ca, --cert, --key and --name")
	case !c.PlainHTTP && (own == (c.Dir != "") || !own && !none):
		return errors.New("missing flags: --dir, or in its place --ca, --cert and --key")
	case c.FleetLock:
		if err := c.foremanFlags.mustBeUnset(); err != nil {
			return err
		}
		_, err := fleetLockFaults(c.Fault)
		return errors.Join(err, c.fleetLockFlags.check(c.Listen))
	}
	_, err := foremanFaults(c.Fault)
	return errors.Join(err, c.fleetLockFlags.mustBeUnset())
}

// standIn is a server that answers as Foreman or as a FleetLock server.
type standIn struct {
	http.Handler
	about string // the line after the address
}

// Run serves until ctx ends, which is no error.
func (c *serveCmd) Run(ctx context.Context, stdout io.Writer) error {
	signal.Ignore(syscall.SIGPIPE) // if nobody reads the output (`| head`), go on serving
	broken, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	if c.Restore && c.Record == "" {
		return errors.New("restore locks: --record says where from")
	}
	out := newPrinter(stdout)
	record := &recorder{path: c.Record, restore: c.Restore, fail: fail}
	defer record.close()
	build := c.asForeman
	if c.FleetLock {
		build = c.asFleetLock
	}
	s, err := build(out, record)
	if err != nil {
		return err
	}
	running, err := c.start(s, log.New(out, "", 0))
	if err != nil {
		return err
	}
	out.line("listening on " + running.URL)
	out.line(s.about)
	<-broken.Done()
	if err := running.Close(); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return context.Cause(broken)
	}
	return nil
}

// start listens before it writes certificates: a second sandbox on the same address must not touch the first one's
// certificates.
func (c *serveCmd) start(h http.Handler, errorLog *log.Logger) (*sandbox.Running, error) {
	l, err := net.Listen("tcp", c.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: stop what listens there (another sandbox?), or choose another port with --listen", err)
	case err != nil:
		return nil, err
	}
	if c.PlainHTTP {
		return sandbox.ServePlain(h, l, errorLog), nil
	}
	running, err := c.serve(h, l, errorLog)
	if err != nil {
		l.Close()
	}
	return running, err
}

// serve answers on l with the credentials on the command line, or with a certificate that the throw-away CA issues.
func (c *serveCmd) serve(h http.Handler, l net.Listener, errorLog *log.Logger) (*sandbox.Running, error) {
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read CAs of the clients: %w", err)
		}
		clients := x509.NewCertPool()
		if !clients.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read CAs of the clients: %s: no CERTIFICATE in it", c.CA)
		}
		return sandbox.Serve(h, l, clients, c.Cert, c.Key, errorLog)
	}
	ca, err := sandbox.NewCA(c.Dir)
	if err != nil {
		return nil, err
	}
	unlock, err := ca.Lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	cert, key, err := ca.Issue("localhost", c.certificate())
	if err != nil {
		return nil, err
	}
	return sandbox.Serve(h, l, ca.Pool(), cert, key, errorLog)
}

// certificate lists the names that clients may use for this server: localhost, this machine, the address to listen on,
// and the names on the command line.
func (c *serveCmd) certificate() sandbox.IssueOptions {
	names := append([]string{"localhost", "127.0.0.1", "::1"}, c.Name...)
	if host, err := os.Hostname(); err == nil {
		names = append(names, host)
	}
	if host, _, err := net.SplitHostPort(c.Listen); err == nil && host != "" {
		names = append(names, host)
	}
	o := sandbox.IssueOptions{Server: true}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			o.IPs = append(o.IPs, ip)
		} else {
			o.DNSNames = append(o.DNSNames, n)
		}
	}
	return o
}
