package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTimeline(t *testing.T) {
	at := func(row string, letter byte, from, to int) span {
		return span{row, letter, time.Duration(from) * time.Millisecond, time.Duration(to) * time.Millisecond}
	}
	spans := []span{
		at("web1", 'w', 10, 1000), at("web1", 'P', 1010, 1800), at("web1", 'U', 1810, 3000), at("web1", '?', 3005, 3040),
		at("web1", 'R', 3050, 4540), at("web1", 'S', 4555, 5000),
		at("web2", 'w', 10, 2000), at("web2", '-', 2000, 6100), at("web2", 'P', 6110, 6300),
		at("web3", 'U', 300, 2000), at("web3", '!', 2000, 5500),
		at("slot1", '2', 40, 45), at("slot1", '1', 45, 5050), at("slot1", '2', 5060, 6300), at("slot2", '3', 200, 6300),
	}
	want := `        |0s                 |2s                 |4s                 |6s
  web1  wwwwwwwwwwPPPPPPPPUUUUUUUUUUUU?RRRRRRRRRRRRRRSSSSS.............
  web2  wwwwwwwwwwwwwwwwwwww-----------------------------------------PP
  web3  ...UUUUUUUUUUUUUUUUU!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!........
  web4  ...............................................................
  web5  ...............................................................
  slot1 111111111111111111111111111111111111111111111111111222222222222
  slot2 ..3333333333333333333333333333333333333333333333333333333333333

  w waits for a slot, or makes sure of it
  - may not begin: a host has failed        ! has failed, and keeps its slot
  guarded stages: P pre_update (stops the service), U update, ? needs_reboot,
  R reboot
  S post_update (starts the service)
  slot1, slot2: the number of the host that holds it
`
	if diff := cmp.Diff(want, timeline(spans, foreman)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestFits: the longest output fits on a terminal of 80 columns.
func TestFits(t *testing.T) {
	var text bytes.Buffer
	span := []span{{"web1", 'U', 0, time.Minute}}
	for _, l := range []locks{foreman, fleetLock} {
		a := newAccount(&text, l)
		a.introduce()
		a.began = time.Now()
		longest := "stopped: 1 failure is allowed, and web3 has failed"
		if l.fleetLock {
			longest = "asks; it says no: another host was faster"
		}
		a.tell(a.began.Add(time.Minute), "web2", "lock_get", longest)
		text.WriteString(timeline(span, l))
	}
	text.WriteString(prove(parseLedger(sound), foreman).String() + "\n")
	text.WriteString(prove(parseGroup(soundGroup), fleetLock).String())
	for line := range strings.Lines(text.String()) {
		if len(line) > 80 { // with its end
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

func TestColumn(t *testing.T) {
	for last, want := range map[time.Duration]time.Duration{
		0:                       100 * time.Millisecond,
		7 * time.Second:         100 * time.Millisecond,
		7001 * time.Millisecond: 150 * time.Millisecond,
		20 * time.Second:        300 * time.Millisecond,
		time.Minute:             900 * time.Millisecond,
	} {
		spans := []span{{"web1", 'U', 0, last}}
		got := columnFor(spans)
		if got != want || columns(spans, got) > 70 {
			t.Errorf("%s: a column is %s, want %s; %d columns", last, got, want, columns(spans, got))
		}
	}
}
