package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// The keys that say which lock server a run asks, and under which name.

// LockServer is a kind of lock server.
type LockServer string

// The lock servers.
const (
	Foreman   LockServer = "foreman"
	FleetLock LockServer = "fleetlock"
)

func (c *Config) lockServer(text string) (string, error) {
	if err := checkPlain(text); err != nil {
		return "", err
	}
	switch server := LockServer(strings.ToLower(text)); server {
	case Foreman, FleetLock:
		c.LockServer = server
		return string(server), nil
	}
	return "", fmt.Errorf("%q is no lock server; foreman or fleetlock would be right", text)
}

// fleetLockGroup is what FleetLock's protocol allows as the name of a group. Compiled when needed.
var fleetLockGroup = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9.-]+$`) })

// lockName takes the name of a lock of the lock server, which is known by then.
func (c *Config) lockName(text string) (string, error) {
	switch {
	case c.LockServer != FleetLock:
		if err := checkLockName(text); err != nil {
			return "", err
		}
	case len(text) > maxGroup:
		return "", fmt.Errorf("is %d bytes long; at most %d would be right", len(text), maxGroup)
	case !fleetLockGroup().MatchString(text):
		return "", fmt.Errorf("%q is no group of a FleetLock server; only letters, digits, . and - would be right", text)
	}
	c.LockName = text
	return text, nil
}

// maxGroup and maxID are the longest names at a FleetLock server, in bytes. The protocol has no limit; these are far
// longer than any in use, and far shorter than what servers read.
const maxGroup, maxID = 255, 255

func (c *Config) fleetLockID(text string) (string, error) {
	plain := checkPlain(text)
	switch {
	case plain != nil:
		return "", plain
	case !utf8.ValidString(text) || strings.ContainsFunc(text, isSpace):
		return "", fmt.Errorf("%q has white space, or is not UTF-8; one word would be right", text)
	case len(text) > maxID:
		return "", fmt.Errorf("is %d bytes long; at most %d would be right", len(text), maxID)
	}
	c.FleetLockID = text
	return text, nil
}

// serverURL takes the address of a lock server. why says why it has to be https; plainLoopback allows http to a
// loopback address all the same.
func serverURL(field **url.URL, why string, plainLoopback bool) parser {
	return func(text string) (string, error) {
		if err := checkPlain(text); err != nil {
			return "", err
		}
		u, err := url.Parse(strings.TrimRight(text, "/"))
		if err != nil {
			return "", fmt.Errorf("%q is not a URL; https://HOST would be right", text)
		}
		if what := checkURL(u, text, why, plainLoopback); what != "" {
			return "", fmt.Errorf("%q %s; https://HOST, perhaps with a port and a path, would be right", text, what)
		}
		*field = u
		return u.String(), nil
	}
}

// isLoopback reports whether a host of a URL is this machine itself.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// checkLockServer reports keys that don't fit the lock server.
func (c *Config) checkLockServer(lines map[string]int, r *report) {
	if c.LockServer == Foreman {
		for _, name := range []string{"fleetlock_url", "fleetlock_id"} {
			if lines[name] > 0 {
				r.warnf(lines[name], name, "has no effect with lock_server = foreman; lock_server = fleetlock would use it")
			}
		}
	}
	if c.LockServer != FleetLock {
		return
	}
	if (c.ClientCert == "") != (c.ClientKey == "") {
		missing, other := "client_crt", "client_key"
		if c.ClientKey == "" {
			missing, other = other, missing
		}
		r.errorf(lines[missing], missing, "can't be left out: %s is set, and a certificate needs its key", other)
	}
	refuse := func(name string, set bool, why error) {
		if set {
			r.errorf(lines[name], name, "can't be used with lock_server = fleetlock: %v", why)
		}
	}
	refuse("lock_slots", lines["lock_slots"] > 0, errors.New("the server decides how many slots a group has; "+
		"take the line out"))
	noLook := errors.New("it needs a lock that can be looked at, and FleetLock has no way to look; take the line out")
	refuse("max_failed", c.MaxFailed > 0, noLook)
	refuse("blocked_by", len(c.BlockedBy) > 0, noLook)
}
