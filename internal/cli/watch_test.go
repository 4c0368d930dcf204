package cli

import (
	"errors"
	"regexp"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/events"
	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/lock"
	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
)

// badHost fails in post_update.
type badHost struct{ *clusterHost }

func (h badHost) Run(stage state.Stage, name string, env []string) workflow.HookResult {
	if stage == state.PostUpdate {
		return workflow.HookResult{Exit: 3, Said: "no answer"}
	}
	return h.clusterHost.Run(stage, name, env)
}

// varies is what differs from run to run, as does how long a host waits before its second look at a lock.
var varies = regexp.MustCompile(`\d\d:\d\d|pid \d+|waiting [1-9]\d* \w+`)

// TestWatchedRun is what `systemctl status` shows of a run that waits for the lock, and of one that fails.
func TestWatchedRun(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			server := sandbox.New(sandbox.Options{})
			server.SetHolder("web", "web3")
			client := dlm.New(dlm.Options{URL: "https://foreman.example.com", Timeout: 30 * time.Second,
				Log: hclog.NewNullLogger(), Transport: server.Transport("web1")})
			host := &clusterHost{name: "web1", inside: &atomic.Int32{}, most: &atomic.Int32{}}
			w := &workflow.Workflow{
				Settings: workflow.Settings{LockName: "web", MaxReboots: 3},
				OpenLock: opener(client, foreman.Settings{Pace: lock.Pace{RetryInterval: time.Minute}, Settle: 2 * time.Second}),
				Store:    host, Hooks: host, Host: host, Log: hclog.NewNullLogger(),
			}
			if fails {
				w.Hooks = badHost{host}
			}
			var got []string
			seen := events.Watch(w, events.Options{Next: afterStop, Wording: foreman.Wording, Show: func(sentence string) {
				got = append(got, varies.ReplaceAllStringFunc(sentence, func(s string) string {
					switch s[0] {
					case 'p':
						return "pid N"
					case 'w':
						return "waiting D"
					}
					return "T"
				}))
			}})
			time.AfterFunc(20*time.Second, func() { server.SetHolder("web", "") })
			err := w.Run(t.Context(), false)
			seen.Ended(err)
			server.Wait()
			var failed *workflow.StageError
			if errors.As(err, &failed) != fails {
				t.Fatal(err)
			}
			const held = "; lock web held by this host since T"
			want := []string{
				"an invocation is running (pid N); the holder of lock web is not known",
				"stage needs_update is running since T (pid N); the holder of lock web is not known",
				"stage needs_update is running since T, hook hook (pid N); the holder of lock web is not known",
				"stage needs_update is running since T (pid N); the holder of lock web is not known",
				"waiting 0 s for lock web: its holder is not known",
				"waiting 0 s for lock web: held by web3 since T (0 s; Foreman calls it stale after 4 h)",
				"waiting D for lock web: it is free",
				"waiting D for lock web: this host has claimed it",
			}
			for _, stage := range []string{"pre_update", "update", "needs_reboot", "post_update"} {
				want = append(want, "stage "+stage+" is running since T (pid N)"+held,
					"stage "+stage+" is running since T, hook hook (pid N)"+held,
					"stage "+stage+" is running since T (pid N)"+held)
			}
			if fails {
				want = append(want, "an invocation is running (pid N) after stage post_update had failed T"+held,
					"stage post_update failed T in hook (exit 3; it said \"no answer\"), lock kept; "+
						"fix it, then `foreman-dlm-updater run`")
			} else {
				want = append(want, "stage lock_release is running since T (pid N)"+held,
					"stage lock_release is running since T (pid N); lock web is free",
					"nothing to do: no run in progress; lock web is free")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
