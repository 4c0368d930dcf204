package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/sandbox"
)

// lock asks a FleetLock server for a slot of a group, or gives it back; the status is 0 without an answer.
func lock(t *testing.T, c *http.Client, url, call, id, group string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/v1/"+call,
		strings.NewReader(`{"client_params":{"id":"`+id+`","group":"`+group+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("fleet-lock-protocol", "true")
	res, err := c.Do(r)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// TestServeFleetLock is a working day of a sandbox that speaks FleetLock.
func TestServeFleetLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sandbox")
	record := filepath.Join(t.TempDir(), "events")
	if out, err := sandboxCommand(t, "issue", "--dir", dir, "web1", "web2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := serve(t, "--fleetlock", "--dir", dir, "--record", record, "--group", "web=2", "--group", "db=1",
		"--fault", "steady-state:drop-after:1", "--fault", "Any:error-before:1:10ms")
	if want := "groups: db=1, web=2\n"; s.admin != want {
		t.Errorf("second line %q, want %q", s.admin, want)
	}
	web1, web2, nobody := client(t, dir, "web1"), client(t, dir, "web2"), client(t, dir, "")
	const take, giveBack = fleetsandbox.PreReboot, fleetsandbox.SteadyState
	got := []int{
		lock(t, web1, s.url, take, "web1", "web"), lock(t, web1, s.url, take, "web1", "web"),
		lock(t, nobody, s.url+"/below", take, "web 3", "web"), lock(t, web2, s.url, take, "web2", "web"),
		lock(t, web1, s.url, giveBack, "web1", "web"), lock(t, web2, s.url, giveBack, "web1", "web"),
		lock(t, web2, s.url, giveBack, "web 3", "web"), lock(t, web1, s.url, take, "web1", "nosuch"),
		lock(t, web1, s.url, take, "", "db"), lock(t, nobody, s.url, take, "", ""), lock(t, nobody, s.url, "x", "web1", "db"),
		ask(t, web1, "GET", s.url+"/v1/pre-reboot"),
	}
	if diff := cmp.Diff([]int{500, 200, 200, 500, 0, 200, 200, 400, 400, 400, 404, 405}, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}

	lines, code := s.stop(t, syscall.SIGTERM)
	if code != 0 || s.stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, s.stderr.String())
	}
	for i, l := range lines {
		lines[i] = regexp.MustCompile(`^\d\d:\d\d:\d\d `).ReplaceAllString(l, "TIME ")
	}
	want := []string{
		"TIME web1 POST pre-reboot web -> 500, web is free",
		"TIME web1 POST pre-reboot web -> 200, web1 holds web (1 of 2)",
		`TIME "web 3" POST pre-reboot web -> 200, web1, "web 3" hold web (2 of 2)`,
		`TIME web2 POST pre-reboot web -> 500, web1, "web 3" hold web (2 of 2)`,
		`TIME web1 POST steady-state web -> no answer, "web 3" holds web (1 of 2)`,
		`TIME web2 as web1 POST steady-state web -> 200, "web 3" holds web (1 of 2)`,
		`TIME web2 as "web 3" POST steady-state web -> 200, web is free`,
		"TIME web1 POST pre-reboot nosuch -> 400",
		"TIME web1 POST pre-reboot db -> 400, db is free",
		"TIME (nobody) POST /v1/pre-reboot -> 400",
		"TIME web1 POST /v1/x -> 404, db is free",
		"TIME web1 GET /v1/pre-reboot -> 405",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"acquire web web1 web1", "acquire web web 3 ", "release web web1 web1",
		"release web web 3 web2"}, readEvents(t, record)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

