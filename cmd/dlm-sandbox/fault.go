package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"foreman-dlm-updater/internal/sandbox"
)

// fault is a fault on the command line: METHOD:KIND[:TIMES[:DELAY]].
type fault sandbox.Fault

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *fault) UnmarshalText(text []byte) error {
	parts := strings.Split(string(text), ":")
	if len(parts) < 2 || len(parts) > 4 {
		return fmt.Errorf("fault %q: want METHOD:KIND[:TIMES[:DELAY]]", text)
	}
	// Only a redirect uses this. It leads nowhere: no client may follow it.
	out := fault{Location: "https://redirected.example.com/"}
	if method := strings.ToUpper(parts[0]); method != "ANY" {
		if !slices.Contains([]string{http.MethodGet, http.MethodPut, http.MethodDelete}, method) {
			return fmt.Errorf("fault %q: method must be GET, PUT, DELETE or any", text)
		}
		out.Method = method
	}
	var err error
	if out.Kind, err = sandbox.ParseFaultKind(parts[1]); err != nil {
		return fmt.Errorf("fault %q: %w", text, err)
	}
	if len(parts) > 2 {
		if out.Times, err = strconv.Atoi(parts[2]); err != nil || out.Times < 0 {
			return fmt.Errorf("fault %q: times must be a number from 0", text)
		}
	}
	if len(parts) > 3 {
		if out.Delay, err = time.ParseDuration(parts[3]); err != nil || out.Delay < 0 {
			return fmt.Errorf("fault %q: delay must be a time such as 5s", text)
		}
	}
	*f = out
	return nil
}
