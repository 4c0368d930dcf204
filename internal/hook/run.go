package hook

import (
	"cmp"

	"foreman-dlm-updater/internal/process"

	"github.com/hashicorp/go-hclog"
)

// Run runs a hook of a stage and blocks until it has ended. The hook gets no arguments. env (KEY=VALUE) is added to the
// environment of this process.
func Run(r *process.Runner, stage string, h Hook, env []string) process.Result {
	level := cmp.Or(r.Level, hclog.Info)
	r.Log.Log(level, "hook started", "hook", h.Name, "stage", stage, "path", h.Path)
	res := r.Run(process.Task{Kind: "hook", Name: h.Name, Argv: []string{h.Path}, Env: env})
	r.Log.Log(level, "hook ended", "hook", h.Name, "stage", stage,
		"result", res.String(), "exit", res.Exit, "duration", process.Round(res.Duration).String())
	return res
}

// Notify runs a notifier, which is told of an event. A notifier that fails changes nothing: the failure is a warning.
func Notify(r *process.Runner, event string, h Hook, env []string) process.Result {
	r.Log.Debug("notifier started", "event", event, "notifier", h.Name, "path", h.Path)
	res := r.Run(process.Task{Kind: "notifier", Name: h.Name, Argv: []string{h.Path}, Env: env})
	level, text := hclog.Debug, "notifier ended"
	if !res.OK() {
		level, text = hclog.Warn, "notifier failed; the run does not depend on it"
	}
	r.Log.Log(level, text, "event", event, "notifier", h.Name,
		"result", res.String(), "duration", process.Round(res.Duration).String())
	return res
}
