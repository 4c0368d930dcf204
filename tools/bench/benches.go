package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

const (
	settle      = 200 * time.Millisecond
	mostExtra   = 5 * time.Millisecond
	mostCPU     = 5 * time.Millisecond
	mostCycle   = 20 * time.Millisecond
	mostRatio   = 1.15
	mostSize    = 9_500_000 // bytes
	mostIdleRSS = 10 << 10  // KiB
	mostHookRSS = 32 << 10  // KiB
)

var stages = []string{"needs_update", "pre_update", "update", "needs_reboot", "post_update"}

// host makes a host's folder. hooks says how many hooks each stage has. All hooks exit with 0, except those of
// needs_update if update is set.
func host(dir, name, url string, ca *sandbox.CA, hooks map[string]int, update bool) (config string, err error) {
	dir = filepath.Join(dir, name)
	// Without a boot id file of its own, a state on a tmpfs is refused.
	text := fmt.Sprintf("[main]\nlock_name = %s\nforeman_url = %s\nstate = %s\nlock = %s\nlog = %s\n"+
		"boot_id_file = %s\nlock_settle = %s\n", name, url, filepath.Join(dir, "state"), filepath.Join(dir, "lock"),
		filepath.Join(dir, "log"), filepath.Join(dir, "boot_id"), settle)
	for _, stage := range stages {
		folder := filepath.Join(dir, stage+".d")
		text += fmt.Sprintf("%s.d = %s\n", stage, folder)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", err
		}
		script := "#!/bin/sh\nexit 0\n"
		if stage == "needs_update" && update {
			script = "#!/bin/sh\nexit 1\n"
		}
		for i := range hooks[stage] {
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%03d", i)), []byte(script), 0o755); err != nil {
				return "", err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "boot_id"), []byte("boot-1\n"), 0o644); err != nil {
		return "", err
	}
	cert, key := "/dev/null", "/dev/null"
	if ca != nil {
		if cert, key, err = ca.Issue(name, sandbox.IssueOptions{}); err != nil {
			return "", err
		}
		text += fmt.Sprintf("ca = %s\n", ca.File())
	}
	text += fmt.Sprintf("client_crt = %s\nclient_key = %s\n", cert, key)
	config = filepath.Join(dir, "config.ini")
	return config, os.WriteFile(config, []byte(text), 0o644)
}

// size checks the size of the binary as it is packaged. Nearly all of it is mapped at each start, so it is also most of
// the peak memory.
func size(updater, _ string) error {
	info, err := os.Stat(updater)
	if err != nil {
		return err
	}
	figure := fmt.Sprintf("%.2f MB", float64(info.Size())/1e6)
	line("the binary", pairs{}, figure, budget("%.1f MB", mostSize/1e6), info.Size() <= mostSize)
	return nil
}

func nothingToDo(updater, dir string) error {
	config, err := host(dir, "idle", "https://foreman.example.com", nil, map[string]int{"needs_update": 1}, false)
	if err != nil {
		return err
	}
	p, err := sideBySide(60, []string{updater, "-c", config, "run"},
		[]string{"run-parts", filepath.Join(filepath.Dir(config), "needs_update.d")})
	if err != nil {
		return err
	}
	line("nothing to do, one hook", p, "+"+short(p.extra()), budget("+%s", mostExtra), p.extra() <= mostExtra)
	if err := bareProgram(dir, filepath.Join(filepath.Dir(config), "needs_update.d")); err != nil {
		return err
	}
	cpu := median(p.cpu)
	line("  CPU, without the hook's", pairs{}, short(cpu), budget("%s", mostCPU), cpu <= mostCPU)
	memory("  peak memory", p.rss, mostIdleRSS)
	return nil
}

// bareProgram shows how much time a Go program takes that only runs the hook.
func bareProgram(dir, hooks string) error {
	bare := filepath.Join(dir, "bare")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", bare, "./tools/bench/bare")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	p, err := sideBySide(60, []string{bare, filepath.Join(hooks, "000")}, []string{"run-parts", hooks})
	if err != nil {
		return err
	}
	line("  for comparison: a bare Go program", p, "+"+short(p.extra()), "none", true)
	line("    its CPU", pairs{}, short(median(p.cpu)), "none", true)
	return nil
}

