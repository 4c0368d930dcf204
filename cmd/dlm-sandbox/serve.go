package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// serveCmd listens.
type serveCmd struct {
	Dir               string        `placeholder:"DIR" help:"Directory of the throw-away CA; made if it is not there."`
	CA                string        `placeholder:"FILE" help:"In place of --dir: the CA of the clients' certificates."`
	Cert              string        `placeholder:"FILE" help:"In place of --dir: the server's certificate."`
	Key               string        `placeholder:"FILE" help:"In place of --dir: the key of --cert."`
	Listen            string        `default:"127.0.0.1:8443" placeholder:"ADDR:PORT" help:"Where to listen; port 0 picks a free one (default ${default})."`
	Name              []string      `placeholder:"NAME" help:"Further host name or address for the server's certificate; repeatable."`
	RaceWindow        time.Duration `placeholder:"50ms" help:"How long PUT and DELETE wait between check and write, so that hosts can race."`
	Contention        time.Duration `placeholder:"5ms" help:"Up to how long they wait before the check and after the write: they can answer 500 if another host changes the lock meanwhile."`
	AdminPasswordFile string        `placeholder:"FILE" help:"The password of the user admin, who may change locks (default: changeme)."`
	Record            string        `placeholder:"FILE" help:"Append each event to this file, as a line of JSON."`
	Restore           bool          `help:"Begin with the locks as they are at the end of the record."`
	Fault             []fault       `sep:"none" placeholder:"METHOD:KIND[:TIMES[:DELAY]]" help:"Something that goes wrong; METHOD may be any, TIMES 0 is always; repeatable. Kinds: ${kinds}."`
}

// Validate is called by kong.
func (c *serveCmd) Validate() error {
	own := c.CA != "" && c.Cert != "" && c.Key != ""
	if none := c.CA+c.Cert+c.Key == ""; own == (c.Dir != "") || !own && !none {
		return errors.New("missing flags: --dir, or in its place --ca, --cert and --key")
	}
	return nil
}

// Run serves until ctx ends, which is no error.
func (c *serveCmd) Run(ctx context.Context, stdout io.Writer) error {
	signal.Ignore(syscall.SIGPIPE) // if nobody reads the output (`| head`), go on serving
	broken, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	opts := sandbox.Options{Window: c.window}
	var err error
	if opts.AdminPassword, err = c.adminPassword(); err != nil {
		return err
	}
	var before []sandbox.Event
	if c.Restore {
		if before, err = readRecord(c.Record); err != nil {
			return err
		}
	}
	if c.Record != "" {
		f, err := os.OpenFile(c.Record, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return fmt.Errorf("open record: %w", err)
		}
		defer f.Close()
		opts.Record = recordTo(f, fail)
	}

	var s *sandbox.Server
	out := newPrinter(stdout)
	opts.Answered = func(r sandbox.Request) { out.request(s, r) }
	opts.ErrorLog = log.New(out, "", 0)
	s = sandbox.New(opts)
	s.Restore(before)
	for _, f := range c.Fault {
		s.Inject(sandbox.Fault(f))
	}
	running, err := c.start(s)
	if err != nil {
		return err
	}
	out.line("listening on " + running.URL)
	out.line("administrator: " + c.administrator())
	<-broken.Done()
	if err := running.Close(); err != nil {
		return err
	}
	if ctx.Err() == nil {
		return context.Cause(broken)
	}
	return nil
}

// window is how long a request waits in a gap.
func (c *serveCmd) window(_ context.Context, _, _ string, gap sandbox.Gap) time.Duration {
	switch {
	case gap == sandbox.BeforeWrite:
		return c.RaceWindow
	case c.Contention > 0:
		return rand.N(c.Contention)
	}
	return 0
}

// defaultPassword is public: nothing here is worth a secret.
const defaultPassword = "changeme"

// adminPassword is the default one, or the one in the file.
func (c *serveCmd) adminPassword() (string, error) {
	if c.AdminPasswordFile == "" {
		return defaultPassword, nil
	}
	text, err := os.ReadFile(c.AdminPasswordFile)
	if err != nil {
		return "", fmt.Errorf("read admin password: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return "", fmt.Errorf("read admin password: %s is empty", c.AdminPasswordFile)
	}
	return password, nil
}

// administrator says which user may change locks.
func (c *serveCmd) administrator() string {
	if c.AdminPasswordFile == "" {
		return "admin, password " + defaultPassword
	}
	return "admin, with the password in " + c.AdminPasswordFile
}

// start listens before it writes certificates: a second sandbox on the same address must not touch the first one's
// certificates.
func (c *serveCmd) start(s *sandbox.Server) (*sandbox.Running, error) {
	l, err := net.Listen("tcp", c.Listen)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%w: stop what listens there (another sandbox?), or choose another port with --listen", err)
	case err != nil:
		return nil, err
	}
	running, err := c.serve(s, l)
	if err != nil {
		l.Close()
	}
	return running, err
}

// serve answers on l with the credentials on the command line, or with a certificate that the throw-away CA issues.
func (c *serveCmd) serve(s *sandbox.Server, l net.Listener) (*sandbox.Running, error) {
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("read CAs of the clients: %w", err)
		}
		clients := x509.NewCertPool()
		if !clients.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read CAs of the clients: %s: no CERTIFICATE in it", c.CA)
		}
		return s.Serve(l, clients, c.Cert, c.Key)
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
	return s.Serve(l, ca.Pool(), cert, key)
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

// readRecord reads the events of a record, which may not exist yet.
func readRecord(path string) (events []sandbox.Event, err error) {
	f, err := os.Open(path)
	switch {
	case path == "":
		return nil, errors.New("restore locks: --record says where from")
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read record: %w", err)
	}
	defer f.Close()
	for lines := json.NewDecoder(f); ; {
		var e sandbox.Event
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, fmt.Errorf("read record %s: %w", path, err)
		}
		events = append(events, e)
	}
}

// recordTo writes events to w as lines of JSON; fail gets the first error.
func recordTo(w io.Writer, fail context.CancelCauseFunc) func(sandbox.Event) {
	enc := json.NewEncoder(w)
	return func(e sandbox.Event) {
		if err := enc.Encode(e); err != nil {
			fail(fmt.Errorf("write record: %w", err))
		}
	}
}
