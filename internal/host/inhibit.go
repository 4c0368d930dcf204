package host

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// busTimeout limits each exchange over D-Bus: nothing may hang because the bus hangs.
const busTimeout = 5 * time.Second

// InhibitShutdown asks logind to refuse shutdowns and reboots until the file is closed (org.freedesktop.login1(5),
// Inhibit, mode "block"; before systemd 257 root isn't bound by that). However the process ends, the kernel closes the
// file; no child inherits it. why is shown to whoever asks what blocks the shutdown. It is an error if there is no
// logind.
func InhibitShutdown(ctx context.Context, why string) (*os.File, error) {
	var fd dbus.UnixFD
	err := askLogind(ctx, "an inhibitor", &fd, "Inhibit", "shutdown", "foreman-dlm-updater", why, "block")
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "inhibitor"), nil
}

// Inhibitor is an inhibitor lock of logind, as its holder describes it (org.freedesktop.login1(5), ListInhibitors).
type Inhibitor struct {
	What string // what is inhibited, with colons: "shutdown:sleep"
	Who  string
	Why  string
	Mode string // "block", "block-weak" (since systemd 257; for all but root) or "delay"
	UID  uint32
	PID  uint32
}

// ShutdownInhibitors lists the inhibitors that block a shutdown. It is an error if there is no logind.
func ShutdownInhibitors(ctx context.Context) ([]Inhibitor, error) {
	var all []Inhibitor
	if err := askLogind(ctx, "its inhibitors", &all, "ListInhibitors"); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(i Inhibitor) bool {
		return i.Mode == "delay" || !slices.Contains(strings.Split(i.What, ":"), "shutdown")
	}), nil
}

// askLogind calls a method of logind's manager and stores the answer.
func askLogind(ctx context.Context, what string, answer any, method string, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx)) // closed when ctx ends, whatever it waits for
	if err != nil {
		return fmt.Errorf("connect to the system bus: %w", err)
	}
	defer bus.Close()
	err = bus.Object("org.freedesktop.login1", "/org/freedesktop/login1").CallWithContext(ctx,
		"org.freedesktop.login1.Manager."+method, 0, args...).Store(answer)
	if err != nil {
		return fmt.Errorf("ask logind for %s: %w", what, err)
	}
	return nil
}
