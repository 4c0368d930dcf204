package host

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/godbus/dbus/v5"
)

// busTimeout bounds each talk over D-Bus: nothing may hang because the bus does.
const busTimeout = 5 * time.Second

// InhibitShutdown asks logind to refuse shutdowns and reboots until the file is closed (org.freedesktop.login1(5), Inhibit, mode
// "block"; before systemd 257 root isn't bound by that). However the process ends, the kernel closes the file; no child
// inherits it. why is shown to who asks what is in the way. It is an error if there is no logind.
func InhibitShutdown(ctx context.Context, why string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, busTimeout)
	defer cancel()
	bus, err := dbus.ConnectSystemBus(dbus.WithContext(ctx)) // closed when ctx ends, whatever it waits for
	if err != nil {
		return nil, fmt.Errorf("connect to the system bus: %w", err)
	}
	defer bus.Close()
	var fd dbus.UnixFD
	err = bus.Object("org.freedesktop.login1", "/org/freedesktop/login1").CallWithContext(ctx,
		"org.freedesktop.login1.Manager.Inhibit", 0, "shutdown", "foreman-dlm-updater", why, "block").Store(&fd)
	if err != nil {
		return nil, fmt.Errorf("ask logind for an inhibitor: %w", err)
	}
	return os.NewFile(uintptr(fd), "inhibitor"), nil
}
