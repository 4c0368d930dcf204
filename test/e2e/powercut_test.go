//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// powerCut: the power fails in a stage. The host comes back, and finishes.
func powerCut(t *testing.T, l *lab) {
	for _, cut := range []struct {
		stage string
		// prepare makes the host stop in the middle of the stage.
		prepare func(*host)
		// boots of the host in the end: the first, the one after the cut, and mostly the one that the update asked for.
		boots int
		// tells: the journal has an error that says what happened to the stage.
		tells bool
		// away: when the host boots, nothing answers at Foreman's address.
		away bool
		// resumes: the boot goes on by itself; else the next run does.
		resumes bool
	}{
		{stage: "needs_update", prepare: pauseIn("needs_update"), boots: 3},
		{stage: "lock_get", prepare: (*host).lockElsewhere, boots: 3},
		{stage: "pre_update", prepare: pauseIn("pre_update"), boots: 3, tells: true, resumes: true},
		// in the middle of dpkg
		{stage: "update", prepare: pauseIn("ledger"), boots: 3, tells: true, away: true, resumes: true},
		{stage: "needs_reboot", prepare: pauseIn("needs_reboot"), boots: 2, tells: true, resumes: true},
		{stage: "reboot", prepare: func(*host) {}, boots: 2, resumes: true}, // reboot-never
		{stage: "post_update", prepare: pauseIn("post_update"), boots: 3, resumes: true},
		{stage: "lock_release", prepare: pauseIn("post_update"), boots: 3, resumes: true}, // with the network cut meanwhile
	} {
		t.Run(cut.stage, func(t *testing.T) {
			t.Parallel()
			h := l.boot(t, "cut-"+strings.ReplaceAll(cut.stage, "_", "-"))
			more := settings{"lock_retry_interval": "2s", "lock_retry_jitter": "1s"}
			if cut.stage == "reboot" {
				more["reboot_cmd"] = "/e2e/bin/reboot-never"
			}
			h.install(more)
			h.run("systemctl", "enable", resumeUnit)
			h.run("systemctl", "add-wants", "multi-user.target", "ledger.service") // a boot brings back what no hook has stopped
			cut.prepare(h)
			h.run("systemctl", "start", "--no-block", updateUnit)
			if cut.stage == "lock_release" {
				h.awaitStage("post_update")
				h.network("down")
				h.run("touch", "/run/go-on")
			}
			h.awaitStage(cut.stage)
			cutAt := h.boots()
			if cut.away {
				h.holdBootUnit()
			}
			must(t, l.script("crash", h.name))
			switch cut.stage {
			case "lock_get":
				h.lockElsewhereEnds()
			case "lock_release":
				h.network("up")
			}
			must(t, l.script("up", h.name))
			if cut.away {
				h.resumeWithoutForeman(cut.stage)
			}
			if !cut.resumes {
				h.eventually("the resume unit has looked", func() error {
					if h.said(cutAt+1, "no run to go on with at boot") == 0 {
						return fmt.Errorf("it has not")
					}
					return nil
				})
				h.run("systemctl", "start", "--no-block", updateUnit)
			}
			h.awaitBoot(cut.boots)
			h.checkEnd(cut.boots)
			if got := h.said(cutAt+1, "went down") > 0; got != cut.tells {
				t.Errorf("the journal tells that the host went down: %v, want %v", got, cut.tells)
			}
			want := []string{"acquire " + h.lock + " for " + h.cn, "release " + h.lock + " for " + h.cn}
			if cut.stage == "lock_get" {
				other := h.lock + " for " + h.otherHolder()
				want = append([]string{"acquire " + other, "release " + other}, want...)
			}
			if diff := cmp.Diff(want, kinds(h.lockEvents())); diff != "" {
				t.Errorf("what happened to the lock (-want +got):\n%s", diff)
			}
		})
	}
}

