//go:build e2e

package e2e

import (
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	// daemons starts one in the classic way, and one that leaves no trace of where it comes from.
	daemons = `#!/bin/sh
setsid sleep 1001 >/dev/null 2>&1 &
(setsid env -i sleep 1002 >/dev/null 2>&1 &)
echo "$HOME $USER $LOGNAME $SHELL"
`
	// straggler leaves one in a stage whose leftovers die.
	straggler = "#!/bin/sh\nsetsid sleep 1003 >/dev/null 2>&1 &\n"
	// mailer delivers in the background, like a mail program with a queue of its own.
	mailer = "#!/bin/sh\n(sleep 5; echo \"$DLM_EVENT\" >>/var/log/delivered) >/dev/null 2>&1 &\n"
)

// daemonsOfHooks: what post_update starts, and a mail that is under way, outlive the unit; systemd kills the rest of
// its control group.
func daemonsOfHooks(t *testing.T, l *lab) {
	h := l.boot(t, "db9")
	h.install(settings{"notify.d": notifyDir})
	for file, hook := range map[string]string{
		"/etc/foreman_dlm_updater/post_update.d/20-daemons": daemons,
		"/etc/foreman_dlm_updater/needs_update.d/20-left":   straggler,
		notifyDir + "/10-mail":                              mailer,
	} {
		h.write(file, hook)
		h.run("chmod", "0755", file)
	}
	h.run("systemctl", "enable", resumeUnit)
	h.run("systemctl", "start", "--no-block", updateUnit)
	h.awaitBoot(2)
	h.checkEnd(2)

	units := map[string]string{}
	for _, command := range []string{"sleep 1001", "sleep 1002"} {
		pid := strings.TrimSpace(h.run("sh", "-c", `cd /proc
			for p in [0-9]*; do [ "$(tr '\0' ' ' <"$p/cmdline")" != "$1 " ] || echo "$p"; done`, "sh", command))
		units[command] = path.Base(strings.TrimSpace(h.run("cat", "/proc/"+pid+"/cgroup")))
		said := fmt.Sprintf("command=%q pid=%s scope=%s", command, pid, units[command])
		if n := h.said(0, said); n != 1 {
			t.Errorf("%q was logged %d times", said, n)
		}
	}
	for command, prefix := range map[string]string{
		"sleep 1001": "foreman-dlm-updater-post_update-20-daemons-", "sleep 1002": "foreman-dlm-updater-unknown-hook-",
	} {
		if unit := units[command]; !strings.HasPrefix(unit, prefix) || !strings.HasSuffix(unit, ".scope") {
			t.Errorf("%s lives in %q", command, unit)
		}
	}
	const killed = `systemd kills it when this invocation ends: hook=needs_update/20-left command="sleep 1003"`
	if n := h.said(-1, killed); n != 1 {
		t.Errorf("%q was logged %d times", killed, n)
	}
	if n := h.said(0, `line="/root root root /bin/bash"`); n != 1 {
		t.Errorf("a hook of the unit has another account than root's (%d)", n)
	}
	h.eventually("the mail is delivered", func() error {
		text, _ := h.try("tail", "-n", "1", "/var/log/delivered")
		if diff := cmp.Diff("finished\n", text); diff != "" {
			return fmt.Errorf("delivered last: %q", text)
		}
		return nil
	})
}
