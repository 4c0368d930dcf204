package status

import (
	"testing"

	"foreman-dlm-updater/internal/state"
)

// TestWithConfig: which commands in a text get a configuration.
func TestWithConfig(t *testing.T) {
	for _, test := range []struct{ config, text, want string }{
		{"/etc/w.ini", "fix it, then `foreman-dlm-updater config check`, then `foreman-dlm-updater run`",
			"fix it, then `foreman-dlm-updater --config /etc/w.ini config check`, " +
				"then `foreman-dlm-updater --config /etc/w.ini run`"},
		{"/etc/w.ini", "for x in y; do foreman-dlm-updater hooks disable x; done",
			"for x in y; do foreman-dlm-updater --config /etc/w.ini hooks disable x; done"},
		{"/etc/w.ini", "y; fix it with: foreman-dlm-updater state clear",
			"y; fix it with: foreman-dlm-updater --config /etc/w.ini state clear"},
		{"/etc/w.ini", `exit 1; it said "locked by foreman-dlm-updater run (pid 3)"`,
			`exit 1; it said "locked by foreman-dlm-updater run (pid 3)"`},
		{"/etc/w.ini", "chmod go-w '/x/foreman-dlm-updater state/update.d'",
			"chmod go-w '/x/foreman-dlm-updater state/update.d'"},
		{"/etc/w.ini", "call `sudo /usr/bin/foreman-dlm-updater check`",
			"call `sudo /usr/bin/foreman-dlm-updater --config /etc/w.ini check`"},
		{"/etc/it's $1.ini", "`foreman-dlm-updater status`", "`foreman-dlm-updater --config '/etc/it'\\''s $1.ini' status`"},
		{DefaultConfig, "`foreman-dlm-updater run`", "`foreman-dlm-updater run`"},
		{"", "`foreman-dlm-updater run`", "`foreman-dlm-updater run`"},
		{"/etc/w.ini", "`foreman-dlm-updater --config /etc/x.ini run`", "`foreman-dlm-updater --config /etc/x.ini run`"},
		{"/etc/w.ini", "`foreman-dlm-updater -c /etc/x.ini run`", "`foreman-dlm-updater -c /etc/x.ini run`"},
		{"/etc/w.ini", "`foreman-dlm-updater --help`, `foreman-dlm-updater version`",
			"`foreman-dlm-updater --help`, `foreman-dlm-updater version`"},
		{"/etc/w.ini", "foreman-dlm-updater: error: x", "foreman-dlm-updater: error: x"},
		{"/etc/w.ini", "systemctl list-timers foreman-dlm-updater.timer", "systemctl list-timers foreman-dlm-updater.timer"},
		{"/etc/w.ini", "no foreman-dlm-updater runs", "no foreman-dlm-updater runs"},
	} {
		got := WithConfig(test.text, test.config)
		if got != test.want {
			t.Errorf("%q with %q: %q", test.text, test.config, got)
		}
		if again := WithConfig(got, test.config); again != got {
			t.Errorf("twice: %q", again)
		}
	}
}

// TestRunCommand: it names the configuration that goes on with the run, whichever one asks.
func TestRunCommand(t *testing.T) {
	taken := func(config string) *state.Record { return &state.Record{Taken: &state.Taken{Config: config}} }
	for _, test := range []struct {
		config string
		record *state.Record
		want   string
	}{
		{DefaultConfig, nil, "run"},
		{DefaultConfig, taken(DefaultConfig), "run"},
		{DefaultConfig, taken(""), "run"},
		{DefaultConfig, taken("/etc/w.ini"), "--config /etc/w.ini run"},
		{DefaultConfig, &state.Record{SetWith: "/etc/my w.ini"}, "--config '/etc/my w.ini' run"},
		{"/etc/w.ini", nil, "--config /etc/w.ini run"},
		{"/etc/w.ini", taken("/etc/w.ini"), "--config /etc/w.ini run"},
		{"/etc/w.ini", taken("/etc/x.ini"), "--config /etc/x.ini run"},
		{"/etc/w.ini", taken(DefaultConfig), "--config " + DefaultConfig + " run"},
	} {
		s := Status{Config: test.config, Record: test.record}
		if got := WithConfig(s.runCommand(), s.Config); got != "`foreman-dlm-updater "+test.want+"`" {
			t.Errorf("%+v: %s", test, got)
		}
	}
}
