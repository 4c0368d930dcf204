package configcheck

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/vet"

	"github.com/google/go-cmp/cmp"
)

// TestVetServicesStop: services-stop is refused if it certainly has nothing to stop. If its settings can't be judged,
// the hook itself tells.
func TestVetServicesStop(t *testing.T) {
	refusal := func(h *testHost) error {
		return VetServicesStop(vet.NewSession(), h.library, h.Config.StageDirs["pre_update"], h.Config.SettingsDir())
	}
	for _, test := range []struct {
		settings string
		refused  bool
	}{
		{"", true},
		{"# SERVICES=app.service\nstop_timeout=60\n", true},
		{"SERVICES=\n", true},
		{"SERVICES=''\n", true},
		{`SERVICES=" "` + "\n", true},
		{"SERVICES = app.service\n", true},
		{"SERVICES =app.service\n", true},
		{"SERVICES=app.service db.service\n", true},
		{"SERVICES=app db\n", true}, // it would run db
		{"SERVICES=app db cache # three\n", true},
		{"SERVICES=app.service\n", false},
		{"SERVICES=app.service # db.service\n", false},
		{"SERVICES='app.service db.service'\n", false},
		{"SERVICES=app.service cat /etc/services-to-stop\n", false},
		{"SERVICES='\napp.service'\n", false},
		{"SERVICES=\nSERVICES=$(cat /etc/services-to-stop)\n", false},
		{"export SERVICES=app.service\n", false},
		{". /etc/more.conf\n", false},
		{"eval \"$(cat /etc/more)\"\n", false},
		{": ${SERVICES:=app.service}\n", false},
		{"a=1; SERVICES=app.service\n", false},
	} {
		h := newTestHost(t)
		h.enable("pre_update", "services-stop")
		if test.settings != "" {
			h.write("hooks.conf.d/services-stop.conf", 0o644, test.settings)
		}
		err := refusal(h)
		var refused *config.Error
		if errors.As(err, &refused) != test.refused || err != nil && (!test.refused ||
			!strings.Contains(err.Error(), "/50-services-stop has no SERVICES, and would fail with the lock "+
				"held: put SERVICES='NAME.service ...' (with quotes, no blanks around =) into ")) {
			t.Errorf("%q: %v", test.settings, err)
		}
	}
	h := newTestHost(t)
	if err := refusal(h); err != nil {
		t.Errorf("it is not enabled: %v", err)
	}
}

// TestGatesWithoutSettings: a gate that says no until somebody sets what it needs keeps all runs from beginning. If its
// settings can't be judged, the gate itself tells.
func TestGatesWithoutSettings(t *testing.T) {
	for _, test := range []struct {
		gate, settings string
		want           string // "" if there is nothing to warn of
	}{
		{"busy-units", "", "UNITS"},
		{"busy-units", "UNITS=''\n", "UNITS"},
		{"busy-units", "UNITS=backup.service\n", ""},
		{"busy-units", "UNITS=$(cat /etc/backups)\n", ""},
		{"icinga2", "url=https://icinga:5665\n", "HOSTGROUP"},
		{"icinga2", "HOSTGROUP=web\n", ""},
		{"prometheus", "url=http://prometheus:9090\n", "ALERTS or QUERY"},
		{"prometheus", `ALERTS='severity="critical"'` + "\n", ""},
		{"prometheus", `QUERY="absent(up{job=\"web\"})"` + "\n", ""},
		{"logged-in", "", ""},
	} {
		h := newTestHost(t)
		for _, command := range []string{"curl", "systemctl", "loginctl"} {
			h.write("bin/"+command, 0o755, "")
		}
		h.Config.StageDirs["gate"] = h.dir + "/gate.d"
		h.write("gate.d/README", 0o644, "")
		h.enable("gate", test.gate)
		if test.settings != "" {
			h.write("hooks.conf.d/"+test.gate+".conf", 0o644, test.settings)
		}
		var want Finding
		if test.want != "" {
			want.advise(fmt.Sprintf("gate/%s always says no, so no run begins: set %s in %s/hooks.conf.d/%[1]s.conf, or "+
				"`foreman-dlm-updater hooks disable gate/%[1]s`", test.gate, test.want, h.dir), "")
		}
		if diff := cmp.Diff(want.Advice, h.checkNeeds(t.Context(), h.Config).Advice); diff != "" {
			t.Errorf("%s, %q: %s", test.gate, test.settings, diff)
		}
	}
}
