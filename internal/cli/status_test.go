package cli

import (
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/state"
)

// TestSentences is every sentence that `status` can say.
func TestSentences(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	mine := lockStanding{Name: "web", Seen: true, Exists: true, Enabled: true, Holder: "web1", Self: true, Since: &at}
	other := lockStanding{Name: "web", Seen: true, Exists: true, Enabled: true, Holder: "web3", Since: &at}
	free := lockStanding{Name: "web", Seen: true, Exists: true, Enabled: true}
	unseen := []string{"the lock in Foreman: connection refused"}
	record := &state.Record{StageBegan: at}
	failed := &state.Error{Time: at, Stage: state.Update, Hook: "50-apt", Message: "exit 100"}
	tests := []struct {
		s    standing
		want string
	}{
		{standing{Lock: free}, "nothing to do: no run in progress; lock web is free"},
		{standing{Lock: other}, "nothing to do: no run in progress; lock web held by web3 since 2026-11-22 02:14:03"},
		{standing{Lock: lockStanding{Name: "web"}, Unseen: unseen},
			"nothing to do: no run in progress; the holder of lock web is not known; could not see the lock in Foreman: connection refused"},
		{standing{Lock: lockStanding{Name: "web", Seen: true}}, "nothing to do: no run in progress; lock web does not exist in Foreman yet"},
		{standing{Lock: mine}, "no run in progress, and yet lock web held by this host since 2026-11-22 02:14:03; if nobody took it by hand, " +
			"give it back with `foreman-dlm-updater lock release`"},
		{standing{Stage: state.LockGet, Running: true, PID: 7, Lock: other, record: record},
			"waiting for lock web (pid 7); lock web held by web3 since 2026-11-22 02:14:03"},
		{standing{Stage: state.Update, Running: true, PID: 7, Lock: mine, record: record},
			"stage update is running since 2026-11-22 02:14:03 (pid 7); lock web held by this host since 2026-11-22 02:14:03"},
		{standing{Stage: state.Update, Error: failed, Lock: mine, record: record},
			"stage update failed at 2026-11-22 02:14:03 in hook 50-apt (exit 100); lock kept; mend it, then `foreman-dlm-updater run`"},
		{standing{Stage: state.Update, Error: failed, Lock: other, record: record},
			"stage update failed at 2026-11-22 02:14:03 in hook 50-apt (exit 100); but lock web held by web3 since " +
				"2026-11-22 02:14:03; mend it, then `foreman-dlm-updater run`"},
		{standing{Stage: state.Update, Error: &state.Error{Time: at, Stage: state.Update, Message: "a\nb \x1b[2J\u202e"}, Lock: mine, record: record},
			"stage update failed at 2026-11-22 02:14:03 (a b  [2J ); lock kept; mend it, then `foreman-dlm-updater run`"},
		{standing{Stage: state.NeedsUpdate, Error: &state.Error{Time: at, Stage: state.NeedsUpdate, Message: "exit 127"}, Lock: free, record: record},
			"stage needs_update failed at 2026-11-22 02:14:03 (exit 127); lock web is free; mend it, or let the next " +
				"`foreman-dlm-updater run` try again"},
		{standing{Stage: state.PostUpdate, RebootPending: &at, Lock: mine, record: record},
			"reboot pending since 2026-11-22 02:14:03, the host has not gone down yet; lock web held by this host since 2026-11-22 02:14:03"},
		{standing{Stage: state.PostUpdate, Lock: mine, record: record, rebooted: true},
			"the host was rebooted as asked, stage post_update is next; lock web held by this host since 2026-11-22 02:14:03; " +
				"go on with `foreman-dlm-updater run`"},
		{standing{Stage: state.Update, Lock: mine, record: record},
			"stage update was not finished (a signal, a crash or a power cut) and nothing runs; lock web held by this host since " +
				"2026-11-22 02:14:03; go on with `foreman-dlm-updater run`"},
		{standing{Stage: state.Update, Running: true, PID: 7, Error: failed, Lock: mine, record: record},
			"an invocation is running (pid 7) after stage update had failed at 2026-11-22 02:14:03; lock web held by this host since " +
				"2026-11-22 02:14:03"},
		{standing{Stage: state.Update, Running: true, PID: 7, Lock: other, record: record},
			"waiting for lock web to go on with stage update (pid 7); lock web held by web3 since 2026-11-22 02:14:03"},
		{standing{Running: true, PID: 7, Lock: free}, "an invocation is running (pid 7); lock web is free"},
		{standing{Stage: state.LockRelease, Running: true, PID: 7, record: record,
			Lock: lockStanding{Name: "web", Seen: true, Exists: true, Holder: "web1", Self: true}},
			"stage lock_release is running since 2026-11-22 02:14:03 (pid 7); lock web held by this host, and disabled in Foreman"},
	}
	for _, test := range tests {
		if got := test.s.sentence(); got != test.want {
			t.Errorf("got  %s\nwant %s", got, test.want)
		}
		if strings.Contains(test.want, "\n") {
			t.Errorf("more than a line: %q", test.want)
		}
	}
}
