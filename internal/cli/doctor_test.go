package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"foreman-dlm-updater/internal/config"
	"foreman-dlm-updater/internal/dlm"
	"foreman-dlm-updater/internal/hook"
	"foreman-dlm-updater/internal/host"
	"foreman-dlm-updater/internal/vet"

	"github.com/google/go-cmp/cmp"
)

// patient is a host for the doctor: a healthy one, until a test makes something of it ill.
type patient struct {
	*surroundings
	t      *testing.T
	dir    string
	units  map[string]host.Unit
	free   map[string]host.Space
	config *config.Config
}

func newPatient(t *testing.T) *patient {
	p := &patient{t: t, dir: t.TempDir(), free: map[string]host.Space{}}
	p.config = &config.Config{Path: p.dir + "/config.ini", State: p.dir + "/state/state", StageDirs: map[string]string{}}
	p.units = map[string]host.Unit{
		timerUnit:                 {ID: timerUnit, Load: "loaded", Active: "active", File: "enabled"},
		resumeUnit:                {ID: resumeUnit, Load: "loaded", Active: "inactive", File: "enabled", Exec: p.resume()},
		"apt-daily-upgrade.timer": {ID: "apt-daily-upgrade.timer", Load: "loaded", Active: "active", File: "enabled"}, // as on every Debian
	}
	p.surroundings = &surroundings{
		library: hook.Library{Dir: p.dir + "/library"}, root: p.dir + "/root", env: []string{"PATH=" + p.dir + "/bin"},
		systemd: func(_ context.Context, names ...string) (map[string]host.Unit, error) {
			asked := map[string]host.Unit{}
			for _, name := range names {
				if strings.Contains(name, "*") {
					for known, unit := range p.units {
						if fits, _ := filepath.Match(name, known); fits && unit.Load != "not-found" {
							asked[known] = unit
						}
					}
					continue
				}
				asked[name] = host.Unit{ID: name, Load: "not-found", Active: "inactive"}
				if unit, known := p.units[name]; known {
					asked[name] = unit
				}
			}
			return asked, nil
		},
		init:         func() error { return nil },
		synchronised: func() (bool, error) { return true, nil },
		free: func(path string) (host.Space, error) {
			path = strings.TrimPrefix(path, p.dir)
			if space, known := p.free[path]; known {
				return space, nil
			}
			return host.Space{Device: uint64(len(path)), Bytes: 1000 * miB}, nil
		},
		command: func(context.Context, string, ...string) (string, error) { return "enable='1'\nevery='0'\n", nil },
	}
	p.write("root/boot/vmlinuz", 0o600, "")
	for _, tool := range []string{"apt-get", "systemctl", "awk", "df"} {
		p.write("bin/"+tool, 0o755, "")
	}
	for _, stage := range []string{"needs_update", "pre_update", "update", "needs_reboot", "post_update"} {
		p.config.StageDirs[stage] = p.dir + "/" + stage + ".d"
		p.write(stage+".d/10-own", 0o755, "#!/bin/sh\n")
	}
	return p
}

// resume is what the resume unit runs for the patient's configuration.
func (p *patient) resume() []string {
	return []string{"/usr/bin/foreman-dlm-updater", "--config", p.config.Path, "run", "--after-reboot"}
}

func (p *patient) write(file string, mode os.FileMode, text string) {
	p.t.Helper()
	file = filepath.Join(p.dir, file)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), mode)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *patient) remove(file string) {
	p.t.Helper()
	if err := os.Remove(filepath.Join(p.dir, file)); err != nil {
		p.t.Fatal(err)
	}
}

// enable links a bundled hook in.
func (p *patient) enable(stage, name string) { p.t.Helper(); p.enableAs(stage, name, "50", "50") }

// enableAs links a bundled hook in under a number, which need not be its own.
func (p *patient) enableAs(stage, name, own, number string) {
	p.t.Helper()
	p.write("library/"+stage+".d/"+name, 0o755, "#!/bin/sh\n# Does something.\n# Number: "+own+"\n# Stage: "+stage+".\n")
	if err := p.library.Enable(stage, name, hooksDir(p.config, stage), number+"-"+name); err != nil {
		p.t.Fatal(err)
	}
}

