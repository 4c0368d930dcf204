package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// fault is a fault on the command line: METHOD:KIND[:TIMES[:DELAY]].
type fault struct {
	method, kind string
	times        int
	delay        time.Duration
}

// nowhere is where redirects lead: no client may follow them.
const nowhere = "https://redirected.example.com/"

// parseFaults reads faults, with what make makes of each.
func parseFaults[F any](texts []string, make func(fault) (F, error)) (faults []F, err error) {
	for _, text := range texts {
		f, err := parseFault(text)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", text, err)
		}
		made, err := make(f)
		if err != nil {
			return nil, fmt.Errorf("fault %q: %w", text, err)
		}
		faults = append(faults, made)
	}
	return faults, nil
}

func parseFault(text string) (f fault, err error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 4 {
		return f, errors.New("want METHOD:KIND[:TIMES[:DELAY]]")
	}
	f.method, f.kind = parts[0], parts[1]
	if len(parts) > 2 {
		if f.times, err = strconv.Atoi(parts[2]); err != nil || f.times < 0 {
			return f, errors.New("times must be a number from 0")
		}
	}
	if len(parts) > 3 {
		if f.delay, err = time.ParseDuration(parts[3]); err != nil || f.delay < 0 {
			return f, errors.New("delay must be a time such as 5s")
		}
	}
	return f, nil
}
