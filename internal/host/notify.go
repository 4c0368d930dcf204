package host

import "github.com/coreos/go-systemd/v22/daemon"

// ShowStatus shows a sentence in `systemctl status`. Without systemd, or in a unit whose NotifyAccess doesn't allow it,
// nothing happens: nobody depends on it.
//
// It blocks for as long as systemd does not read: a datagram waits for room in the queue of its socket (unix(7)). So it
// is for a goroutine that nothing waits for. To drop the sentence instead would show an old one until the next, which
// may be hours.
func ShowStatus(sentence string) { _, _ = daemon.SdNotify(false, "STATUS="+sentence) }
