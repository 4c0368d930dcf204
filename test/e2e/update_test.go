//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/workflow"

	"github.com/google/go-cmp/cmp"
)

// updateFromTimer: the timer fires, and the host goes down while the program that asked for it is still about to end.
func updateFromTimer(t *testing.T, l *lab) {
	h := l.boot(t, "db1")
	h.install(settings{"notify.d": notifyDir})
	h.write(notifyDir+"/10-slow", slowNotifier)
	h.run("chmod", "0755", notifyDir+"/10-slow")
	h.startTimer(soon(1))
	h.awaitBoot(2)
	checkUpdated(t, h)
	if diff := cmp.Diff("started\nacquired\nrebooting\nresumed\nfinished\n", h.run("cat", "/var/log/events")); diff != "" {
		t.Errorf("events that a slow notifier has heard of to the end (-want +got):\n%s", diff)
	}
}

const (
	notifyDir = "/etc/foreman_dlm_updater/notify.d"
	// slowNotifier is not done with the reboot when the reboot command would run, if that did not wait.
	slowNotifier = `#!/bin/sh
sleep 2
grep -q '"sentence":"..*"' && echo "$DLM_EVENT" >>/var/log/events
`
)

// nothingBeforeReboot: the reboot command returns, and until the host goes down others start the program again.
func nothingBeforeReboot(t *testing.T, l *lab) {
	h := l.boot(t, "db2")
	h.install(settings{"reboot_cmd": "/e2e/bin/reboot-later"})
	h.run("systemctl", "enable", resumeUnit)
	h.run("systemctl", "start", "--wait", updateUnit)
	h.run("test", "-e", "/run/reboot-asked")
	checkRebootPending(t, h)
	h.reboot()
	checkUpdated(t, h)
}

