package configcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/process"
	"foreman-dlm-updater/internal/vet"

	"golang.org/x/sys/unix"
)

func checkRebootCmd(_ context.Context, c *config.Config) Finding {
	path, err := findRebootCmd(c)
	if err != nil {
		return unusable(err)
	}
	return fine(path)
}

// findRebootCmd returns the path of the program that reboots this host.
func findRebootCmd(c *config.Config) (string, error) {
	path, err := process.LookPath(c.RebootCmd[0], process.Environment())
	if err == nil {
		err = unix.Access(path, unix.X_OK)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", c.RebootCmd[0], err)
	}
	return path, nil
}

// checkFiles checks whether a run can write its files, without writing them.
func checkFiles(_ context.Context, c *config.Config) Finding {
	files := []string{c.State, c.Lock}
	for _, file := range []string{c.History, c.MetricsTextfile, c.Log} {
		if file != "" {
			files = append(files, file)
		}
	}
	var all []error
	for _, file := range files {
		dir := filepath.Dir(file)
		if info, err := os.Stat(dir); err != nil {
			all = append(all, err)
		} else if !info.IsDir() {
			all = append(all, fmt.Errorf("%s is not a directory", dir))
		} else if info, err := os.Lstat(file); err == nil && !info.Mode().IsRegular() {
			all = append(all, fmt.Errorf("%s is not a regular file", file))
		} else if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
			all = append(all, fmt.Errorf("directory %s can't be written to: %w", dir, err))
		}
	}
	if err := errors.Join(append(all, VetFiles(c), vetState(c))...); err != nil {
		return unusable(err)
	}
	return fine(strings.Join(files, ", "))
}

// VetFiles returns a *config.Error if somebody else could change the state file or a lock file.
func VetFiles(c *config.Config) error {
	look := vet.NewSession()
	if err := errors.Join(look.State(c.State), look.Lock(c.Lock), look.Lock(c.State+".lock")); err != nil {
		return &config.Error{Err: err}
	}
	return nil
}

// vetState returns a *config.Error if a boot empties the file system of the state file: the run would be forgotten, and
// the lock held for ever.
func vetState(c *config.Config) error {
	if c.BootIDFile != config.KernelBootID { // a simulated reboot empties nothing
		return nil
	}
	if kind := host.Emptied(filepath.Dir(c.State)); kind != "" {
		return &config.Error{Err: fmt.Errorf("state %s is on a file system that a boot empties (%s): the run would be "+
			"forgotten, and the lock never released; put it on a disk, as /var/lib/foreman_dlm_updater/state is in most "+
			"cases", c.State, kind)}
	}
	return nil
}
