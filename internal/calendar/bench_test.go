package calendar

import (
	"testing"
	"time"
)

func BenchmarkParseAndAt(b *testing.B) {
	now := time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)
	for name, text := range map[string]string{
		"one":      "Mon..Fri 02:00-05:00",
		"three":    "Mon..Fri 02:00-05:00; Sat 22:00-02:00; Sun#-1",
		"zone":     "Tue#2 01:00-04:00 Europe/Berlin",
		"unclosed": "Mon..Fri; Sat,Sun",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				w, err := ParseWindows(text)
				if err != nil {
					b.Fatal(err)
				}
				w.At(now)
				w.Next(now)
			}
		})
	}
}