// examine runs all checks, and returns what each finds to be wrong.
func (p *patient) examine(configured bool) []string {
	p.t.Helper()
	all := []string{}
	for _, one := range p.checks(p.t.Context(), configured) {
		fine, err := one.do(&Process{Context: p.t.Context()}, p.config)
		var found doubts
		switch {
		case err != nil && !errors.As(err, &found):
			p.t.Errorf("%s is an error, and a good configuration would be refused: %v", one.about, err)
		case err == nil && fine == "":
			p.t.Errorf("%s has found nothing wrong, and says nothing", one.about)
		}
		for _, f := range found {
			all = append(all, strings.ReplaceAll(fmt.Sprintf("%s: %s", one.about, f), p.dir, "DIR"))
		}
	}
	return all
}

func TestDoctorHealthy(t *testing.T) {
	if got := newPatient(t).examine(true); len(got) > 0 {
		t.Error(got)
	}
}

// TestDoctorResumeUnit: a boot has to go on with this configuration, and not with another one.
func TestDoctorResumeUnit(t *testing.T) {
	const program = "/usr/bin/foreman-dlm-updater"
	const own = "foreman-dlm-updater-config-resume.service"
	enabled := func(exec ...string) host.Unit {
		return host.Unit{Load: "loaded", Active: "inactive", File: "enabled", Exec: exec}
	}
	disabled := func(u host.Unit) host.Unit {
		u.File = "disabled"
		return u
	}
	other := func(config string) string {
		return "units: foreman-dlm-updater-resume.service goes on with a run of " + config + ", not of this configuration (DIR/config.ini): " +
			"after a reboot the run waits, with the lock, for the next night; an enabled foreman-dlm-updater-config-resume.service with " +
			"`foreman-dlm-updater --config DIR/config.ini run --after-reboot` goes on with it (docs/install.md)"
	}
	p := newPatient(t)
	p.write("config.ini", 0o600, "")
	p.write("weekly.ini", 0o600, "")
	if err := os.Symlink("config.ini", p.dir+"/link.ini"); err != nil {
		t.Fatal(err)
	}
	mine, weekly := p.config.Path, p.dir+"/weekly.ini"
	tests := map[string]struct {
		resume, own host.Unit
		want        string
	}{
		"of the package":           {resume: enabled(program, "run", "--after-reboot"), want: other(DefaultConfig)},
		"of another":               {resume: enabled(program, "--config="+weekly, "run", "--after-reboot"), want: other("DIR/weekly.ini")},
		"of another, in old words": {resume: enabled(program, "--cfg", weekly, "--after_reboot"), want: other("DIR/weekly.ini")},
		"of one that is gone":      {resume: enabled(program, "-c", "/gone.ini", "run", "--after-reboot"), want: other("/gone.ini")},
		"of this":                  {resume: enabled(program, "-c"+mine, "run", "--after-reboot")},
		"of this, by a link":       {resume: enabled(program, "-c", p.dir+"/link.ini", "run", "--after-reboot")},
		"by a wrapper":             {resume: enabled("/bin/sh", "-c", "foreman-dlm-updater run --after-reboot")},
		"by a variable":            {resume: enabled(program, "-c", "${CONFIG}", "run", "--after-reboot")},
		"no command is known":      {resume: enabled()},
		"a unit of its own": {resume: enabled(program, "run", "--after-reboot"),
			own: enabled(program, "-c", mine, "run", "--after-reboot")},
		"a unit of its own instead": {resume: disabled(enabled(program, "run", "--after-reboot")),
			own: enabled(program, "-c", mine, "run", "--after-reboot")},
		"a unit of its own that is disabled": {resume: enabled(program, "run", "--after-reboot"),
			own: disabled(enabled(program, "-c", mine, "run", "--after-reboot")), want: other(DefaultConfig)},
		"a unit of its own that begins runs": {resume: enabled(program, "run", "--after-reboot"),
			own: enabled(program, "-c", mine, "run"), want: other(DefaultConfig)},
		"a unit of its own for the third": {resume: enabled(program, "run", "--after-reboot"),
			own: enabled(program, "-c", weekly, "run", "--after-reboot"), want: other(DefaultConfig)},
	}
	p.units[resumeUnit] = tests["of the package"].resume
	if off := resumeOff(p.units, nil); off != nil {
		t.Errorf("where the configuration can't be read: %v", off)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p.units[resumeUnit], p.units[own] = test.resume, test.own
			if test.own.Load == "" {
				delete(p.units, own)
			}
			if got := strings.Join(p.examine(true), "\n"); got != test.want {
				t.Errorf("config check:\ngot  %s\nwant %s", got, test.want)
			}
			p.config.BootIDFile = config.KernelBootID
			p.config.RebootCmd = []string{"/bin/true"}
			warnings, _ := thisHost{config: p.config}.vet(t.Context(), p.surroundings) // of the state see TestVetState
			got := strings.ReplaceAll(strings.Join(warnings, "\n"), p.dir, "DIR")
			if want := strings.TrimPrefix(test.want, "units: "); got != want {
				t.Errorf("run:\ngot  %s\nwant %s", got, want)
			}
		})
	}
}

