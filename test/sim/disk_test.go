package sim

import (
	"bytes"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"foreman-dlm-updater/internal/state"
)

// disk holds one state file. What was not synced may be lost with the power.
type disk struct {
	content []byte // nil: no file
	// unsynced is what the file was before each change that has not been synced, the oldest first.
	unsynced [][]byte
}

func (d *disk) change(content []byte) {
	d.unsynced = append(d.unsynced, d.content)
	d.content = content
}

// losePower leaves any of the states that the file was in since the last sync.
func (d *disk) losePower(r *random) {
	if lost := r.n(len(d.unsynced) + 1); lost > 0 {
		d.content = d.unsynced[len(d.unsynced)-lost]
	}
	d.unsynced = nil
}

// stage is the stage on disk; empty without a file.
func (d *disk) stage() state.Stage { return stageIn(d.content) }

func stageIn(content []byte) state.Stage {
	first, _, _ := bytes.Cut(content, []byte("\n"))
	return state.Stage(first)
}

// surelySays reports whether the disk says that this is the stage, even if the power fails now.
func (d *disk) surelySays(stage state.Stage) bool {
	return d.stage() == stage &&
		!slices.ContainsFunc(d.unsynced, func(before []byte) bool { return stageIn(before) != stage })
}

// diskOf is the disk as one invocation sees it: a state.Disk.
type diskOf struct{ *invocation }

func (d diskOf) Read(string) ([]byte, error) {
	if err := d.step("read state"); err != nil {
		return nil, err
	}
	if d.mishap(d.odds.disk / 4) {
		return nil, syscall.EIO
	}
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if d.host.disk.content == nil {
		return nil, fs.ErrNotExist
	}
	return d.host.disk.content, nil
}

func (d diskOf) Replace(_ string, content []byte) error {
	if err := d.step("replace state"); err != nil {
		return err
	}
	if d.mishap(d.odds.disk) {
		d.note("the disk is full")
		return syscall.ENOSPC
	}
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.host.disk.change(content)
	if d.announces {
		boot := d.host.boot
		d.host.run.asked = &boot
	}
	return nil
}

func (d diskOf) Remove(string) error {
	if err := d.step("remove state"); err != nil {
		return err
	}
	if d.mishap(d.odds.disk) {
		d.note("the file system has become read-only")
		return syscall.EROFS
	}
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	if d.host.disk.content == nil {
		return fs.ErrNotExist
	}
	d.host.disk.change(nil)
	return nil
}

func (d diskOf) SyncDir(string) error {
	if err := d.step("sync state"); err != nil {
		return err
	}
	if d.mishap(d.odds.disk) {
		d.note("the sync takes long")
		if !d.sleep(d.rng.between(time.Second, 30*time.Minute)) {
			return errDead
		}
	}
	if d.mishap(d.odds.disk) {
		d.note("the sync fails")
		return syscall.EIO
	}
	d.world.mu.Lock()
	defer d.world.mu.Unlock()
	d.host.disk.unsynced = nil
	return nil
}
