//go:build race

package sim

func init() { usually = 50 } // the race detector makes a history ten times as expensive
