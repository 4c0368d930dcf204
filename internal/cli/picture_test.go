package cli

import (
	"strings"
	"testing"
	"time"

	"foreman-dlm-updater/internal/foreman"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"

	"github.com/google/go-cmp/cmp"
)

// TestPicture is what a terminal shows of a run, with the colours in words.
func TestPicture(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 14, 3, 0, time.Local)
	names := map[string]string{red: "red", green: "green", yellow: "yellow", blue: "blue", faint: "faint"}
	paint := func(colour, text string) string { return names[colour] + "(" + text + ")" }
	story := &state.Story{Steps: []state.Step{
		{Stage: state.NeedsUpdate, Hook: "10-apt", Began: at, TookMS: 900},
		{Stage: state.NeedsUpdate, Began: at, TookMS: 1000},
		{Stage: state.LockGet, Began: at.Add(time.Second), TookMS: 720_000},
		{Stage: state.PreUpdate, Began: at.Add(721 * time.Second), TookMS: 50},
		{Stage: state.Update, Began: at.Add(722 * time.Second), TookMS: 1500, Error: "exit 100"},
	}}
	failed := &state.Error{Time: at, Stage: state.Update, Hook: "50-apt", Message: "exit 100"}
	tests := []struct {
		name    string
		running bool
		record  *state.Record
		want    string
	}{
		{"no run", false, nil, "green(nothing to do: no run in progress; the holder of lock web is not known)\n"},
		{"failed", false, &state.Record{Stage: state.Update, Error: failed, Story: story},
			"red(stage update failed 02:14 in 50-apt (exit 100), lock kept; fix it, then `foreman-dlm-updater run`)\n\n" +
				"green(  + needs_update  02:14:03       1.0s)\ngreen(  + lock_get      02:14:04      12m0s)\n" +
				"green(  + pre_update    02:26:04       0.1s)\nred(  x update        02:26:05       1.5s  exit 100)\n" +
				"faint(  . needs_reboot)\nfaint(  . reboot)\nfaint(  . post_update)\nfaint(  . lock_release)\n"},
		{"running, no reboot was needed", true, &state.Record{Stage: state.PostUpdate, StageBegan: at.Add(time.Hour)},
			"blue(stage post_update is running since 03:14 (pid 7); the holder of lock web is not known)\n\n" +
				"green(  + needs_update)\ngreen(  + lock_get)\ngreen(  + pre_update)\ngreen(  + update)\n" +
				"green(  + needs_reboot)\nfaint(  - reboot)\nblue(  > post_update   03:14:03       5.0s)\n" +
				"faint(  . lock_release)\n"},
	}
	for _, test := range tests {
		s := &status.Status{Running: test.running, PID: 7, Lock: status.Lock{Name: "web"}, Wording: foreman.Wording}
		s.SetRecord(test.record)
		s.Say(at.Add(time.Hour + 5*time.Second))
		if diff := cmp.Diff(test.want, draw(s, paint)); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
	for _, code := range status.Codes {
		if tint[code] == "" {
			t.Errorf("%s has no colour", code)
		}
	}
}

// TestColours: none where they are not wanted.
func TestColours(t *testing.T) {
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "xterm")
	if got := colours()(red, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
	for key, value := range map[string]string{"NO_COLOR": "1", "TERM": "dumb"} {
		t.Run(key, func(t *testing.T) {
			t.Setenv(key, value)
			if got := colours()(red, "x"); strings.Contains(got, "\x1b") {
				t.Errorf("%q", got)
			}
		})
	}
}
