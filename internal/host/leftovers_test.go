package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// fakeKernel writes files as the kernel shows them: processes as "pid: stat after the name", and control groups with
// their processes.
func fakeKernel(t *testing.T, files map[string]string) kernel {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return kernel{proc: dir + "/proc", cgroups: dir + "/cgroup", self: 100, parent: 1,
		mainPID: func(context.Context, string) (int, error) { return 100, nil }}
}

// process are the files of one.
func process(pid, parent int, state, command, environ string) map[string]string {
	dir := "proc/" + strconv.Itoa(pid) + "/"
	return map[string]string{
		dir + "stat":    fmt.Sprintf("%d (a) b) c) %s %d 5 5 0", pid, state, parent),
		dir + "cmdline": strings.ReplaceAll(command, " ", "\x00") + "\x00",
		dir + "environ": strings.ReplaceAll(environ, " ", "\x00"),
	}
}

func TestLeftovers(t *testing.T) {
	const (
		unit = "cgroup/system.slice/dlm.service/"
		v2   = "0::/system.slice/dlm.service\n"
	)
	tests := []struct {
		name  string
		files map[string]string // beside the processes
		want  []string
	}{
		{"alone", map[string]string{
			"cgroup/cgroup.controllers": "", "proc/self/cgroup": v2, unit + "cgroup.procs": "100\n"}, nil},
		{"with hooks' daemons, one in a group of its own", map[string]string{
			"cgroup/cgroup.controllers": "", "proc/self/cgroup": v2,
			unit + "cgroup.procs": "100\n101\n102\n103\n104\n0\n", unit + "below/cgroup.procs": "105\n"},
			[]string{"103 app -d from update/10-app", "105 sleep 9 from /"}},
		{"cgroup v1", map[string]string{
			"proc/self/cgroup": "12:memory:/other.service\n1:name=systemd:/system.slice/dlm.service\n0::/x.service\n",
			"cgroup/systemd/system.slice/dlm.service/cgroup.procs": "100\n103\n"}, []string{"103 app -d from update/10-app"}},
		{"a session", map[string]string{
			"cgroup/cgroup.controllers": "", "proc/self/cgroup": "0::/user.slice/user-0.slice/session-1.scope\n"}, nil},
		{"a hierarchy that systemd does not know", map[string]string{"proc/self/cgroup": v2}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files := test.files
			for _, p := range []map[string]string{
				process(101, 100, "S", "notifier", ""),
				process(102, 101, "S", "notifiers child", ""),
				process(103, 1, "S", "app -d", "A=b DLM_STAGE=update DLM_HOOK=10-app"),
				process(104, 1, "Z", "zombie", ""),
				process(105, 1, "S", "sleep 9", ""),
			} {
				for name, content := range p {
					files[name] = content
				}
			}
			k := fakeKernel(t, files)
			found, err := k.leftovers(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, told(found)); diff != "" {
				t.Error(diff)
			}
			k.parent = 50 // by hand, in a shell that has no session of its own
			if found, err := k.leftovers(t.Context()); len(found) > 0 || err != nil {
				t.Errorf("by hand: %v, %v", told(found), err)
			}
			if test.want == nil {
				return
			}
			k.parent = 1
			k.mainPID = func(context.Context, string) (int, error) { return 60, nil }
			if found, err := k.leftovers(t.Context()); len(found) > 0 || err != nil {
				t.Errorf("in another's unit: %v, %v", told(found), err)
			}
			k.mainPID = func(context.Context, string) (int, error) { return 0, errors.New("no bus") }
			found, err = k.leftovers(t.Context())
			if err == nil || err.Error() != "ask systemd for the main process of dlm.service: no bus" ||
				!cmp.Equal(told(found), test.want) {
				t.Errorf("without systemd's answer: %v, %v", told(found), err)
			}
		})
	}
}

func told(found []Leftover) (all []string) {
	for _, one := range found {
		from := one.Getenv("DLM_STAGE") + "/" + one.Getenv("DLM_HOOK")
		all = append(all, fmt.Sprintf("%d %s from %s", one.PID, one.Command, from))
	}
	return all
}