func TestDoctorFindings(t *testing.T) {
	set := func(unit, load, active, file string) func(*patient) {
		return func(p *patient) { p.units[unit] = host.Unit{ID: unit, Load: load, Active: active, File: file} }
	}
	on := func(unit string) func(*patient) { return set(unit, "loaded", "active", "enabled") }
	enable := func(stage, name string) func(*patient) { return func(p *patient) { p.enable(stage, name) } }
	const never = ": unless something else starts runs (cron), this host is never updated; fix it with: "
	const waits = ": after a reboot the run waits, with the lock, for the next night; fix it with: "
	tests := []struct {
		name string
		ill  func(*patient)
		want string // the finding; several with line ends between
	}{
		{"fresh", func(p *patient) {
			set(timerUnit, "loaded", "inactive", "disabled")(p)
			set(resumeUnit, "loaded", "inactive", "disabled")(p)
		}, "units: foreman-dlm-updater.timer is disabled" + never + "systemctl enable --now foreman-dlm-updater.timer\n" +
			"units: foreman-dlm-updater-resume.service is disabled" + waits + "systemctl enable foreman-dlm-updater-resume.service"},
		{"resume not installed", func(p *patient) { delete(p.units, resumeUnit) },
			"units: foreman-dlm-updater-resume.service is not installed: after a reboot the run waits, with the lock, for the next night; " +
				"run --after-reboot at boot goes on with it"},
		{"no package", func(p *patient) { delete(p.units, timerUnit) },
			"units: foreman-dlm-updater.timer is not installed" + never + "apt-get install foreman-dlm-updater"},
		{"timer masked", set(timerUnit, "masked", "inactive", "masked"), "units: foreman-dlm-updater.timer is masked" + never +
			"systemctl unmask foreman-dlm-updater.timer && systemctl enable --now foreman-dlm-updater.timer"},
		{"timer started only", set(timerUnit, "loaded", "active", "disabled"), "units: foreman-dlm-updater.timer is active, but not enabled: " +
			"after the next boot nothing starts a run; fix it with: systemctl enable foreman-dlm-updater.timer"},
		{"timer stopped", set(timerUnit, "loaded", "inactive", "enabled"), "units: foreman-dlm-updater.timer is enabled, but inactive: " +
			"until the next boot nothing starts a run; fix it with: systemctl start foreman-dlm-updater.timer"},
		{"resume disabled", set(resumeUnit, "loaded", "inactive", "disabled"),
			"units: foreman-dlm-updater-resume.service is disabled" + waits + "systemctl enable foreman-dlm-updater-resume.service"},
		{"resume masked", set(resumeUnit, "masked", "inactive", "masked"), "units: foreman-dlm-updater-resume.service is masked" + waits +
			"systemctl unmask foreman-dlm-updater-resume.service && systemctl enable foreman-dlm-updater-resume.service"},
		{"systemd is silent", func(p *patient) {
			p.systemd = func(context.Context, ...string) (map[string]host.Unit, error) {
				return nil, errors.New("connect to systemd: no answer")
			}
		}, "units: it is not known whether foreman-dlm-updater.timer is enabled: connect to systemd: no answer; fix it with: " +
			"systemctl status foreman-dlm-updater.timer"},

		{"unattended-upgrades", func(p *patient) {
			p.write("bin/unattended-upgrade", 0o755, "")
			p.command = func(context.Context, string, ...string) (string, error) { return "every='1'\n", nil }
		}, "other updaters: unattended-upgrades installs updates without the lock; fix it with: systemctl disable --now apt-daily-upgrade.timer"},
		{"dnf-automatic", func(p *patient) {
			on("dnf-automatic.timer")(p)
			p.write("root/etc/dnf/automatic.conf", 0o644, "[commands]\n# apply_updates = no\napply_updates = Yes\n")
		}, "other updaters: dnf-automatic installs updates without the lock; fix it with: systemctl disable --now dnf-automatic.timer"},
		{"dnf-automatic-install, for the next boot", set("dnf-automatic-install.timer", "loaded", "inactive", "enabled"),
			"other updaters: dnf-automatic installs updates without the lock; fix it with: systemctl disable --now dnf-automatic-install.timer"},
		{"one timer of two names", func(p *patient) {
			on("dnf5-automatic.timer")(p)
			p.units["dnf-automatic.timer"] = p.units["dnf5-automatic.timer"]
			p.write("root/etc/dnf/automatic.conf", 0o644, "apply_updates=1")
		}, "other updaters: dnf-automatic installs updates without the lock; fix it with: systemctl disable --now dnf5-automatic.timer"},
		{"yum-cron", func(p *patient) {
			on("yum-cron.service")(p)
			p.write("root/etc/yum/yum-cron.conf", 0o644, "apply_updates = yes\n")
		}, "other updaters: yum-cron installs updates without the lock; fix it with: systemctl disable --now yum-cron.service"},
		{"os-update", on("os-update.timer"),
			"other updaters: os-update installs updates and reboots without the lock; fix it with: systemctl disable --now os-update.timer"},
		{"transactional-update", on("transactional-update.timer"),
			"other updaters: transactional-update installs updates without the lock; fix it with: systemctl disable --now transactional-update.timer"},
		{"zincati", on("zincati.service"),
			"other updaters: zincati installs updates and reboots without the lock; fix it with: systemctl disable --now zincati.service"},
		{"YaST", func(p *patient) { p.write("root/etc/cron.weekly/opensuse.org-online_update", 0o755, "") },
			"other updaters: YaST's online update installs updates without the lock; fix it with: rm DIR/root/etc/cron.weekly/opensuse.org-online_update"},
		{"offline update", func(p *patient) { p.write("root/system-update", 0o644, "") },
			"other updaters: an offline update is prepared: the next boot installs it, whoever asks for that boot; fix it with: rm DIR/root/system-update"},
		{"kured", func(p *patient) { p.write("root/proc/4711/comm", 0o644, "kured\n") },
			"other updaters: kured reboots this host without the lock; fix it with: kubectl -n kube-system delete daemonset kured"},

		{"clock", func(p *patient) { p.synchronised = func() (bool, error) { return false, nil } },
			"clock: it is not synchronised: once it is wrong by much, certificates are not valid, and Foreman refuses this host; " +
				"fix it with: timedatectl set-ntp true (it needs systemd-timesyncd, chrony or ntpd)"},
		{"clock not known", func(p *patient) { p.synchronised = func() (bool, error) { return false, os.ErrPermission } },
			"clock: it is not known whether it is synchronised: permission denied; fix it with: timedatectl"},

		{"nothing asks for updates", func(p *patient) { p.remove("needs_update.d/10-own") },
			"stages: no hook is enabled in DIR/needs_update.d: no run ever begins; fix it with: foreman-dlm-updater hooks enable needs_update/apt"},
		{"nothing updates, no package manager known", func(p *patient) { p.remove("update.d/10-own"); p.remove("bin/apt-get") },
			"stages: no hook is enabled in DIR/update.d: a run installs nothing; fix it with: foreman-dlm-updater hooks list update"},
		{"every update reboots", func(p *patient) { p.remove("needs_reboot.d/10-own"); p.write("bin/dnf", 0o755, "") },
			"stages: no hook is enabled in DIR/needs_reboot.d: each update ends with a reboot; fix it with: " +
				"foreman-dlm-updater hooks enable needs_reboot/dnf-needs-restarting"},

		{"traffic before the service, as hooks enable numbered them once", func(p *patient) {
			enableBehindBalancer(p, "50", "50")
		}, "stages: 50-haproxy-ready runs before 50-services-start, which has to come first in post_update: what is stopped first has to come back last; " +
			"fix it with: for hook in haproxy-ready; do foreman-dlm-updater hooks disable post_update/$hook; foreman-dlm-updater hooks enable post_update/$hook; done"},
		{"services stop before anything is checked", func(p *patient) {
			p.enable("pre_update", "services-stop")
			p.enable("post_update", "services-start")
			p.enableAs("pre_update", "disk-space", "10", "99")
		}, "stages: 50-services-stop runs before 99-disk-space, which has to come first in pre_update: what refuses comes first, then traffic goes away, " +
			"then services stop; fix it with: for hook in disk-space; do foreman-dlm-updater hooks disable pre_update/$hook; " +
			"foreman-dlm-updater hooks enable pre_update/$hook; done"},
		{"both by hand", func(p *patient) {
			enableBehindBalancer(p, "60", "70")
		}, "stages: 60-haproxy-ready runs before 70-services-start, which has to come first in post_update: what is stopped first has to come back last; " +
			"fix it with: for hook in haproxy-ready services-start; do foreman-dlm-updater hooks disable post_update/$hook; " +
			"foreman-dlm-updater hooks enable post_update/$hook; done"},

		{"nobody writes the flag", func(p *patient) {
			onlyTheFlag(p)
			p.write("root/etc/kernel/postinst.d/initramfs-tools", 0o755, "#!/bin/sh\n")
		}, "stages: needs_reboot/reboot-required is the only hook of its stage, and nothing on this host writes the flag that it looks for: " +
			"no update ends with a reboot; fix it with: foreman-dlm-updater hooks enable needs_reboot/kernel-changed"},
		{"every update reboots a Debian", func(p *patient) { p.remove("needs_reboot.d/10-own") },
			"stages: no hook is enabled in DIR/needs_reboot.d: each update ends with a reboot; fix it with: " +
				"foreman-dlm-updater hooks enable needs_reboot/kernel-changed"},

		{"a hook and a notifier twice, and one under another number", func(p *patient) {
			p.config.NotifyDir = p.dir + "/notify.d"
			p.write("notify.d/20-own", 0o755, "#!/bin/sh\n")
			for _, link := range [][2]string{{"update", "apt"}, {"notify", "mail"}} {
				enable(link[0], link[1])(p)
				if err := os.Symlink(p.library.Path(link[0], link[1]), p.dir+"/"+link[0]+".d/60-"+link[1]); err != nil {
					p.t.Fatal(err)
				}
			}
		}, "stages: update/apt is enabled twice, as 50-apt and as 60-apt, and runs twice: disable the one that is not wanted; " +
			"fix it with: foreman-dlm-updater hooks disable update/60-apt\n" +
			"stages: notify/mail is enabled twice, as 50-mail and as 60-mail, and runs twice: disable the one that is not wanted; " +
			"fix it with: foreman-dlm-updater hooks disable notify/60-mail"},

		{"interpreter of a notifier", func(p *patient) {
			p.config.NotifyDir = p.dir + "/notify.d"
			p.write("notify.d/20-x", 0o755, "#!/no/such/python\n")
		},
			`what hooks need: DIR/notify.d/20-x: interpreter "/no/such/python": no such file or directory; install it, ` +
				"or correct the hook's first line; `chmod a-x DIR/notify.d/20-x` disables the hook"},
		{"tool", func(p *patient) { enable("pre_update", "haproxy-drain")(p); enable("post_update", "haproxy-ready")(p) },
			"what hooks need: DIR/pre_update.d/50-haproxy-drain needs socat, which this host doesn't have; fix it with: apt-get install socat\n" +
				"what hooks need: DIR/post_update.d/50-haproxy-ready needs socat, which this host doesn't have; fix it with: apt-get install socat"},
		{"one tool of several", func(p *patient) {
			enable("pre_update", "pacemaker-standby")(p)
			enable("post_update", "pacemaker-unstandby")(p)
			p.write("bin/crm_standby", 0o755, "")
			p.write("bin/crm_mon", 0o755, "")
		}, "what hooks need: DIR/pre_update.d/50-pacemaker-standby needs crm_node, which this host doesn't have; fix it with: apt-get install pacemaker-cli-utils\n" +
			"what hooks need: DIR/post_update.d/50-pacemaker-unstandby needs crm_node, which this host doesn't have; fix it with: apt-get install pacemaker-cli-utils"},
		{"hook of another system", enable("update", "dnf"), "what hooks need: DIR/update.d/50-dnf needs dnf5 or dnf or yum, which this host doesn't have; " +
			"fix it with: foreman-dlm-updater hooks disable update/dnf"},

		{"boot", func(p *patient) { p.free["/root/boot"] = host.Space{Device: 7, Bytes: 20 * miB} },
			"disk space: DIR/root/boot has 20 MiB free, less than 200: a new kernel may not fit; fix it with: apt-get autoremove --purge"},
		{"log", func(p *patient) { p.free["/root/var/log"] = host.Space{Bytes: 99 * miB} },
			"disk space: DIR/root/var/log has 99 MiB free, less than 100: what a run says may be lost; fix it with: journalctl --vacuum-size=200M"},
		{"log file", func(p *patient) { p.config.Log = p.dir + "/logs/log"; p.free["/logs"] = host.Space{} },
			"disk space: DIR/logs has 0 MiB free, less than 100: what a run says may be lost; fix it with: journalctl --vacuum-size=200M"},
		{"state", func(p *patient) { p.free["/state"] = host.Space{Bytes: 49 * miB} },
			"disk space: DIR/state has 49 MiB free, less than 50: a run stops, with the lock, if its state can't be written; " +
				"fix it with: what `du -xh DIR/state | sort -h | tail` shows can perhaps be deleted"},
		{"one full disk is one finding", func(p *patient) {
			p.free["/root/boot"], p.free["/root/var/log"], p.free["/state"] = host.Space{}, host.Space{}, host.Space{}
		}, "disk space: DIR/root/boot has 0 MiB free, less than 200: a new kernel may not fit; fix it with: apt-get autoremove --purge"},
	}
	hasTools := func(p *patient) {
		for _, tool := range []string{"curl", "socat", "crm_standby", "crm_mon", "crm_node", "puppet"} {
			p.write("bin/"+tool, 0o755, "")
		}
	}
	for _, pair := range halves {
		first, name, _ := strings.Cut(pair[0], "/")
		second, other, _ := strings.Cut(pair[1], "/")
		tests = append(tests, []struct {
			name string
			ill  func(*patient)
			want string
		}{
			{"only " + pair[0], func(p *patient) { enable(first, name)(p); hasTools(p) },
				fmt.Sprintf("stages: %s is enabled without %s: what it stops stays so; fix it with: foreman-dlm-updater hooks enable %[2]s", pair[0], pair[1])},
			{"only " + pair[1], func(p *patient) { enable(second, other)(p); hasTools(p) },
				fmt.Sprintf("stages: %s is enabled without %s: it has nothing to bring back; fix it with: foreman-dlm-updater hooks enable %[2]s", pair[1], pair[0])},
		}...)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.ill(p)
			if diff := cmp.Diff(strings.Split(test.want, "\n"), p.examine(true)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// onlyTheFlag leaves reboot-required as the only hook of its stage.
func onlyTheFlag(p *patient) {
	p.t.Helper()
	p.remove("needs_reboot.d/10-own")
	p.enable("needs_reboot", "reboot-required")
}

// enableBehindBalancer enables the hooks of a service behind a load balancer: those of post_update under other numbers
// than their own.
func enableBehindBalancer(p *patient, ready, start string) {
	p.t.Helper()
	p.write("bin/socat", 0o755, "")
	p.enableAs("pre_update", "haproxy-drain", "20", "20")
	p.enableAs("pre_update", "services-stop", "50", "50")
	p.enableAs("post_update", "haproxy-ready", "80", ready)
	p.enableAs("post_update", "services-start", "50", start)
}

// TestHalvesComeBackInReverse: by the numbers of the bundled hooks, what is stopped first comes back last.
func TestHalvesComeBackInReverse(t *testing.T) {
	library := hook.Library{Dir: "../../contrib/hooks"}
	number := func(name string) string {
		stage, name, _ := strings.Cut(name, "/")
		return library.Number(stage, name)
	}
	compared := 0
	for _, one := range halves {
		for _, other := range halves {
			if number(one[0]) < number(other[0]) {
				compared++
				if number(one[1]) <= number(other[1]) {
					t.Errorf("%s (%s) comes before %s (%s), and %s (%s) does not come after %s (%s)", one[0], number(one[0]), other[0], number(other[0]),
						one[1], number(one[1]), other[1], number(other[1]))
				}
			}
		}
	}
	if compared < 20 {
		t.Errorf("only %d pairs have an order", compared)
	}
}

// TestDoctorIsNotFooled: what looks like trouble and is none.
func TestDoctorIsNotFooled(t *testing.T) {
	tests := []struct {
		name string
		well func(*patient)
	}{
		{"no systemd, and a clock that is the machine's", func(p *patient) {
			p.systemd = func(context.Context, ...string) (map[string]host.Unit, error) { return nil, host.ErrNoSystemd }
			p.synchronised = func() (bool, error) { return false, nil }
			p.write("root/run/systemd/container", 0o644, "systemd-nspawn")
		}},
		{"unattended-upgrades, switched off", func(p *patient) {
			p.write("bin/unattended-upgrade", 0o755, "")
		}},
		{"unattended-upgrades, apt's whole timer switched off", func(p *patient) {
			p.write("bin/unattended-upgrade", 0o755, "")
			p.command = func(context.Context, string, ...string) (string, error) { return "enable='0'\nevery='1'\n", nil }
		}},
		{"dnf-automatic that only downloads", func(p *patient) {
			p.units["dnf-automatic.timer"] = host.Unit{ID: "dnf-automatic.timer", Load: "loaded", Active: "active", File: "enabled"}
			p.write("root/etc/dnf/automatic.conf", 0o644, "apply_updates = no\n#apply_updates = yes\n")
		}},
		{"no /boot", func(p *patient) {
			free := p.surroundings.free
			p.surroundings.free = func(path string) (host.Space, error) {
				if strings.HasSuffix(path, "/boot") {
					return host.Space{}, &os.PathError{Op: "statfs", Path: path, Err: os.ErrNotExist}
				}
				return free(path)
			}
		}},
		{"a stage that is refused, of which another check tells", func(p *patient) { p.write("update.d/20-x", 0o755, ""); os.Chmod(p.dir+"/update.d", 0o777) }},
		{"notifiers that are refused, of which another check tells", func(p *patient) {
			p.config.NotifyDir = p.dir + "/notify.d"
			p.write("notify.d/20-x", 0o775, "#!/no/such/python\n")
			os.Chmod(p.dir+"/notify.d/20-x", 0o775)
		}},
		{"bundled hooks under other numbers, in the right order", func(p *patient) { enableBehindBalancer(p, "77", "33") }},
		{"a script for new kernels writes the flag", func(p *patient) {
			onlyTheFlag(p)
			p.write("root/etc/kernel/postinst.d/unattended-upgrades", 0o755, "#!/bin/sh\ntouch /var/run/reboot-required\n")
		}},
		{"packages that ask for a reboot write the flag", func(p *patient) {
			onlyTheFlag(p)
			p.write("root/usr/share/update-notifier/notify-reboot-required", 0o755, "")
		}},
		{"another flag", func(p *patient) {
			onlyTheFlag(p)
			p.write("hooks.conf.d/reboot-required.conf", 0o644, "flag=/run/ours\n")
		}},
		{"another hook decides, too", func(p *patient) { p.enable("needs_reboot", "reboot-required") }},
		{"both halves", func(p *patient) { p.enable("pre_update", "services-stop"); p.enable("post_update", "services-start") }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			test.well(p)
			if got := p.examine(true); len(got) > 0 {
				t.Error(got)
			}
		})
	}
}

// TestDoctorWithoutConfiguration looks at the host all the same, and at nothing that a configuration would have named.
func TestDoctorWithoutConfiguration(t *testing.T) {
	p := newPatient(t)
	p.config = nil
	p.units[timerUnit] = host.Unit{ID: timerUnit, Load: "loaded", Active: "inactive", File: "disabled"}
	if got := p.examine(false); len(got) != 1 || !strings.Contains(got[0], "systemctl enable --now foreman-dlm-updater.timer") {
		t.Error(got)
	}
}

// TestForemansName: what other programs of the host find, this one need not.
func TestForemansName(t *testing.T) {
	unknown := &net.DNSError{Err: "no such host", Name: "foreman.local", IsNotFound: true}
	for _, test := range []struct {
		name   string
		lookup error
		getent string
		want   string
	}{
		{"known", nil, "", ""},
		{"to NSS only", unknown, "192.0.2.7      STREAM foreman.local\n192.0.2.7      DGRAM\n", "foreman.local is known to this host (192.0.2.7), but neither by " +
			"/etc/hosts nor by DNS, and nothing else is asked: lookup foreman.local: no such host; fix it with: echo '192.0.2.7 foreman.local' >>/etc/hosts"},
		{"to nobody", unknown, "", "nobody knows the address of foreman.local: lookup foreman.local: no such host; fix it with: resolvectl query foreman.local"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPatient(t)
			p.config.ForemanURL = &url.URL{Scheme: "https", Host: "foreman.local:8443"}
			p.lookup = func(context.Context, string) ([]string, error) { return []string{"192.0.2.7"}, test.lookup }
			p.command = func(_ context.Context, name string, args ...string) (string, error) {
				return test.getent, nil
			}
			fine, err := p.checkName(&Process{Context: t.Context()}, p.config)
			if err == nil && (fine != "foreman.local is 192.0.2.7" || test.want != "") || err != nil && err.Error() != test.want {
				t.Errorf("%q, %v", fine, err)
			}
		})
	}
	if got := hint(answer(t, &dlm.Error{Kind: dlm.ErrUnavailable, Err: unknown})); !strings.Contains(got, "add foreman.local to DNS or to /etc/hosts") {
		t.Errorf("a run says %q", got)
	}
}

// TestDoctorGivesUp: a check that hangs becomes a doubt, when its time is over.
func TestDoctorGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		forever := make(chan struct{})
		hangs := within(patience, func(*Process, *config.Config) (string, error) { <-forever; return "", nil })
		_, err := hangs(&Process{Context: t.Context()}, nil)
		var found doubts
		if !errors.As(err, &found) || !strings.Contains(err.Error(), "no answer within 10s") || time.Since(began) != patience {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		close(forever)
	})
}