// TestFleetLockPlain: without TLS, as another server, and on from a record after a kill.
func TestFleetLockPlain(t *testing.T) {
	record := filepath.Join(t.TempDir(), "events")
	if err := os.WriteFile(record, []byte(`{"kind":"begin","host":"web2","stage":"update"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--fleetlock", "--plain-http", "--dialect=poseidon", "--record", record, "--restore"}
	s := serve(t, args...)
	if s.admin != "groups: every group has one slot\n" || !strings.HasPrefix(s.url, "http://127.0.0.1:") {
		t.Errorf("%s, %s", s.url, s.admin)
	}
	const take, giveBack = fleetsandbox.PreReboot, fleetsandbox.SteadyState
	for _, group := range []string{"a", "b"} {
		lock(t, &http.Client{}, s.url, take, "web1", group)
	}
	lock(t, &http.Client{}, s.url, giveBack, "web1", "b")
	s.stop(t, syscall.SIGKILL)

	s = serve(t, args...)
	var got []int
	for _, id := range []string{"web2", "web1"} {
		for _, group := range []string{"a", "b"} {
			got = append(got, lock(t, &http.Client{}, s.url, take, id, group))
		}
	}
	if diff := cmp.Diff([]int{423, 200, 200, 423}, got); diff != "" {
		t.Errorf("answers to web2, then web1 (-want +got):\n%s", diff)
	}
	s.stop(t, syscall.SIGTERM)
}

// TestFleetLockRace: of two hosts that ask at once, one is told that it was too late, and so is the reader.
func TestFleetLockRace(t *testing.T) {
	s := serve(t, "--fleetlock", "--plain-http", "--group", "web=2", "--race-window", "300ms")
	answers := make(chan int)
	for _, id := range []string{"web1", "web2"} {
		go func() { answers <- lock(t, &http.Client{}, s.url, fleetsandbox.PreReboot, id, "web") }()
	}
	if got := []int{<-answers, <-answers}; got[0]+got[1] != 700 {
		t.Errorf("answers %v", got)
	}
	s.awaitLine(t, "POST pre-reboot web -> 500 (lost a race), web")
}

// TestHelp: the help names each fault and dialect, and which flags are for which server.
func TestHelp(t *testing.T) {
	out, err := sandboxCommand(t, "serve", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	foreman, fleet, ok := strings.Cut(text, "With --fleetlock --")
	if !ok {
		t.Fatalf("no flags are for --fleetlock: %s", text)
	}
	_, foreman, _ = strings.Cut(foreman, "As Foreman --")
	for _, want := range []string{"contention", "guarded", "admin-password-file"} {
		if !strings.Contains(foreman, want) || strings.Contains(fleet, want) {
			t.Errorf("--%s is not among the flags for Foreman", want)
		}
	}
	for _, want := range append([]string{"group", "dialect", "plain-http"}, fleetsandbox.Dialects()...) {
		if !strings.Contains(fleet, want) {
			t.Errorf("%s is not among the flags for --fleetlock", want)
		}
	}
	for _, kinds := range [][]string{sandbox.FaultKinds(), fleetsandbox.FaultKinds()} {
		if want := strings.Join(kinds, ", "); !strings.Contains(text, want) {
			t.Errorf("the help lacks: %s", want)
		}
	}
}

// TestGuarded: an administrator may not give a held lock away.
func TestGuarded(t *testing.T) {
	dir := t.TempDir()
	if out, err := sandboxCommand(t, "issue", "--dir", dir, "web1", "web2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s := serve(t, "--dir", dir, "--guarded")
	ask(t, client(t, dir, "web2"), "GET", s.url+"/api/dlmlocks/web/lock") // now it has the id 1
	if got := ask(t, client(t, dir, "web1"), "PUT", s.url+"/api/dlmlocks/web/lock"); got != 200 {
		t.Errorf("PUT: %d", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", s.url+"/api/dlmlocks/web",
		strings.NewReader(`{"dlmlock":{"host_id":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.SetBasicAuth("admin", defaultPassword)
	res, err := client(t, dir, "").Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 500 {
		t.Errorf("admin's PUT: %s", res.Status)
	}
	s.awaitLine(t, "admin PUT web -> 500, web1 holds web")
}
