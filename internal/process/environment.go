package process

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// defaultPath is the hooks' PATH if the invocation has none.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// notForHooks are variables about the invocation, which a hook must not take for its own. A name that ends in an
// underscore stands for all names that begin with it.
var notForHooks = []string{
	// What systemd tells the main process of a service, and nobody else (sd_notify(3), systemd.exec(5)).
	"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "MAINPID",
	"MANAGERPID", "SYSTEMD_EXEC_PID", "INVOCATION_ID", "JOURNAL_STREAM", "TRIGGER_UNIT", "TRIGGER_PATH",
	"TRIGGER_TIMER_", "MEMORY_PRESSURE_",
	// The terminal, the display and the session of whoever starts a run by hand: a hook that works with them fails at
	// night. sudo's own say whose session it was.
	"TERM", "COLORTERM", "COLUMNS", "LINES", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "SSH_", "SUDO_",
	"XDG_SESSION_", "XDG_RUNTIME_DIR", "XDG_SEAT", "XDG_VTNR", "DBUS_SESSION_BUS_ADDRESS",
	// The working directories of the shell that started the run: hooks run in "/".
	"PWD", "OLDPWD",
	// With sudo -E or su these are about the account that started the run: we set our own account's.
	"HOME", "USER", "LOGNAME", "SHELL",
}

// Environment is the environment of a hook, without the variables that a stage adds.
func Environment() []string { return environment(os.Environ(), nil, self()) }

// account is what passwd(5) says about a user.
type account struct{ name, home, shell string }

// self is the user that the program runs as.
var self = sync.OnceValue(func() account {
	passwd, _ := os.ReadFile("/etc/passwd") // without it there is a default
	return findAccount(os.Geteuid(), string(passwd))
})

// findAccount looks for a user as getpwuid(3) does, but only in the file: a directory service that is down must not
// stop hooks.
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
// root's services, and in a run by hand HOME may be a person's. It leaves out notForHooks, and DLM_* variables from
// outside. It sets PATH only if it is missing or empty: a drop-in of the unit may have set it on purpose.
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