// TestToolsAreDocumented holds the table against what the hooks say of themselves, both ways; and every hook of a pair
// is one.
func TestToolsAreDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, one := range tools {
		stage, name, _ := strings.Cut(one.hook, "/")
		files, err := filepath.Glob("../../contrib/hooks/" + stage + ".d/" + name + "*")
		if err != nil || len(files) == 0 {
			t.Errorf("no hook is %s", one.hook)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, head, _ := strings.Cut(string(text), "\n# Needs: ")
			head, _, _ = strings.Cut(head, "\n")
			head = strings.ReplaceAll(head, "systemd", "systemctl")
			if !slices.ContainsFunc(one.commands, func(c string) bool { return strings.Contains(head, c) }) {
				t.Errorf("%s says that it needs %q; here it is %q", file, head, one.commands)
			}
			documented[file] = true
		}
	}
	all, _ := filepath.Glob("../../contrib/hooks/*_*.d/*")
	for _, file := range all {
		if text, err := os.ReadFile(file); err != nil || !documented[file] && !strings.Contains(string(text), "\n# Needs: nothing") {
			t.Errorf("%s is in no line of the table: %v", file, err)
		}
	}
	for _, pair := range halves {
		for _, name := range pair {
			stage, name, _ := strings.Cut(name, "/")
			if !exists("../../contrib/hooks/" + stage + ".d/" + name) {
				t.Errorf("no hook is %s/%s", stage, name)
			}
		}
	}
}