// TestLeftoverThatEnds: the last process of a pipe, which ends a moment after the hook, is not a leftover.
func TestLeftoverThatEnds(t *testing.T) {
	files := process(103, 1, "S", "tee", "")
	files["cgroup/cgroup.controllers"], files["proc/self/cgroup"] = "", "0::/dlm.service\n"
	files["cgroup/dlm.service/cgroup.procs"] = "103\n"
	k := fakeKernel(t, files)
	k.moment = 10 * time.Second
	ended := time.AfterFunc(20*time.Millisecond, func() {
		os.WriteFile(k.cgroups+"/dlm.service/cgroup.procs", nil, 0o644)
	})
	defer ended.Stop()
	if found, err := k.leftovers(t.Context()); len(found) > 0 || err != nil {
		t.Errorf("%v, %v", told(found), err)
	}
}

// TestMoveToScope: systemd gets the right request, and whatever it answers, the caller hears of it.
func TestMoveToScope(t *testing.T) {
	systemBus(t)
	conn, err := dbus.ConnectSystemBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	type property struct {
		Name  string
		Value dbus.Variant
	}
	asked := make(chan []string, 1)
	type auxiliary struct {
		Name       string
		Properties []property
	}
	answers := make(chan string, 1)
	start := func(name, mode string, properties []property, _ []auxiliary) (dbus.ObjectPath, *dbus.Error) {
		all := []string{name, mode}
		for _, p := range properties {
			all = append(all, p.Name+"="+p.Value.String())
		}
		asked <- all
		const job = dbus.ObjectPath("/org/freedesktop/systemd1/job/7")
		switch how := <-answers; how {
		case "":
		case "refused":
			return "", dbus.NewError("org.freedesktop.systemd1.UnitExists", []any{"Unit x.scope already exists."})
		default:
			time.AfterFunc(10*time.Millisecond, func() {
				const removed = "org.freedesktop.systemd1.Manager.JobRemoved"
				conn.Emit("/org/freedesktop/systemd1", removed, uint32(7), job, name, how)
			})
		}
		return job, nil
	}
	methods := map[string]any{"StartTransientUnit": start}
	if err := conn.ExportMethodTable(methods, "/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ how, want string }{
		{"done", ""},
		{"failed", `start x.scope: the job's result is "failed"`},
		{"refused", "start x.scope: Unit x.scope already exists."},
		{"", "start x.scope: context deadline exceeded"},
	} {
		answers <- test.how
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if test.how == "" {
			ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		}
		got := ""
		if err := MoveToScope(ctx, "x.scope", "Left running", []int{7, 8}); err != nil {
			got = err.Error()
		}
		cancel()
		if got != test.want {
			t.Errorf("%q: got %q", test.how, got)
		}
		if diff := cmp.Diff([]string{"x.scope", "fail", `Description="Left running"`, "PIDs=@au [7, 8]"},
			<-asked); diff != "" {
			t.Errorf("%q: %s", test.how, diff)
		}
	}
}

// TestScopeOfASilentBus: if the bus does not answer, there is soon an error.
func TestScopeOfASilentBus(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "silent"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path="+silent.Addr().String())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := MoveToScope(ctx, "x.scope", "", []int{7}); err == nil {
		t.Error("moving is no error")
	}
	if _, err := mainPID(ctx, "x.service"); err == nil {
		t.Error("asking is no error")
	}
}

func TestMainPID(t *testing.T) {
	systemBus(t)
	conn, err := dbus.ConnectSystemBus()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	const unit = "/org/freedesktop/systemd1/unit/dlm_2eservice"
	methods := map[string]any{"Get": func(_, _ string) (dbus.Variant, *dbus.Error) {
		return dbus.MakeVariant(uint32(4711)), nil
	}}
	if err := conn.ExportMethodTable(methods, unit, "org.freedesktop.DBus.Properties"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.RequestName("org.freedesktop.systemd1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	if pid, err := mainPID(t.Context(), "dlm.service"); pid != 4711 || err != nil {
		t.Errorf("%d, %v", pid, err)
	}
}

func BenchmarkLeftoversOfNobody(b *testing.B) {
	k := kernel{proc: "/proc", cgroups: "/sys/fs/cgroup", self: os.Getpid(), parent: 1}
	for b.Loop() {
		if _, err := k.leftovers(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
