package configcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
)

// miB is one MiB, in bytes.
const miB = 1 << 20

// checkSpace checks whether there is room for a run's state, for its log, and for a new kernel. The bundled hook
// disk-space checks whether there is room for the updates themselves.
func (h *thisHost) checkSpace(_ context.Context, c *config.Config) (found Finding) {
	logs, lost, freed := h.root+"/var/log", "the log of a run may be lost", "journalctl --vacuum-size=200M"
	if c.Log != "" { // perhaps on another disk than the journal
		logs = filepath.Dir(c.Log)
		lost += fmt.Sprintf("; `df %s` shows which disk that is; old logs (%s.*, which log_retention limits) can be deleted",
			file.ShellWord(logs), file.ShellWord(c.Log))
		freed = ""
	}
	biggest := func(dir string) string {
		return fmt.Sprintf("what `du -xh %s | sort -h | tail` shows can perhaps be deleted", dir)
	}
	boot, stateDir := h.root+"/boot", filepath.Dir(c.State)
	places := []struct {
		path      string
		want      uint64 // MiB
		what, fix string
	}{
		{boot, 200, "a new kernel may not fit", h.platform("apt-get autoremove --purge",
			"dnf remove $(dnf repoquery --installonly --latest-limit=-2 -q)", "zypper purge-kernels", biggest(boot))},
		{logs, 100, lost, freed},
		{stateDir, 50, "a run stops, with the lock, if its state can't be written", biggest(stateDir)},
	}
	seen := map[uint64]bool{}
	var enough []string
	for _, place := range places {
		space, err := h.free(place.path)
		if errors.Is(err, os.ErrNotExist) { // a container has no /boot; checkFiles reports the others
			continue
		}
		if err != nil {
			found.advise(fmt.Sprintf("it is not known how much is free in %s: %v", place.path, err), "df -h "+place.path)
			continue
		}
		free := space.Bytes / miB
		switch {
		case free >= place.want:
			enough = append(enough, fmt.Sprintf("%s %d MiB", place.path, free))
		case !seen[space.Device]:
			seen[space.Device] = true
			found.advise(fmt.Sprintf("%s has %d MiB free, less than %d: %s", place.path, free, place.want, place.what),
				place.fix)
		}
	}
	found.Fine = "free: " + strings.Join(enough, ", ")
	return found
}
