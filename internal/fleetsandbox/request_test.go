package fleetsandbox

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const wantsWeb = `{"client_params":{"id":"a","group":"web"}}`

// TestRefused: what is not a request of the protocol changes nothing, and is answered in each server's words.
func TestRefused(t *testing.T) {
	plain404 := raw{Status: 404, Type: "text/plain; charset=utf-8", Body: "404 page not found\n"}
	kind := func(name string) raw { return raw{Status: 400, Body: `{"kind":"` + name + `","value":"`} }
	tests := []struct {
		name, method, path, protocol, body string
		want                               map[Dialect]raw
	}{
		{"another path", "POST", "/v1/reboot", "true", wantsWeb, everywhere(plain404)},
		{"no version", "POST", "/pre-reboot", "true", wantsWeb, everywhere(plain404)},
		{"more after the call", "POST", "/v1/pre-reboot/x", "true", wantsWeb, everywhere(plain404)},
		{"GET", "GET", "/v1/pre-reboot", "true", wantsWeb, with(everywhere(raw{Status: 405, Body: "Method Not Allowed\n"}),
			Poseidon, raw{Status: 405, Body: `{"kind":"method_not_allowed","value":"required method POST"}` + "\n"})},
		{"no header", "POST", "/v1/pre-reboot", "", wantsWeb, map[Dialect]raw{
			Airlock:  kind("invalid_client_identity"),
			Poseidon: kind("missing_header"), Heathcliff: kind("missing_fleetlock_header"), Consul: kind("missing_header")}},
		{"another header", "POST", "/v1/steady-state", "yes", wantsWeb, map[Dialect]raw{
			Airlock:  kind("invalid_client_identity"),
			Poseidon: kind("missing_header"), Heathcliff: kind("missing_fleetlock_header"), Consul: kind("missing_header")}},
		{"no JSON", "POST", "/v1/pre-reboot", "true", "web", badBody},
		{"no body", "POST", "/v1/pre-reboot", "true", "", badBody},
		{"id is a number", "POST", "/v1/pre-reboot", "true", `{"client_params":{"id":1,"group":"web"}}`, badBody},
		{"no group", "POST", "/v1/pre-reboot", "true", `{"client_params":{"id":"a"}}`, badBody},
		{"a group with a space", "POST", "/v1/pre-reboot", "true", `{"client_params":{"id":"a","group":"my web"}}`, badBody},
		{"a group with a line end", "POST", "/v1/pre-reboot", "true",
			`{"client_params":{"id":"a","group":"web\n"}}`, badBody},
		{"no id", "POST", "/v1/pre-reboot", "true", `{"client_params":{"group":"web"}}`,
			with(badBody, Consul, kind("missing_id"))},
	}
	for _, tt := range tests {
		for d, want := range tt.want {
			t.Run(tt.name+"/"+string(d), func(t *testing.T) {
				s := New(Options{Dialect: d})
				got := send(t, s.Transport("a"), tt.method, base+tt.path, tt.protocol, tt.body)
				if got.Status != want.Status || !strings.HasPrefix(got.Body, want.Body) ||
					want.Type != "" && got.Type != want.Type {
					t.Errorf("%+v, want %+v", got, want)
				}
				if len(s.Events()) > 0 {
					t.Errorf("events %+v", s.Events())
				}
			})
		}
	}
}

// badBody is what each server says of a message that lacks something.
var badBody = map[Dialect]raw{
	Airlock: {Status: 400, Type: "text/plain; charset=utf-8",
		Body: `{"kind":"invalid_client_identity","value":"failed to validate client identity: `},
	Poseidon: {Status: 400, Type: "application/json",
		Body: `{"kind":"decode_error","value":"error decoding message"}` + "\n"},
	Heathcliff: {Status: 400, Body: `{"kind":"bad_request","value":"The `},
	Consul:     {Status: 400, Body: `{"kind":"invalid_body","value":"`},
}

func everywhere(r raw) map[Dialect]raw {
	return map[Dialect]raw{Airlock: r, Poseidon: r, Heathcliff: r, Consul: r}
}

func with(all map[Dialect]raw, d Dialect, r raw) map[Dialect]raw {
	out := map[Dialect]raw{}
	for k, v := range all {
		out[k] = v
	}
	out[d] = r
	return out
}

// TestAnyPrefix: BASE may have any path.
func TestAnyPrefix(t *testing.T) {
	s := New(Options{})
	for _, url := range []string{"https://h/v1/pre-reboot", "https://h/a/b/v1/pre-reboot", "https://h//v1/pre-reboot"} {
		if got := post(t, s.Transport(""), url, wantsWeb); got.Status != http.StatusOK {
			t.Errorf("%s: %+v", url, got)
		}
	}
}

// TestSlots: where the number of slots comes from.
func TestSlots(t *testing.T) {
	two := map[string]int{"web": 2}
	tests := []struct {
		name         string
		opts         Options
		web, another int
	}{
		{"nothing said", Options{}, 1, 1},
		{"for every group", Options{Slots: 3}, 3, 3},
		{"for one group", Options{Groups: two}, 2, 0},
		{"poseidon has one", Options{Dialect: Poseidon, Groups: two, Slots: 3}, 1, 1},
		{"fleetlock-consul has one", Options{Dialect: Consul, Groups: two}, 1, 1},
		{"heathcliff", Options{Dialect: Heathcliff, Groups: two}, 2, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := New(tt.opts)
			if s.Slots("web") != tt.web || s.Slots("another") != tt.another {
				t.Errorf("%d and %d slots, want %d and %d", s.Slots("web"), s.Slots("another"), tt.web, tt.another)
			}
			granted := 0
			for _, id := range []string{"a", "b", "c", "d"} {
				if call(t, s, id, PreReboot).Status == http.StatusOK {
					granted++
				}
			}
			if granted != tt.web || len(s.Holders("web")) != tt.web {
				t.Errorf("%d of 4 hosts got a slot, want %d; holders %q", granted, tt.web, s.Holders("web"))
			}
		})
	}
}

// TestDialectText: dialects are named on command lines.
func TestDialectText(t *testing.T) {
	for _, name := range Dialects() {
		var d Dialect
		if err := d.UnmarshalText([]byte(name)); err != nil || string(d) != name {
			t.Errorf("%s: %q, %v", name, d, err)
		}
	}
	var d Dialect
	err := d.UnmarshalText([]byte("etcd"))
	const want = `unknown dialect "etcd": it must be one of airlock, poseidon, heathcliff, consul`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}
