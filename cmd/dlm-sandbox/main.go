// Command dlm-sandbox is a stand-in for Foreman's DLM lock server, or for a FleetLock server, that runs by itself, for
// trying out foreman-dlm-updater without either. It makes the certificates that it needs. Only these and the record
// survive its end; it can go on from the record.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"foreman-dlm-updater/internal/fleetsandbox"
	"foreman-dlm-updater/internal/sandbox"
)

// Exit codes, those of foreman-dlm-updater.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 64
)

// grammar is the command line.
type grammar struct {
	Serve serveCmd `cmd:"" help:"Listen as Foreman or a FleetLock server would, until SIGINT or SIGTERM."`
	Issue issueCmd `cmd:"" help:"Make client certificates and print the settings that use them."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run runs a command line until it is done or ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	helped := false
	var g grammar
	parser, err := kong.New(&g,
		kong.Name("dlm-sandbox"),
		kong.Description("A stand-in for Foreman's DLM lock server or a FleetLock server, for trials and tests."),
		kong.Writers(stdout, stderr),
		kong.Vars{
			"kinds":      strings.Join(sandbox.FaultKinds(), ", "),
			"fleetkinds": strings.Join(fleetsandbox.FaultKinds(), ", "),
			"dialects":   strings.Join(fleetsandbox.Dialects(), ", "),
		},
		kong.Exit(func(int) { helped = true }),
	)
	if err != nil {
		fmt.Fprintf(stderr, "dlm-sandbox: error: %v\n", err)
		return exitError
	}
	cmd, err := parser.Parse(args)
	switch {
	case helped:
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "dlm-sandbox: error: %v\ndlm-sandbox: hint: try dlm-sandbox --help\n", err)
		return exitUsage
	}
	cmd.BindTo(ctx, (*context.Context)(nil))
	cmd.BindTo(stdout, (*io.Writer)(nil))
	if err := cmd.Run(); err != nil {
		fmt.Fprintf(stderr, "dlm-sandbox: error: %v\n", err)
		return exitError
	}
	return exitOK
}