// checkRebootPending starts the program in every way there is, between the reboot command and the reboot: none may do
// anything.
func checkRebootPending(t *testing.T, h *host) {
	before, state := h.run("cat", traceFile), h.run("cat", stateFile)
	if !strings.HasPrefix(state, "post_update\n") {
		t.Errorf("state before the reboot: %q", state)
	}
	h.run("systemctl", "start", "--wait", resumeUnit)
	h.startTimer(soon(1))
	h.eventually("the timer has fired", func() error {
		if n := h.started(updateUnit); n != 2 {
			return fmt.Errorf("%s was started %d times", updateUnit, n)
		}
		return nil
	})
	h.run("foreman_dlm_updater", "--after_reboot")

	said := map[string]int{}
	for _, line := range h.journal() {
		if strings.Contains(line.Message, "reboot pending") {
			said[line.Unit]++
		}
	}
	if diff := cmp.Diff(map[string]int{updateUnit: 1, resumeUnit: 1}, said); diff != "" {
		t.Errorf("reboot pending, as the units' journal says it (-want +got):\n%s", diff)
	}
	if got := h.run("foreman-dlm-updater", "status"); !strings.HasPrefix(got, "reboot asked for ") ||
		!strings.Contains(got, "held by this host") {
		t.Errorf("status before the reboot: %s", got)
	}
	if diff := cmp.Diff(before, h.run("cat", traceFile)); diff != "" {
		t.Errorf("hooks ran before the reboot (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(state, h.run("cat", stateFile)); diff != "" {
		t.Errorf("state changed before the reboot (-want +got):\n%s", diff)
	}
	if got := h.run("systemctl", "show", "--property=ActiveState", "--value", "ledger.service"); got != "inactive\n" {
		t.Errorf("ledger.service before the reboot: %s", got)
	}
	if diff := cmp.Diff([]string{"acquire " + h.lock + " for " + h.cn}, kinds(h.lockEvents())); diff != "" {
		t.Errorf("lock before the reboot (-want +got):\n%s", diff)
	}
}

// checkUpdated waits for the end of the run, and looks at all that it leaves behind.
func checkUpdated(t *testing.T, h *host) {
	h.awaitEnd()
	checkHost(t, h)
	boots := checkHooks(t, h)
	checkJournal(t, h, boots)
}

func checkHost(t *testing.T, h *host) {
	h.checkEnd(2)
	if got := h.run("ls", "-A", stateDir); got != "history.jsonl\nhooks\nstate.last\nstate.lock\n" {
		t.Errorf("left in the directory of the state: %s", got)
	}
	if got := h.run("foreman-dlm-updater", "history", "--json"); strings.Count(got, "\n") != 1 ||
		!strings.Contains(got, `"result":"finished"`) ||
		!strings.Contains(got, `"reboots":1,"invocations":2`) {
		t.Errorf("history of the one run: %s", got)
	}
	// A boot without a run in progress.
	h.run("systemctl", "start", resumeUnit)
}

// checkHooks reads what the hooks noted: which ran, in which boot, and that it was under the lock. It returns the ids
// of the boots.
func checkHooks(t *testing.T, h *host) []string {
	marks := h.trace()
	var got, boots []string
	runs := map[string]bool{}
	for _, m := range marks {
		if len(boots) == 0 || boots[len(boots)-1] != m.boot {
			boots = append(boots, m.boot)
		}
		runs[m.run] = true
		got = append(got, fmt.Sprintf("boot %d: %s", len(boots), m.seen))
	}
	want := []string{
		"boot 1: needs_update/00-trace rebooted=0 ledger=active",
		"boot 1: needs_update/99-trace rebooted=0 ledger=active",
		"boot 1: pre_update/00-trace rebooted=0 ledger=active",
		"boot 1: pre_update/99-trace rebooted=0 ledger=inactive",
		"boot 1: update/00-trace rebooted=0 ledger=inactive",
		"boot 1: update/99-trace rebooted=0 ledger=inactive",
		"boot 1: needs_reboot/00-trace rebooted=0 ledger=inactive", // the next hook said yes, and so the last one
		"boot 2: post_update/00-trace rebooted=1 ledger=inactive",
		"boot 2: post_update/99-trace rebooted=1 ledger=active",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("hooks that ran (-want +got):\n%s", diff)
	}
	if len(runs) != 1 {
		t.Errorf("the hooks were told of several runs: %v", runs)
	}

	events := h.lockEvents()
	want = []string{"acquire " + h.lock + " for " + h.cn, "release " + h.lock + " for " + h.cn}
	if diff := cmp.Diff(want, kinds(events)); diff != "" {
		t.Fatalf("what happened to the lock (-want +got):\n%s", diff)
	}
	if first := marks[2]; !events[0].Time.Before(first.time) {
		t.Errorf("the lock was acquired at %s, and pre_update began at %s", events[0].Time, first.time)
	}
	if last := marks[len(marks)-1]; !events[1].Time.After(last.time) {
		t.Errorf("the lock was released at %s, and post_update ended at %s", events[1].Time, last.time)
	}
	return boots
}

// allStages of a run with a reboot, on a host without hooks for optional ones.
var allStages = slices.DeleteFunc(workflow.Stages(), workflow.Optional)

var (
	stageBegins = regexp.MustCompile(`stage begins: stage=(\w+) run=(\S+)`)
	levels      = map[string]string{"[ERROR]": "3", "[WARN]": "4", "[INFO]": "6", "[DEBUG]": "7"}
)

// unitSuccess is SD_MESSAGE_UNIT_SUCCESS of systemd's sd-messages.h: a unit has ended, and well.
const unitSuccess = "7ad2d189f7e94e70a38c781354912448"

// checkJournal reads the journal of the units, over both boots.
func checkJournal(t *testing.T, h *host, wantBoots []string) {
	var stages []state.Stage
	var boots []string
	runs, priorities, ended := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, line := range h.journal() {
		if line.Manager() {
			if line.MessageID == unitSuccess {
				ended[line.ManagedUnit]++
			}
			if line.UnitResult != "" {
				t.Errorf("%s ended with %s: %s", line.ManagedUnit, line.UnitResult, line.Message)
			}
			continue
		}
		if len(boots) == 0 || boots[len(boots)-1] != line.Boot {
			boots = append(boots, line.Boot)
		}
		level, _, _ := strings.Cut(line.Message, " ")
		priorities[line.Priority]++
		if want := levels[level]; line.Priority != want {
			t.Errorf("priority is %q, want %q: %s", line.Priority, want, line.Message)
		}
		if level == "[ERROR]" {
			t.Errorf("error in the journal: %s", line.Message)
		}
		if m := stageBegins.FindStringSubmatch(line.Message); m != nil {
			stages = append(stages, state.Stage(m[1]))
			runs[m[2]] = true
		}
	}
	if diff := cmp.Diff(allStages, stages); diff != "" {
		t.Errorf("stages in the journal (-want +got):\n%s", diff)
	}
	if len(runs) != 1 {
		t.Errorf("several runs in the journal: %v", runs)
	}
	if diff := cmp.Diff(wantBoots, boots); diff != "" {
		t.Errorf("boots in the journal (-as the hooks saw them +got):\n%s", diff)
	}
	if ended[updateUnit] == 0 || ended[resumeUnit] == 0 {
		t.Errorf("how often the units have ended well: %v", ended)
	}
	// The lock was not there before, which is worth a warning.
	if priorities["6"] == 0 || priorities["4"] == 0 {
		t.Errorf("how many lines of each priority: %v", priorities)
	}
}
