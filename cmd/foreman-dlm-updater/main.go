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
	p := cli.Process{Stdout: os.Stdout, Stderr: os.Stderr}
	p.Caller.Files = [3]*os.File{os.Stdin, os.Stdout, os.Stderr}
	p.Caller.Umask = syscall.Umask(0o022) // for the files that we and the hooks make
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM} {
		if signal.Ignored(s) {
			p.Caller.Ignored = append(p.Caller.Ignored, s)
		}
	}
	p.Context, p.Kill = signals()
	return cli.Main(p, os.Args[1:])
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
