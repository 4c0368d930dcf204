package process

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
	// Of the account that the run was started from, with sudo -E or su: those of our own are set.
	"HOME", "USER", "LOGNAME", "SHELL",
}

// Environment is the environment of a hook, without what a stage adds.
func Environment() []string { return environment(os.Environ(), nil, self()) }

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

// environment adds extra to base for a process in "/", and sets the variables of the account: systemd sets no HOME for
// root's services, and by hand it may be a person's. It leaves out notForHooks, and DLM_* variables that are not ours.
// It sets PATH only if that is missing or empty: a drop-in of the unit may have set it on purpose.
func environment(base, extra []string, who account) []string {
	ours := []string{"HOME=" + who.home, "USER=" + who.name, "LOGNAME=" + who.name, "SHELL=" + who.shell, "PWD=/"}
	env := make([]string, 0, len(base)+len(extra)+len(ours)+1)
	path := false
	for i, entry := range append(slices.Clip(base), extra...) {
		key, value, _ := strings.Cut(entry, "=")
		if foreign(key) || strings.HasPrefix(key, "DLM_") && i < len(base) {
			continue
		}
		if key == "PATH" {
			path = value != ""
		}
		env = append(env, entry)
	}
	if !path {
		env = append(env, "PATH="+defaultPath) // exec.Cmd takes the last of two entries with the same name
	}
	return append(env, ours...)
}

func foreign(key string) bool {
	return slices.ContainsFunc(notForHooks, func(name string) bool {
		return key == name || strings.HasSuffix(name, "_") && strings.HasPrefix(key, name)
	})
}
