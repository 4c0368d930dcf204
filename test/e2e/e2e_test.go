//go:build e2e

// Package e2e takes the packages to Debian hosts that really boot and reboot (../lab/boot-lab.sh), under systemd, with
// the bundled hooks and the real apt, against the stand-in Foreman over mutual TLS. It needs root and systemd-nspawn.
//
//	go test -tags e2e -count=1 -v ./test/e2e/
//
// What one package does by itself is tested there; here is what only a whole host shows.
package e2e

import "testing"

const (
	updateUnit = "foreman-dlm-updater.service"
	resumeUnit = "foreman-dlm-updater-resume.service"
	stateDir   = "/var/lib/foreman_dlm_updater"
	stateFile  = stateDir + "/state"
)

func TestBootedHosts(t *testing.T) {
	l := newLab(t)
	for name, scenario := range map[string]func(*testing.T, *lab){
		"UpdateFromTimer":     updateFromTimer,
		"NothingBeforeReboot": nothingBeforeReboot,
		"ThreeHostsAtOnce":    threeHostsAtOnce,
		"FleetLock":           fleetLock,
		"PowerCut":            powerCut,
		"UpgradeOfTheUpdater": upgradeOfTheUpdater,
		"StopInUpdate":        stopInUpdate,
		"ShutdownInUpdate":    shutdownInUpdate,
		"InhibitedReboot":     inhibitedReboot,
		"FailedHook":          failedHook,
		"CatchesUp":           catchesUp,
		"DaemonsOfHooks":      daemonsOfHooks,
		"RemoveAndPurge":      removeAndPurge,
		"StoppedCommand":      stoppedCommand,
		"RemovedHost":         removedHost,
		"WindowCloses":        windowCloses,
		"BackupIsKilled":      backupIsKilled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(t, l)
		})
	}
}
