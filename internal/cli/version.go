package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// release is set by the linker (-X foreman-dlm-updater/internal/cli.release=1.2.3).
var release string

// version returns the release, or the version that Go put into a build that is not a release.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

type versionCmd struct{}

func (versionCmd) Run(p *Process) error {
	fmt.Fprintf(p.Stdout, "foreman-dlm-updater %s (%s, %s/%s)\n",
		version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return nil
}
