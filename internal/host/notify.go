package host

import "github.com/coreos/go-systemd/v22/daemon"

// Notify shows a sentence in `systemctl status`. Without systemd, or in a unit whose NotifyAccess doesn't allow it,
// nothing happens: nobody depends on it.
func Notify(sentence string) {
	_, _ = daemon.SdNotify(false, "STATUS="+sentence)
}
