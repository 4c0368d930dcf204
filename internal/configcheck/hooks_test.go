package configcheck

import (
	"errors"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/vet"
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
		{"SERVICES=app.service\n", false},
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
				"held: put SERVICES=")) {
			t.Errorf("%q: %v", test.settings, err)
		}
	}
	h := newTestHost(t)
	if err := refusal(h); err != nil {
		t.Errorf("it is not enabled: %v", err)
	}
}
