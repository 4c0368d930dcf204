//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/internal/state"
)

// threeHostsAtOnce: three hosts of a cluster, whose timers fire in the same second, are in guarded stages one after the
// other, as the server's record and their own journals tell.
func threeHostsAtOnce(t *testing.T, l *lab) {
	var hosts []*host
	for _, name := range []string{"web1", "web2", "web3"} {
		h := l.boot(t, name)
		h.lock = "web"
		h.install(settings{"lock_retry_interval": "2s", "lock_retry_jitter": "1s"})
		hosts = append(hosts, h)
	}
	at := soon(len(hosts))
	for _, h := range hosts {
		h.startTimer(at)
	}
	for _, h := range hosts {
		h.awaitBoot(2)
		h.awaitEnd()
	}

	var order []string // who got the lock
	for i, e := range hosts[0].lockEvents() {
		t.Logf("%s after the timers fired: %s for %s", e.Time.Sub(at).Round(time.Millisecond), e.Kind, e.Host)
		want := sandbox.EventAcquire
		if i%2 == 1 {
			want = sandbox.EventRelease
		} else {
			order = append(order, e.Host)
		}
		if e.Kind != want || e.Host != order[len(order)-1] || e.By != e.Host {
			t.Errorf("event %d of lock web: %+v", i, e)
		}
	}
	if slices.Sort(order); !slices.Equal(order, []string{"web1.example.com", "web2.example.com", "web3.example.com"}) {
		t.Fatalf("the lock was granted to %v", order)
	}
	for _, h := range hosts {
		h.checkEnd(2)
		checkTurn(t, h)
	}
}

// checkTurn sees that all that a host did was in its own turn, and that it had wanted it from the beginning.
func checkTurn(t *testing.T, h *host) {
	events := h.lockEvents()
	mine := slices.DeleteFunc(slices.Clone(events), func(e sandbox.Event) bool { return e.Host != h.cn })
	acquired, released := mine[0].Time, mine[1].Time
	for _, m := range h.trace() {
		if m.stage() != "needs_update" && (m.time.Before(acquired) || m.time.After(released)) {
			t.Errorf("%s had the lock from %s to %s, and not at %s: %s", h.name, acquired, released, m.time, m.seen)
		}
	}
	var stages []state.Stage
	var asked time.Time
	for _, line := range h.journal() {
		m := stageBegins.FindStringSubmatch(line.Message)
		if m == nil || line.Manager() {
			continue
		}
		stages = append(stages, state.Stage(m[1]))
		if m[1] == "lock_get" {
			asked = line.at(t)
		} else if m[1] != "needs_update" && (line.at(t).Before(acquired) || line.at(t).After(released.Add(time.Second))) {
			t.Errorf("%s had the lock from %s to %s, its journal has at %s: %s",
				h.name, acquired, released, line.at(t), line.Message)
		}
	}
	if fmt.Sprint(stages) != fmt.Sprint(allStages) {
		t.Errorf("stages of %s in its journal: %v", h.name, stages)
	}
	if first := events[1]; asked.After(first.Time) {
		t.Errorf("%s asked for the lock at %s only: by then %s had released it", h.name, asked, first.Host)
	}
}
