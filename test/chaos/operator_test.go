package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
)

// breakable are the stages in which an update may be broken: the run fails there, and the host's flag goes up.
var breakable = []string{"pre_update", "update", "post_update"}

// offer makes an update due, now and then a broken one.
func (h *host) offer() error {
	if odds := h.world.broken; odds > 0 && rand.N(odds) == 0 && !h.world.over() {
		h.failures = 1 + rand.N(3)
		if err := h.write("broken", breakable[rand.N(len(breakable))]+"\n"); err != nil {
			return err
		}
	}
	h.version++
	return h.write("offered", fmt.Sprintln(h.version))
}

// failed takes note of a run that has failed. The operator does not come at the first failure: until then, the timer
// starts the updater again and again.
func (h *host) failed() error {
	if h.failures == 0 {
		return nil
	}
	if h.failures--; h.failures > 0 {
		return nil
	}
	h.world.happened("broken updates that an operator has fixed")
	return os.Remove(h.path("broken"))
}

// pause pauses the host while its updater runs. On a full disk that fails.
func (h *host) pause() error {
	h.paused = true
	if out, err := h.updater("pause", "--reason", "chaos", "--for", "1h").CombinedOutput(); err != nil {
		h.world.happened("pauses that could not be written")
		fmt.Fprintf(h.log, "pause: %v: %s", err, out)
		return nil
	}
	h.world.happened("pauses in " + h.stage)
	return h.world.mark(entry{Kind: "paused", Host: h.name})
}

// unpause ends the pause, if there is one: after this invocation, or a later one.
func (h *host) unpause() error {
	if !h.paused || rand.N(2) == 0 && !h.world.over() {
		return nil
	}
	h.paused = false
	if err := h.world.mark(entry{Kind: "unpaused", Host: h.name}); err != nil {
		return err
	}
	if out, err := h.updater("unpause").CombinedOutput(); err != nil {
		return fmt.Errorf("unpause: %w: %s", err, out)
	}
	_, err := os.Stat(h.state + ".pause")
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("it is still paused: %v", err)
	}
	return nil
}
