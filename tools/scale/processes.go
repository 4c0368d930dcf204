package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"foreman-dlm-updater/internal/sandbox"
	"foreman-dlm-updater/tools/scale/model"
)

// stages are the stages that have hooks, and the script of the hook in each.
var stages = map[string]string{
	"needs_update": "exit 1",
	"pre_update":   "exit 0",
	"update":       "sleep %.3f",
	"needs_reboot": "exit 0",
	"post_update":  "exit 0",
}

// processes runs the program itself against a stand-in Foreman on loopback, in seconds instead of minutes, and the
// model with the same settings.
func processes() error {
	updater, err := filepath.Abs("bin/foreman-dlm-updater")
	if err != nil {
		return err
	}
	if _, err := os.Stat(updater); err != nil {
		return fmt.Errorf("%w (run `make scale`, which builds it)", err)
	}
	fmt.Println("\nReal processes (interval 3 s, updates of 2 s, settle 0.3 s), one history, " +
		"beside 19 in 20 of the model's")
	fmt.Printf("%6s  %-6s %14s %14s %12s %12s\n", "hosts", "", "fleet", "idle, mean", "requests", "fail rows")
	for _, hosts := range []int{4, 8, 16} {
		f := model.Fleet{Hosts: hosts,
			Begin: 100 * time.Millisecond, Interval: 3 * time.Second, Settle: 300 * time.Millisecond, Hold: 2 * time.Second,
			Latency: 5 * time.Millisecond, Window: 10 * time.Millisecond}
		r, err := real(updater, f)
		if err != nil {
			return err
		}
		const form = "%6d  %-6s %14s %14s %12s %12s\n"
		fmt.Printf(form, hosts, "real",
			seconds(r.Took), seconds(r.MeanIdle()), fmt.Sprint(r.Requests()), fmt.Sprint(r.Fails))
		var took, idle, requests, fails []float64
		for seed := range uint64(200) {
			m := f.Run(seed)
			took, idle = append(took, m.Took.Seconds()), append(idle, m.MeanIdle().Seconds())
			requests, fails = append(requests, float64(m.Requests())), append(fails, float64(m.Fails))
		}
		fmt.Printf(form, hosts, "model", likely(took)+"s", likely(idle)+"s", likely(requests), likely(fails))
	}
	return nil
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

// likely is the range that holds 19 in 20 of the values.
func likely(values []float64) string {
	slices.Sort(values)
	n := len(values)
	return fmt.Sprintf("%.1f-%.1f", values[n/40], values[n-1-n/40])
}

// real runs one process for each host.
func real(updater string, f model.Fleet) (r model.Result, err error) {
	dir, err := os.MkdirTemp("", "scale-")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	ca, err := sandbox.NewCA(filepath.Join(dir, "ca"))
	if err != nil {
		return r, err
	}
	server := sandbox.New(sandbox.Options{RaceWindow: f.Window})
	server.SetHolder("web", "") // so that it exists
	foreman, err := server.Start(ca)
	if err != nil {
		return r, err
	}
	defer foreman.Close()
	var hosts []*exec.Cmd
	for i := range f.Hosts {
		hold := f.Hold/2 + f.Hold*time.Duration(2*i+1)/time.Duration(2*f.Hosts)
		config, err := configure(filepath.Join(dir, fmt.Sprintf("web%d", i)), foreman.URL, ca, f, hold)
		if err != nil {
			return r, err
		}
		hosts = append(hosts, exec.Command(updater, "-c", config, "run"))
	}
	began := time.Now()
	failed := make(chan error)
	for _, host := range hosts {
		go func() {
			if out, err := host.CombinedOutput(); err != nil {
				failed <- fmt.Errorf("%w: %s", err, out)
				return
			}
			failed <- nil
		}()
	}
	for range hosts {
		if hostErr := <-failed; hostErr != nil {
			err = hostErr
		}
	}
	return model.Seen(server, began), err
}

// configure makes the files of a host, and returns the path of its configuration.
func configure(dir, url string, ca *sandbox.CA, f model.Fleet, hold time.Duration) (config string, err error) {
	cert, key, err := ca.Issue(filepath.Base(dir), sandbox.IssueOptions{})
	if err != nil {
		return "", err
	}
	text := fmt.Sprintf("[main]\nlock_name = web\nforeman_url = %s\nclient_crt = %s\nclient_key = %s\nca = %s\n"+
		"state = %s\nlock = %s\nboot_id_file = %s\n"+
		"lock_retry_interval = %s\nlock_retry_jitter = %s\nlock_settle = %s\n",
		url, cert, key, ca.File(),
		filepath.Join(dir, "state"), filepath.Join(dir, "lock"), filepath.Join(dir, "boot_id"),
		f.Interval, f.Jitter, f.Settle)
	for stage, script := range stages {
		folder := filepath.Join(dir, stage+".d")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", err
		}
		if stage == "update" {
			script = fmt.Sprintf(script, hold.Seconds())
		}
		if err := os.WriteFile(filepath.Join(folder, "hook"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			return "", err
		}
		text += fmt.Sprintf("%s.d = %s\n", stage, folder)
	}
	// Without a boot id file of its own, a state on a tmpfs is refused.
	if err := os.WriteFile(filepath.Join(dir, "boot_id"), []byte("boot-1\n"), 0o644); err != nil {
		return "", err
	}
	config = filepath.Join(dir, "config.ini")
	return config, os.WriteFile(config, []byte(text), 0o644)
}
