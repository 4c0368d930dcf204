package hook

import (
	"foreman-dlm-updater/internal/process"

	"github.com/hashicorp/go-hclog"
)

// Run runs a hook of a stage and blocks until it has ended. The hook gets no arguments. env (KEY=VALUE) is added to the
// environment of this process.
func Run(r *process.Runner, stage string, h Hook, env []string) process.Result {
	return r.Run(process.Task{
		Kind: "hook", Name: h.Name, Argv: []string{h.Path}, Env: env,
		Began: func(log process.Log) {
			log(hclog.Info, "hook started", "hook", h.Name, "stage", stage, "path", h.Path)
		},
		Ended: func(log process.Log, res process.Result) {
			log(hclog.Info, "hook ended", "hook", h.Name, "stage", stage,
				"result", res.String(), "exit", res.Exit, "duration", process.Round(res.Duration).String())
		},
	})
}

// Notify runs a notifier, which is told of an event. A notifier that fails changes nothing: the failure is a warning.
func Notify(r *process.Runner, event string, h Hook, env []string) process.Result {
	return r.Run(process.Task{
		Kind: "notifier", Name: h.Name, Argv: []string{h.Path}, Env: env,
		Began: func(log process.Log) {
			log(hclog.Debug, "notifier started", "event", event, "notifier", h.Name, "path", h.Path)
		},
		Ended: func(log process.Log, res process.Result) {
			level, text := hclog.Debug, "notifier ended"
			if !res.OK() {
				level, text = hclog.Warn, "notifier failed; the run does not depend on it"
			}
			log(level, text, "event", event, "notifier", h.Name,
				"result", res.String(), "duration", process.Round(res.Duration).String())
		},
	})
}
