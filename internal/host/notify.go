package host

import "github.com/coreos/go-systemd/v22/daemon"

// ShowStatus shows a sentence in `systemctl status`. Without systemd, or in a unit whose NotifyAccess doesn't allow it,
// it does nothing.
//
// It blocks as long as systemd does not read: a datagram waits for room in the socket's queue (unix(7)). So call it in
// a goroutine that nothing waits for. Dropping the sentence instead would leave the old one visible until the next,
// perhaps for hours.
func ShowStatus(sentence string) { _, _ = daemon.SdNotify(false, "STATUS="+sentence) }
