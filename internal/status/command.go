package status

import (
	"regexp"
	"strings"
	"sync"

	"github.com/kballard/go-shellquote"
)

// DefaultConfig is the configuration if the user names no other.
const DefaultConfig = "/etc/foreman_dlm_updater/config.ini"

// WithConfig adds the option --config to the commands of this program in a text, so that a person can type them as they
// stand. The default configuration needs no option. A command that already names a configuration stays as it is.
func WithConfig(text, config string) string {
	if config == "" || config == DefaultConfig || !strings.Contains(text, program) {
		return text
	}
	option := "--config " + shellquote.Join(config) + " "
	return commands().ReplaceAllString(text, "${1}"+program+strings.ReplaceAll(option, "$", "$$")+"$2")
}

const program = "foreman-dlm-updater "

// commands finds the commands that read the configuration: all but version. Only what a text marks as a command counts:
// the same words may be part of a path, or of what a hook wrote.
var commands = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("(^|`(?:sudo )?(?:/[^ `]*/)?|fix it with: |; do )" + program +
		`(run|status|history|plan|check|pause|unpause|window|config|lock|hooks|notify|state)\b`)
})

// runCommand is what to type so that the run goes on, which it does only with the configuration that it began with.
func (s *Status) runCommand() string {
	began := s.Record.Configuration()
	if began == "" || began == s.Config || began == DefaultConfig && s.Config == "" {
		return "`foreman-dlm-updater run`"
	}
	return "`foreman-dlm-updater --config " + shellquote.Join(began) + " run`"
}
