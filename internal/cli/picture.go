package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"foreman-dlm-updater/internal/logging"
	"foreman-dlm-updater/internal/state"
	"foreman-dlm-updater/internal/status"
	"foreman-dlm-updater/internal/workflow"
)

// onTerminal reports whether w is a terminal.
func onTerminal(w io.Writer) bool {
	if out, ok := w.(*output); ok {
		w = out.Writer
	}
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	terminal, _ := logging.Detect(file)
	return terminal
}

// painter colours text.
type painter func(colour, text string) string

const (
	red    = "31"
	green  = "32"
	yellow = "33"
	blue   = "36"
	faint  = "2"
)

// colours returns the painter for a terminal. With NO_COLOR or TERM=dumb it uses no colours (https://no-color.org).
func colours() painter {
	if os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return func(_, text string) string { return text }
	}
	return func(colour, text string) string { return "\x1b[" + colour + "m" + text + "\x1b[0m" }
}

// tint is the colour of a status code. Red means that a person is needed.
var tint = map[status.Code]string{
	status.Idle: green, status.Running: blue, status.Waiting: yellow, status.RebootPending: yellow,
	status.Rebooted: yellow, status.Interrupted: yellow, status.Orphan: red, status.Failed: red, status.Stopped: red,
	status.NotNow: yellow,
}

// draw returns the picture for a terminal: the sentence, and the stages of the run in progress.
func draw(s *status.Status, paint painter) string {
	var b strings.Builder
	fmt.Fprintln(&b, paint(tint[s.Code], s.Sentence))
	if s.Record == nil || s.Stage == "" {
		return b.String()
	}
	fmt.Fprintln(&b)
	past := true
	for _, stage := range state.Stages {
		if workflow.Optional(stage) && stage != s.Stage && lastTime(s, stage) == "" {
			continue // this host has no hooks for it
		}
		mark, colour := "+", green
		switch {
		case stage == s.Stage:
			mark, colour, past = ">", tint[s.Code], false
			if s.Code == status.Failed {
				mark = "x"
			}
		case !past:
			mark, colour = ".", faint
		case stage == state.Reboot && s.Reboots == 0: // no reboot was needed
			mark, colour = "-", faint
		}
		text := strings.TrimRight(fmt.Sprintf("  %s %-13s %s", mark, stage, lastTime(s, stage)), " ")
		fmt.Fprintln(&b, paint(colour, text))
	}
	return b.String()
}

// lastTime says when a stage last began, how long it took, and what went wrong.
func lastTime(s *status.Status, stage state.Stage) string {
	if stage == s.Stage && s.Running && s.StageBegan != nil {
		return fmt.Sprintf("%s  %9s", s.StageBegan.Local().Format("15:04:05"), took(s.At.Sub(*s.StageBegan)))
	}
	if s.Record.Story == nil {
		return ""
	}
	var text string
	for _, step := range s.Record.Story.Steps {
		if step.Stage == stage && step.Hook == "" {
			text = fmt.Sprintf("%s  %9s  %s", step.Began.Local().Format("15:04:05"), took(millis(step.TookMS)), step.Error)
		}
	}
	return text
}

func millis(ms int64) time.Duration { return time.Duration(ms) * time.Millisecond }

// took writes a duration for a column.
func took(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	}
	return d.Round(time.Second).String()
}
