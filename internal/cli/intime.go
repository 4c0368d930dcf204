package cli

import (
	"fmt"
	"time"
)

// reportPatience is how long the end of an invocation waits for each thing that only reports: a disk that is busy may
// need seconds.
const reportPatience = 10 * time.Second

// inTime calls a function that only reports, and waits for it, but not for ever: the host's next invocation and systemd
// must not wait for a disk that hangs, or for a pipe that nobody reads. A function that has not returned by then is
// left behind, and the error says so.
func inTime(report func() error) error {
	over := make(chan error, 1)
	go func() { over <- report() }()
	timer := time.NewTimer(reportPatience)
	defer timer.Stop()
	select {
	case err := <-over:
		return err
	case <-timer.C:
		return fmt.Errorf("not finished within %s, as if the disk hung; no longer waiting for it", reportPatience)
	}
}
