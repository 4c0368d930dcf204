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
	first, second := signals()
	return cli.Main(cli.Process{Context: first, Kill: second, Stdout: os.Stdout, Stderr: os.Stderr}, os.Args[1:])
}

// signals returns a context that ends with the first SIGTERM or SIGINT, and one that ends with the second.
func signals() (first, second context.Context) {
	// A terminal that is closed does not stop an update, and a pipe that nobody reads does not either. Caught
	// and dropped, not ignored: hooks would inherit that.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP, syscall.SIGPIPE)
	stop := make(chan os.Signal, 2)
	// SIGQUIT (Ctrl-\) would end a Go program at once, and leave the hook alone.
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	first, cancelFirst := context.WithCancel(context.Background())
	second, cancelSecond := context.WithCancel(context.Background())
	go func() {
		<-stop
		cancelFirst()
		<-stop
		cancelSecond()
	}()
	return first, second
}
