package configcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"foreman-dlm-updater/internal/host"

	"github.com/google/go-cmp/cmp"
)

func TestAdvice(t *testing.T) {
	set := func(unit, load, active, file string) func(*testHost) {
		return func(h *testHost) { h.units[unit] = host.Unit{ID: unit, Load: load, Active: active, File: file} }
	}
	on := func(unit string) func(*testHost) { return set(unit, "loaded", "active", "enabled") }
	enable := func(stage, name string) func(*testHost) { return func(h *testHost) { h.enable(stage, name) } }
	const never = ": unless something else starts runs (cron), this host is never updated; fix it with: "
	const waits = ": after a reboot the run waits, with the lock, for the next night; fix it with: "
	tests := []struct {
		name   string
		change func(*testHost)
		want   string // the advice; several with line ends between
	}{
		{"fresh", func(h *testHost) {
			set(timerUnit, "loaded", "inactive", "disabled")(h)
			set(resumeUnit, "loaded", "inactive", "disabled")(h)
		}, "units: foreman-dlm-updater.timer is disabled" + never +
			"systemctl enable --now foreman-dlm-updater.timer\n" +
			"units: foreman-dlm-updater-resume.service is disabled" + waits +
			"systemctl enable foreman-dlm-updater-resume.service"},
		{"resume not installed", func(h *testHost) { delete(h.units, resumeUnit) },
			"units: foreman-dlm-updater-resume.service is not installed: after a reboot the run waits, with the lock, for " +
				"the next night; let something call `foreman-dlm-updater run --after-reboot` at boot"},
		{"no package", func(h *testHost) { delete(h.units, timerUnit) },
			"units: foreman-dlm-updater.timer is not installed" + never + "apt-get install foreman-dlm-updater"},
		{"timer masked", set(timerUnit, "masked", "inactive", "masked"),
			"units: foreman-dlm-updater.timer is masked" + never +
				"systemctl unmask foreman-dlm-updater.timer && systemctl enable --now foreman-dlm-updater.timer"},
		{"timer started only", set(timerUnit, "loaded", "active", "disabled"), "units: foreman-dlm-updater.timer is " +
			"active, but not enabled: after the next boot nothing starts a run; fix it with: systemctl enable " +
			"foreman-dlm-updater.timer"},
		{"timer stopped", set(timerUnit, "loaded", "inactive", "enabled"), "units: foreman-dlm-updater.timer is enabled, " +
			"but inactive: until the next boot nothing starts a run; fix it with: systemctl start foreman-dlm-updater.timer"},
		{"resume disabled", set(resumeUnit, "loaded", "inactive", "disabled"),
			"units: foreman-dlm-updater-resume.service is disabled" + waits +
				"systemctl enable foreman-dlm-updater-resume.service"},
		{"resume masked", set(resumeUnit, "masked", "inactive", "masked"),
			"units: foreman-dlm-updater-resume.service is masked" + waits +
				"systemctl unmask foreman-dlm-updater-resume.service && systemctl enable foreman-dlm-updater-resume.service"},
		{"systemd is silent", func(h *testHost) {
			h.systemd = func(context.Context, ...string) (map[string]host.Unit, error) {
				return nil, errors.New("connect to systemd: no answer")
			}
		}, "units: it is not known whether foreman-dlm-updater.timer is enabled: connect to systemd: no answer; fix it " +
			"with: systemctl status foreman-dlm-updater.timer"},

		{"unattended-upgrades", func(h *testHost) {
			h.write("bin/unattended-upgrade", 0o755, "")
			h.command = func(context.Context, string, ...string) (string, error) { return "every='1'\n", nil }
		}, "other updaters: unattended-upgrades installs updates without the lock; fix it with: systemctl disable --now " +
			"apt-daily-upgrade.timer"},
		{"dnf-automatic", func(h *testHost) {
			on("dnf-automatic.timer")(h)
			h.write("root/etc/dnf/automatic.conf", 0o644, "[commands]\n# apply_updates = no\napply_updates = Yes\n")
		}, "other updaters: dnf-automatic installs updates without the lock; fix it with: systemctl disable --now " +
			"dnf-automatic.timer"},
		{"dnf-automatic-install, for the next boot", set("dnf-automatic-install.timer", "loaded", "inactive", "enabled"),
			"other updaters: dnf-automatic installs updates without the lock; fix it with: systemctl disable --now " +
				"dnf-automatic-install.timer"},
		{"one timer of two names", func(h *testHost) {
			on("dnf5-automatic.timer")(h)
			h.units["dnf-automatic.timer"] = h.units["dnf5-automatic.timer"]
			h.write("root/etc/dnf/automatic.conf", 0o644, "apply_updates=1")
		}, "other updaters: dnf-automatic installs updates without the lock; fix it with: systemctl disable --now " +
			"dnf5-automatic.timer"},
		{"yum-cron", func(h *testHost) {
			on("yum-cron.service")(h)
			h.write("root/etc/yum/yum-cron.conf", 0o644, "apply_updates = yes\n")
		}, "other updaters: yum-cron installs updates without the lock; fix it with: systemctl disable --now " +
			"yum-cron.service"},
		{"os-update", on("os-update.timer"),
			"other updaters: os-update installs updates and reboots without the lock; fix it with: systemctl disable --now " +
				"os-update.timer"},
		{"transactional-update", on("transactional-update.timer"),
			"other updaters: transactional-update installs updates without the lock; fix it with: systemctl disable --now " +
				"transactional-update.timer"},
		{"zincati", on("zincati.service"),
			"other updaters: zincati installs updates and reboots without the lock; fix it with: systemctl disable --now " +
				"zincati.service"},
		{"YaST", func(h *testHost) { h.write("root/etc/cron.weekly/opensuse.org-online_update", 0o755, "") },
			"other updaters: YaST's online update installs updates without the lock; fix it with: rm " +
				"DIR/root/etc/cron.weekly/opensuse.org-online_update"},
		{"offline update", func(h *testHost) { h.write("root/system-update", 0o644, "") },
			"other updaters: an offline update is prepared: the next boot installs it, whoever asks for that boot; fix it " +
				"with: rm DIR/root/system-update"},
		{"kured", func(h *testHost) { h.write("root/proc/4711/comm", 0o644, "kured\n") },
			"other updaters: kured reboots this host without the lock; fix it with: kubectl -n kube-system delete " +
				"daemonset kured"},

		{"clock", func(h *testHost) { h.synchronised = func() (bool, error) { return false, nil } },
			"clock: it is not synchronised: once it is wrong by much, certificates are not valid, and Foreman refuses this " +
				"host; fix it with: timedatectl set-ntp true (it needs systemd-timesyncd, chrony or ntpd)"},
		{"clock not known", func(h *testHost) { h.synchronised = func() (bool, error) { return false, os.ErrPermission } },
			"clock: it is not known whether it is synchronised: permission denied; fix it with: timedatectl"},

		{"nothing asks for updates", func(h *testHost) { h.remove("needs_update.d/10-own") },
			"stages: no hook is enabled in DIR/needs_update.d: no run ever begins; fix it with: foreman-dlm-updater hooks " +
				"enable needs_update/apt"},
		{"nothing updates, no package manager known", func(h *testHost) {
			h.remove("update.d/10-own")
			h.remove("bin/apt-get")
		},
			"stages: no hook is enabled in DIR/update.d: a run installs nothing; fix it with: foreman-dlm-updater hooks list " +
				"update"},
		{"every update reboots", func(h *testHost) { h.remove("needs_reboot.d/10-own"); h.write("bin/dnf", 0o755, "") },
			"stages: no hook is enabled in DIR/needs_reboot.d: each update ends with a reboot; fix it with: " +
				"foreman-dlm-updater hooks enable needs_reboot/dnf-needs-restarting"},

		{"traffic before the service, as hooks enable numbered them once", func(h *testHost) {
			enableBehindBalancer(h, "50", "50")
		}, "stages: 50-haproxy-ready runs before 50-services-start, which has to come first in post_update: what is " +
			"stopped first has to come back last; fix it with: for hook in haproxy-ready; do foreman-dlm-updater hooks " +
			"disable post_update/$hook; foreman-dlm-updater hooks enable post_update/$hook; done"},
		{"services stop before anything is checked", func(h *testHost) {
			h.enable("pre_update", "services-stop")
			h.enable("post_update", "services-start")
			h.enableAs("pre_update", "disk-space", "10", "99")
		}, "stages: 50-services-stop runs before 99-disk-space, which has to come first in pre_update: hooks that " +
			"can refuse come first, then those that take traffic away, then those that stop services; fix it with: for " +
			"hook in disk-space; do foreman-dlm-updater hooks disable pre_update/$hook; " +
			"foreman-dlm-updater hooks enable pre_update/$hook; done"},
		{"both by hand", func(h *testHost) {
			enableBehindBalancer(h, "60", "70")
		}, "stages: 60-haproxy-ready runs before 70-services-start, which has to come first in post_update: what is " +
			"stopped first has to come back last; fix it with: for hook in haproxy-ready services-start; do " +
			"foreman-dlm-updater hooks disable post_update/$hook; foreman-dlm-updater hooks enable post_update/$hook; done"},

		{"nobody writes the flag", func(h *testHost) {
			onlyTheFlag(h)
			h.write("root/etc/kernel/postinst.d/initramfs-tools", 0o755, "#!/bin/sh\n")
		}, "stages: needs_reboot/reboot-required is the only hook of its stage, and nothing on this host writes the flag " +
			"that it looks for: no update ends with a reboot; fix it with: foreman-dlm-updater hooks enable " +
			"needs_reboot/kernel-changed"},
		{"every update reboots a Debian", func(h *testHost) { h.remove("needs_reboot.d/10-own") },
			"stages: no hook is enabled in DIR/needs_reboot.d: each update ends with a reboot; fix it with: " +
				"foreman-dlm-updater hooks enable needs_reboot/kernel-changed"},

		{"a hook and a notifier twice, and one under another number", func(h *testHost) {
			h.Config.NotifyDir = h.dir + "/notify.d"
			h.write("notify.d/20-own", 0o755, "#!/bin/sh\n")
			for _, link := range [][2]string{{"update", "apt"}, {"notify", "mail"}} {
				enable(link[0], link[1])(h)
				if err := os.Symlink(h.library.Path(link[0], link[1]), h.dir+"/"+link[0]+".d/60-"+link[1]); err != nil {
					h.t.Fatal(err)
				}
			}
		}, "stages: update/apt is enabled twice, as 50-apt and as 60-apt, and runs twice: disable the one that is not " +
			"wanted; fix it with: foreman-dlm-updater hooks disable update/60-apt\nstages: notify/mail is enabled twice, as " +
			"50-mail and as 60-mail, and runs twice: disable the one that is not wanted; fix it with: foreman-dlm-updater " +
			"hooks disable notify/60-mail"},

		{"interpreter of a notifier", func(h *testHost) {
			h.Config.NotifyDir = h.dir + "/notify.d"
			h.write("notify.d/20-x", 0o755, "#!/no/such/python\n")
		},
			`what hooks need: DIR/notify.d/20-x: interpreter "/no/such/python": no such file or directory; install it, ` +
				"or correct the hook's first line; `chmod a-x DIR/notify.d/20-x` disables the hook"},
		{"tool", func(h *testHost) { enable("pre_update", "haproxy-drain")(h); enable("post_update", "haproxy-ready")(h) },
			"what hooks need: DIR/pre_update.d/50-haproxy-drain needs socat, which this host doesn't have; fix it with: " +
				"apt-get install socat\nwhat hooks need: DIR/post_update.d/50-haproxy-ready needs socat, which this host " +
				"doesn't have; fix it with: apt-get install socat"},
		{"one tool of several", func(h *testHost) {
			enable("pre_update", "pacemaker-standby")(h)
			enable("post_update", "pacemaker-unstandby")(h)
			h.write("bin/crm_standby", 0o755, "")
			h.write("bin/crm_mon", 0o755, "")
			h.write("bin/crm_simulate", 0o755, "")
			h.write("bin/cibadmin", 0o755, "")
		}, "what hooks need: DIR/pre_update.d/50-pacemaker-standby needs crm_node, which this host doesn't have; fix it " +
			"with: apt-get install pacemaker-cli-utils\nwhat hooks need: DIR/post_update.d/50-pacemaker-unstandby needs " +
			"crm_node, which this host doesn't have; fix it with: apt-get install pacemaker-cli-utils"},
		{"hook of another system", enable("update", "dnf"), "what hooks need: DIR/update.d/50-dnf needs dnf5 or dnf or " +
			"yum, which this host doesn't have; fix it with: foreman-dlm-updater hooks disable update/dnf"},

		{"boot", func(h *testHost) { h.free["/root/boot"] = host.Space{Device: 7, Bytes: 20 * miB} },
			"disk space: DIR/root/boot has 20 MiB free, less than 200: a new kernel may not fit; fix it with: apt-get " +
				"autoremove --purge"},
		{"log", func(h *testHost) { h.free["/root/var/log"] = host.Space{Bytes: 99 * miB} },
			"disk space: DIR/root/var/log has 99 MiB free, less than 100: the log of a run may be lost; fix it with: " +
				"journalctl --vacuum-size=200M"},
		{"log file", func(h *testHost) { h.Config.Log = h.dir + "/logs/log"; h.free["/logs"] = host.Space{} },
			"disk space: DIR/logs has 0 MiB free, less than 100: the log of a run may be lost; `df DIR/logs` shows " +
				"which disk that is; old logs (DIR/logs/log.*, which log_retention limits) can be deleted"},
		{"state", func(h *testHost) { h.free["/state"] = host.Space{Bytes: 49 * miB} },
			"disk space: DIR/state has 49 MiB free, less than 50: a run stops, with the lock, if its state can't be written; " +
				"fix it with: what `du -xh DIR/state | sort -h | tail` shows can perhaps be deleted"},
		{"one full disk is one finding", func(h *testHost) {
			h.free["/root/boot"], h.free["/root/var/log"], h.free["/state"] = host.Space{}, host.Space{}, host.Space{}
		}, "disk space: DIR/root/boot has 0 MiB free, less than 200: a new kernel may not fit; fix it with: apt-get " +
			"autoremove --purge"},
	}
	hasTools := func(h *testHost) {
		for _, tool := range []string{"ceph", "curl", "socat", "crm_standby", "crm_mon", "crm_node", "crm_simulate",
			"cibadmin", "kubectl", "puppet", "rabbitmq-upgrade", "snapper"} {
			h.write("bin/"+tool, 0o755, "")
		}
	}
	for _, pair := range halves {
		first, name, _ := strings.Cut(pair[0], "/")
		second, other, _ := strings.Cut(pair[1], "/")
		tests = append(tests, []struct {
			name   string
			change func(*testHost)
			want   string
		}{
			{"only " + pair[0], func(h *testHost) { enable(first, name)(h); hasTools(h) },
				fmt.Sprintf("stages: %s is enabled without %s: nothing brings back what it stops or changes; fix it with: "+
					"foreman-dlm-updater hooks enable %[2]s", pair[0], pair[1])},
			{"only " + pair[1], func(h *testHost) { enable(second, other)(h); hasTools(h) },
				fmt.Sprintf("stages: %s is enabled without %s: it has nothing to bring back; fix it with: foreman-dlm-updater "+
					"hooks enable %[2]s", pair[1], pair[0])},
		}...)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newTestHost(t)
			test.change(h)
			if diff := cmp.Diff(strings.Split(test.want, "\n"), h.advice()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// onlyTheFlag leaves reboot-required as the only hook of its stage.
func onlyTheFlag(h *testHost) {
	h.t.Helper()
	h.remove("needs_reboot.d/10-own")
	h.enable("needs_reboot", "reboot-required")
}

// enableBehindBalancer enables the hooks of a service behind a load balancer: those of post_update under other numbers
// than their own.
func enableBehindBalancer(h *testHost, ready, start string) {
	h.t.Helper()
	h.write("bin/socat", 0o755, "")
	h.enableAs("pre_update", "haproxy-drain", "20", "20")
	h.enableAs("pre_update", "services-stop", "50", "50")
	h.enableAs("post_update", "haproxy-ready", "80", ready)
	h.enableAs("post_update", "services-start", "50", start)
}

// TestNoAdvice: what looks like trouble and is none.
func TestNoAdvice(t *testing.T) {
	tests := []struct {
		name   string
		change func(*testHost)
	}{
		{"no systemd, and a clock that is the machine's", func(h *testHost) {
			h.systemd = func(context.Context, ...string) (map[string]host.Unit, error) { return nil, host.ErrNoSystemd }
			h.synchronised = func() (bool, error) { return false, nil }
			h.write("root/run/systemd/container", 0o644, "systemd-nspawn")
		}},
		{"unattended-upgrades, switched off", func(h *testHost) {
			h.write("bin/unattended-upgrade", 0o755, "")
		}},
		{"unattended-upgrades, apt's whole timer switched off", func(h *testHost) {
			h.write("bin/unattended-upgrade", 0o755, "")
			h.command = func(context.Context, string, ...string) (string, error) { return "enable='0'\nevery='1'\n", nil }
		}},
		{"dnf-automatic that only downloads", func(h *testHost) {
			h.units["dnf-automatic.timer"] = host.Unit{
				ID: "dnf-automatic.timer", Load: "loaded", Active: "active", File: "enabled"}
			h.write("root/etc/dnf/automatic.conf", 0o644, "apply_updates = no\n#apply_updates = yes\n")
		}},
		{"no /boot", func(h *testHost) {
			free := h.thisHost.free
			h.thisHost.free = func(path string) (host.Space, error) {
				if strings.HasSuffix(path, "/boot") {
					return host.Space{}, &os.PathError{Op: "statfs", Path: path, Err: os.ErrNotExist}
				}
				return free(path)
			}
		}},
		{"a stage that is refused, of which another check tells", func(h *testHost) {
			h.write("update.d/20-x", 0o755, "")
			os.Chmod(h.dir+"/update.d", 0o777)
		}},
		{"notifiers that are refused, of which another check tells", func(h *testHost) {
			h.Config.NotifyDir = h.dir + "/notify.d"
			h.write("notify.d/20-x", 0o775, "#!/no/such/python\n")
			os.Chmod(h.dir+"/notify.d/20-x", 0o775)
		}},
		{"bundled hooks under other numbers, in the right order", func(h *testHost) { enableBehindBalancer(h, "77", "33") }},
		{"a script for new kernels writes the flag", func(h *testHost) {
			onlyTheFlag(h)
			h.write("root/etc/kernel/postinst.d/unattended-upgrades", 0o755, "#!/bin/sh\ntouch /var/run/reboot-required\n")
		}},
		{"packages that ask for a reboot write the flag", func(h *testHost) {
			onlyTheFlag(h)
			h.write("root/usr/share/update-notifier/notify-reboot-required", 0o755, "")
		}},
		{"another flag", func(h *testHost) {
			onlyTheFlag(h)
			h.write("hooks.conf.d/reboot-required.conf", 0o644, "flag=/run/ours\n")
		}},
		{"another hook decides, too", func(h *testHost) { h.enable("needs_reboot", "reboot-required") }},
		{"both halves", func(h *testHost) {
			h.enable("pre_update", "services-stop")
			h.enable("post_update", "services-start")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h := newTestHost(t)
			test.change(h)
			if got := h.advice(); len(got) > 0 {
				t.Error(got)
			}
		})
	}
}