// syncedWrites is how many files a whole cycle writes durably: the state for each stage and before it asks for the
// lock, its removal, and the history.
const syncedWrites = 9

// disk shows how long the disk takes to write that many small files, as durably as the state.
func disk(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	var took []time.Duration
	for range 20 {
		began := time.Now()
		for range syncedWrites {
			f, err := os.CreateTemp(dir, "synced-")
			if err != nil {
				return err
			}
			_, err = f.WriteString("update\n")
			err = errors.Join(err, f.Sync(), f.Close(), os.Rename(f.Name(), filepath.Join(dir, "synced")), folder.Sync())
			if err != nil {
				return err
			}
		}
		took = append(took, time.Since(began))
	}
	line(fmt.Sprintf("  for comparison: %d small files synced", syncedWrites), pairs{}, short(median(took)), "none", true)
	return nil
}

func manyHooks(updater, dir string) error {
	config, err := host(dir, "many", "https://foreman.example.com", nil, map[string]int{"needs_update": 200}, false)
	if err != nil {
		return err
	}
	p, err := sideBySide(40, []string{updater, "-c", config, "run"},
		[]string{"run-parts", filepath.Join(filepath.Dir(config), "needs_update.d")})
	if err != nil {
		return err
	}
	line("200 hooks in a stage", p, fmt.Sprintf("x%.2f", p.ratio()), budget("x%g", mostRatio), p.ratio() <= mostRatio)
	return nil
}

// wholeCycle compares a whole cycle with run-parts over the same five hooks plus the settle time.
func wholeCycle(updater, dir string) error {
	ca, err := sandbox.NewCA(filepath.Join(dir, "ca"))
	if err != nil {
		return err
	}
	server := sandbox.New(sandbox.Options{})
	server.SetHolder("cycle", "") // so that it exists
	foreman, err := server.Start(ca)
	if err != nil {
		return err
	}
	defer foreman.Close()
	hooks := map[string]int{}
	for _, stage := range stages {
		hooks[stage] = 1
	}
	config, err := host(dir, "cycle", foreman.URL, ca, hooks, true)
	if err != nil {
		return err
	}
	all := filepath.Join(dir, "all.d") // the five hooks' own time
	if err := os.MkdirAll(all, 0o755); err != nil {
		return err
	}
	for _, stage := range stages {
		if err := os.WriteFile(filepath.Join(all, stage), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
			return err
		}
	}
	p, err := sideBySide(60, []string{updater, "-c", config, "run"}, []string{"run-parts", all})
	if err != nil {
		return err
	}
	extra := p.extra() - settle
	what := fmt.Sprintf("a whole cycle (less %s to settle)", settle)
	line(what, p, "+"+short(extra), budget("+%s", mostCycle), extra <= mostCycle)
	if err := disk(dir); err != nil {
		return err
	}
	memory("  peak memory", p.rss, mostHookRSS)
	return nil
}

func hugeLine(updater, dir string) error {
	config, err := host(dir, "huge", "https://foreman.example.com", nil, nil, false)
	if err != nil {
		return err
	}
	hook := filepath.Join(filepath.Dir(config), "needs_update.d", "huge")
	script := "#!/bin/sh\nhead -c 300000000 /dev/zero | tr '\\0' x\n"
	if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
		return err
	}
	p, err := sideBySide(3, []string{updater, "-c", config, "run"},
		[]string{"run-parts", filepath.Dir(hook)})
	if err != nil {
		return err
	}
	line("a hook that writes 300 MB on one line", p, fmt.Sprintf("x%.2f", p.ratio()), "none", true)
	memory("  peak memory", p.rss, mostHookRSS)
	return nil
}

func budget(form string, most any) string { return fmt.Sprintf("at most "+form, most) }

func memory(what string, kib, most int64) {
	line(what, pairs{}, fmt.Sprintf("%.1f MiB", float64(kib)/1024), fmt.Sprintf("at most %d MiB", most>>10), kib <= most)
}