// holdBootUnit makes the boot unit wait for the file /run/boot-unit-may-go.
func (h *host) holdBootUnit() {
	h.t.Helper()
	h.run("mkdir", "-p", "/etc/systemd/system/"+resumeUnit+".d")
	h.write("/etc/systemd/system/"+resumeUnit+".d/hold.conf",
		"[Service]\nExecStart=\nExecStart=/bin/sh -c 'until test -e /run/boot-unit-may-go; do sleep 0.1; done; "+
			"exec foreman-dlm-updater run --after-reboot'\n")
	h.run("sync")
}

// resumeWithoutForeman lets the boot unit go while nothing can be reached at the server's address, until it says that
// it waits.
func (h *host) resumeWithoutForeman(stage string) {
	h.t.Helper()
	route := strings.Fields(h.run("getent", "ahostsv4", "server"))[0] + "/32"
	h.run("ip", "route", "add", "unreachable", route)
	h.run("touch", "/run/boot-unit-may-go")
	h.eventually("the boot unit waits for Foreman", func() error {
		if said := h.statusText(resumeUnit); !strings.Contains(said, "to go on with stage "+stage) {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	h.run("rm", "-r", "/etc/systemd/system/"+resumeUnit+".d") // for the boots to come
	h.run("systemctl", "daemon-reload")
	h.run("ip", "route", "del", "unreachable", route)
}

func pauseIn(where string) func(*host) { return func(h *host) { h.once(where, pause) } }

// network sets the switch's end of the host's cable up or down.
func (h *host) network(state string) {
	h.t.Helper()
	for line := range strings.Lines(must(h.t, h.lab.script("list"))) {
		if words := strings.Fields(line); words[0] == h.name {
			must(h.t, h.lab.script("net", "ip", "link", "set", "v"+words[1][strings.LastIndex(words[1], ".")+1:], state))
			return
		}
	}
	h.t.Fatalf("the lab has no %s", h.name)
}

// awaitStage waits until the run has got to where it stops in the stage.
func (h *host) awaitStage(stage string) {
	h.t.Helper()
	h.eventually("it is in stage "+stage, func() error {
		got := h.stage()
		switch {
		case stage == "lock_get" && !strings.HasPrefix(h.statusText(updateUnit), "waiting "):
			return fmt.Errorf("it says %q", h.statusText(updateUnit))
		case stage == "needs_update" && got == "": // nothing is on record yet
		case stage == "reboot" && got == "post_update": // as written before the command runs
		case got != stage:
			return fmt.Errorf("it is in stage %q", got)
		}
		if stage == "lock_get" || stage == "lock_release" {
			return nil
		}
		_, err := h.try("test", "-e", "/run/paused")
		return err
	})
}

// otherHolder is a holder of this host's lock that is no host of the lab. Each host has its own, since tests run at the
// same time.
func (h *host) otherHolder() string { return "other-than-" + h.cn }

// lockElsewhere makes somebody else take the host's lock.
func (h *host) lockElsewhere() { h.t.Helper(); h.elsewhere("acquire") }

func (h *host) lockElsewhereEnds() { h.t.Helper(); h.elsewhere("release") }

func (h *host) elsewhere(action string) {
	h.t.Helper()
	holder := h.otherHolder()
	script := `set -eu
		"$1" issue --dir "$2" ` + holder + ` >/dev/null
		mkdir -p "$3" && cd "$3"
		printf '%s\n' '[main]' "lock_name = $4" 'foreman_url = https://server:8443' "client_crt = $2/` + holder + `.pem" \
		    "client_key = $2/` + holder + `.key" "ca = $2/ca.pem" "state = $3/state" "lock = $3/lock" >config.ini
		exec "$5" -c "$3/config.ini" lock "$6"`
	must(h.t, h.lab.script("net", "unshare", "--mount", "sh", "-c",
		`mount --bind "$1" /etc/hosts; shift; exec sh -c "$@"`, "sh", h.lab.path("lab/etc-hosts"), script,
		"sh", h.lab.path("given/bin/dlm-sandbox"), h.lab.path("given/ca"), h.lab.path(holder), h.lock,
		h.lab.path("given/bin/foreman-dlm-updater"), action))
}