func TestTally(t *testing.T) {
	for _, test := range []struct {
		tally tally
		want  string
	}{
		{tally{}, "c.ini is fine"},
		{tally{warnings: 1}, "c.ini is fine, with 1 warning"},
		{tally{warnings: 2}, "c.ini is fine, with 2 warnings"},
		{tally{errors: 1}, "c.ini: 1 error, 0 warnings"},
		{tally{errors: 3, warnings: 2}, "c.ini: 3 errors, 2 warnings"},
	} {
		if got := test.tally.line("c.ini"); got != test.want {
			t.Errorf("%+v: %q, want %q", test.tally, got, test.want)
		}
	}
}

// TestNoServices: services-stop is refused if it certainly has nothing to stop. If its settings can't be judged, the hook
// itself tells.
func TestNoServices(t *testing.T) {
	refusal := func(p *patient) error {
		s := p.surroundings
		return noServices(vet.NewSession(), s.library, hooksDir(p.config, "pre_update"), p.config.SettingsDir())
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
		p := newPatient(t)
		p.enable("pre_update", "services-stop")
		if test.settings != "" {
			p.write("hooks.conf.d/services-stop.conf", 0o644, test.settings)
		}
		err := refusal(p)
		if (err != nil) != test.refused || err != nil && (exitCode(err) != exitConfig ||
			!strings.Contains(err.Error(), "/50-services-stop has no SERVICES, and would fail with the lock held: put SERVICES=")) {
			t.Errorf("%q: %v", test.settings, err)
		}
	}
	p := newPatient(t)
	if err := refusal(p); err != nil {
		t.Errorf("it is not enabled: %v", err)
	}
}
