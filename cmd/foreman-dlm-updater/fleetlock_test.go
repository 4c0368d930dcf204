package main

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/sandbox"

	"github.com/rogpeppe/go-internal/testscript"
)

// fleetServer is a FleetLock server of a script.
type fleetServer struct {
	*fleetsandbox.Server
	url  string
	stop func() error
}

// fleetKey is the key of a script's FleetLock servers, by their names.
type fleetKey struct{}

// fleetLockCommand lets the script have FleetLock servers, and be their administrator:
//
//	fleetlock serve [SLOTS [NAME [DIALECT]]]   a new server whose only group is web, for config.ini; the host shows its
//	                                           certificate
//	fleetlock use NAME       config.ini names that server
//	fleetlock stop [NAME]    it listens no more
//	fleetlock hold ID | free ID | fault KIND [CALL [TIMES]] | fix
//	fleetlock held-by [ID...]                  fails unless just these hosts hold a slot
//	fleetlock requests N                       fails unless it got so many requests
//
// Without NAME it is the server "first".
func fleetLockCommand(ts *testscript.TestScript, neg bool, args []string) {
	servers, _ := ts.Value(fleetKey{}).(map[string]*fleetServer)
	arg := func(i int) string {
		if i < len(args) {
			return args[i]
		}
		return ""
	}
	const group, name = "web", "first"
	first := servers[name]
	switch arg(0) {
	case "serve":
		slots, err := strconv.Atoi(cmp.Or(arg(1), "1"))
		ts.Check(err)
		s := fleetsandbox.New(fleetsandbox.Options{Groups: map[string]int{group: slots},
			Dialect: fleetsandbox.Dialect(arg(3))})
		ca, err := sandbox.NewCA(filepath.Join(ts.Getenv("WORK"), "ca"))
		ts.Check(err)
		running, err := s.Start(ca)
		ts.Check(err)
		stop := sync.OnceValue(running.Close)
		ts.Defer(func() { ts.Check(stop()) })
		servers[cmp.Or(arg(2), name)] = &fleetServer{s, running.URL, stop}
		if arg(2) == "" || arg(2) == name {
			useFleetLock(ts, running.URL)
		}
	case "use":
		useFleetLock(ts, servers[arg(1)].url)
	case "stop":
		ts.Check(servers[cmp.Or(arg(1), name)].stop())
	case "hold":
		first.Restore([]fleetsandbox.Event{{Kind: fleetsandbox.EventAcquire, Group: group, ID: arg(1), Time: time.Now()}})
	case "free":
		first.Free(group, arg(1))
	case "fault":
		kind, err := fleetsandbox.ParseFaultKind(arg(1))
		ts.Check(err)
		times, err := strconv.Atoi(cmp.Or(arg(3), "0"))
		ts.Check(err)
		first.Inject(fleetsandbox.Fault{Kind: kind, Call: arg(2), Times: times})
	case "fix":
		first.ClearFaults()
	case "requests":
		if got := len(first.Requests()); strconv.Itoa(got) != arg(1) {
			ts.Fatalf("the server got %d requests, not %s", got, arg(1))
		}
	case "held-by":
		if got := first.Holders(group); !slices.Equal(got, args[1:]) {
			ts.Fatalf("the group is held by %q, not by %q", got, args[1:])
		}
	default:
		ts.Fatalf("fleetlock: unknown command %q", args)
	}
}

// useFleetLock lets config.ini name a FleetLock server in the place of Foreman.
func useFleetLock(ts *testscript.TestScript, url string) {
	conf(ts, false, []string{"lock_server", "fleetlock"})
	conf(ts, false, []string{"fleetlock_url", url})
	text := ts.ReadFile("config.ini")
	kept := slices.DeleteFunc(strings.SplitAfter(text, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "foreman_url =")
	})
	ts.Check(os.WriteFile(ts.MkAbs("config.ini"), []byte(strings.Join(kept, "")), 0o644))
}
