// Command foreman-dlm-updater takes a host through an update while it holds a lock in Foreman.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"foreman-dlm-updater/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	syscall.Umask(0o022) // for the files that we and the hooks make
	ctx, kill := signals()
	return cli.Main(cli.Process{Context: ctx, Kill: kill, Stdout: os.Stdout, Stderr: os.Stderr}, os.Args[1:])
}

// signals turns the first SIGTERM or SIGINT into the end of the context, and the second into kill.
func signals() (context.Context, <-chan struct{}) {
	// A terminal that is closed does not stop an update, and a pipe that nobody reads does not either. Caught
	// and dropped, not ignored: hooks would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	ctx, cancel := context.WithCancel(context.Background())
	kill := make(chan struct{})
	go func() {
		<-stop
		cancel()
		<-stop
		close(kill)
	}()
	return ctx, kill
}
