package hook

import (
	"os"
	"slices"
	"strconv"
	"strings"
)

// defaultPath is what a hook searches for commands if the invocation has no PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// notForHooks are variables that say something about the invocation, and that a hook must not take for its own. An
// underscore at the end stands for all names that begin so.
var notForHooks = []string{
	// What systemd tells the main process of a service, and nobody else (sd_notify(3), systemd.exec(5)).
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "MAINPID",
	"MANAGERPID", "SYSTEMD_EXEC_PID", "INVOCATION_ID", "JOURNAL_STREAM", "TRIGGER_UNIT", "TRIGGER_PATH",
	"TRIGGER_TIMER_", "MEMORY_PRESSURE_",
	// The terminal, the display and the session of whoever starts a run by hand: a hook that works with them fails at
	// night. sudo's own say whose session it was.
	"TERM", "COLORTERM", "COLUMNS", "LINES", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "SSH_", "SUDO_",
	"XDG_SESSION_", "XDG_RUNTIME_DIR", "XDG_SEAT", "XDG_VTNR", "DBUS_SESSION_BUS_ADDRESS",
	// The working directories of the shell that started the run: a process in "/" has others.
	"PWD", "OLDPWD",
}

// account is what passwd(5) says of a user.
type account struct{ name, home, shell string }

// self is the user that the program runs as.
func self() account {
	passwd, _ := os.ReadFile("/etc/passwd") // without it there is a default
	return findAccount(os.Geteuid(), string(passwd))
}

// findAccount looks for a user as getpwuid(3) does, but asks no other service than the file: a directory that is down
// must stop no hook.
func findAccount(uid int, passwd string) account {
	found := account{strconv.Itoa(uid), "/", "/bin/sh"}
	if uid == 0 {
		found = account{"root", "/root", "/bin/sh"}
	}
	for line := range strings.Lines(passwd) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(fields) != 7 || fields[2] != strconv.Itoa(uid) || fields[0] == "" {
			continue
		}
		found.name = fields[0]
		if fields[5] != "" {
			found.home = fields[5]
		}
		if fields[6] != "" {
			found.shell = fields[6]
		}
		break
	}
	return found
}

// environment adds extra to base for a process in "/", so that it finds the same by hand and under systemd, which sets
// no HOME for root's services. It leaves out notForHooks, and DLM_* variables that are not ours. It sets PATH and the
// variables of the account if they are missing or empty.
func environment(base, extra []string, who account) []string {
	env := make([]string, 0, len(base)+len(extra)+6)
	has := map[string]bool{}
	for i, entry := range append(slices.Clip(base), extra...) {
		key, value, _ := strings.Cut(entry, "=")
		if foreign(key) || strings.HasPrefix(key, "DLM_") && i < len(base) {
			continue
		}
		has[key] = value != ""
		env = append(env, entry)
	}
	for _, missing := range [][2]string{
		{"PATH", defaultPath}, {"HOME", who.home}, {"USER", who.name}, {"LOGNAME", who.name}, {"SHELL", who.shell},
	} {
		if !has[missing[0]] {
			env = append(env, missing[0]+"="+missing[1]) // exec.Cmd takes the last entry of each name
		}
	}
	return append(env, "PWD=/")
}

func foreign(key string) bool {
	return slices.ContainsFunc(notForHooks, func(name string) bool {
		return key == name || strings.HasSuffix(name, "_") && strings.HasPrefix(key, name)
	})
}
