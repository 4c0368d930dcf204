package configcheck

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/file"
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
	var files []string
	var wrong []string            // what is wrong, each thing once
	keys := map[string][]string{} // the keys that it is about
	for _, f := range []struct{ key, path string }{{"state", c.State}, {"lock", c.Lock}, {"history", c.History},
		{"metrics_textfile", c.MetricsTextfile}, {"log", c.Log}} {
		if f.path == "" {
			continue
		}
		files = append(files, f.path)
		why := cannotWrite(f.path)
		if why == "" {
			continue
		}
		if keys[why] == nil {
			wrong = append(wrong, why)
		}
		keys[why] = append(keys[why], f.key)
	}
	var all []error
	for _, why := range wrong {
		all = append(all, fmt.Errorf("%s: %s", strings.Join(keys[why], ", "), why))
	}
	if err := errors.Join(append(all, VetFiles(c), vetState(c))...); err != nil {
		return unusable(err)
	}
	return fine(strings.Join(files, ", "))
}

// cannotWrite says why a run can't write a file, and what to do; "" if it can.
func cannotWrite(path string) string {
	dir := filepath.Dir(path)
	shown, shownDir := file.ShellWord(path), file.ShellWord(dir)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("directory %s does not exist; fix it with: install -d -m 0755 %[1]s", shownDir)
	case err != nil:
		return fmt.Sprintf("directory %s: %v", shownDir, file.Cause(err))
	case !info.IsDir():
		return shownDir + " is not a directory: name a file in another place"
	}
	switch info, err := os.Lstat(path); {
	case err == nil && info.IsDir():
		return fmt.Sprintf("%s is a directory: name a file, such as %s", shown, file.ShellWord(path+"/NAME"))
	case err == nil && !info.Mode().IsRegular():
		return shown + " is not a regular file: name another"
	}
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Sprintf("directory %s can't be written to: %v", shownDir, err)
	}
	return ""
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
