package process

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hashicorp/go-hclog"
)

var alice = account{"alice", "/home/alice", "/bin/zsh"}

func TestEnvironment(t *testing.T) {
	account := []string{"HOME=/home/alice", "USER=alice", "LOGNAME=alice", "SHELL=/bin/zsh"}
	for _, tt := range []struct {
		name              string
		base, extra, want []string
	}{
		{"none", nil, nil, slices.Concat([]string{"PATH=" + defaultPath}, account, []string{"PWD=/"})},
		{"empty is as good as missing", []string{"PATH=", "HOME=", "USER="}, nil,
			slices.Concat([]string{"PATH=", "PATH=" + defaultPath}, account, []string{"PWD=/"})},
		{"what is there stays", []string{"PATH=/x", "A=b=c", "TERMINFO=/y", "LANG=C", "HOMEPAGE=z"}, []string{"D="},
			slices.Concat([]string{"PATH=/x", "A=b=c", "TERMINFO=/y", "LANG=C", "HOMEPAGE=z", "D="}, account,
				[]string{"PWD=/"})},
		{"another account's, by sudo -E or su",
			[]string{"HOME=/home/bob", "PATH=/y", "USER=bob", "LOGNAME=bob", "SHELL=/bin/fish"}, nil,
			slices.Concat([]string{"PATH=/y"}, account, []string{"PWD=/"})},
		{"systemd's own", []string{"NOTIFY_SOCKET=@x", "LISTEN_FDS=1", "WATCHDOG_USEC=1", "JOURNAL_STREAM=8:1",
			"INVOCATION_ID=1", "TRIGGER_UNIT=a.timer"},
			[]string{"PATH=/y"}, slices.Concat([]string{"PATH=/y"}, account, []string{"PWD=/"})},
		{"a person's session", []string{"PATH=/y", "TERM=xterm", "SSH_AUTH_SOCK=/x", "SUDO_USER=bob", "PWD=/root",
			"OLDPWD=/", "XDG_RUNTIME_DIR=/run/user/0"},
			nil, slices.Concat([]string{"PATH=/y"}, account, []string{"PWD=/"})},
		{"another run's", []string{"DLM_CANNOT_TELL_EXIT=75", "PATH=/bin"}, []string{"DLM_STAGE=update"},
			slices.Concat([]string{"PATH=/bin", "DLM_STAGE=update"}, account, []string{"PWD=/"})},
	} {
		if diff := cmp.Diff(tt.want, environment(tt.base, tt.extra, alice)); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

func TestFindAccount(t *testing.T) {
	const passwd = "# comment\nroot:x:0:0:root:/var/root:/bin/bash\ntoor:x:0:0::/:/bin/csh\nshort:x:7\n" +
		"bare:x:8:8:::\n:x:9:9::/home/nobody:/bin/sh\nalice:x:1000:1000:A, B:/home/alice:/bin/zsh\n"
	for uid, want := range map[int]account{
		0:    {"root", "/var/root", "/bin/bash"}, // the first, as for getpwuid
		7:    {"7", "/", "/bin/sh"},
		8:    {"bare", "/", "/bin/sh"},
		9:    {"9", "/", "/bin/sh"},
		1000: alice,
		1001: {"1001", "/", "/bin/sh"},
	} {
		if got := findAccount(uid, passwd); got != want {
			t.Errorf("%d: %+v", uid, got)
		}
	}
	if got := findAccount(0, ""); got != (account{"root", "/root", "/bin/sh"}) {
		t.Errorf("root without a file: %+v", got)
	}
}

// TestHome: hooks and commands find root's files, at night and when a person with another home starts the run.
func TestHome(t *testing.T) {
	for _, key := range []string{"HOME", "USER", "LOGNAME", "SHELL"} {
		t.Setenv(key, "") // for the end of the test
		os.Unsetenv(key)
	}
	testHome(t)
	for _, key := range []string{"HOME", "USER", "LOGNAME", "SHELL"} {
		os.Setenv(key, "/home/alice")
	}
	testHome(t)
}

func testHome(t *testing.T) {
	t.Helper()
	h := sh(t, `echo "$HOME $USER $LOGNAME $SHELL"`)
	who := self()
	want := strings.Join([]string{who.home, who.name, who.name, who.shell}, " ")
	if os.Geteuid() == 0 && !strings.HasPrefix(want, "/root root root /") {
		t.Errorf("root is %q", want)
	}
	for name, res := range map[string]Result{
		"hook":       run(&Runner{}, h),
		"reboot_cmd": (&Runner{Log: hclog.NewNullLogger()}).Command("reboot_cmd", []string{h}),
	} {
		if got := strings.Join(res.Last, ""); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
