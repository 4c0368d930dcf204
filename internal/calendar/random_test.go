package calendar

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// randomDays returns weekdays as they are written, or "" for every day.
func randomDays(random *rand.Rand) string {
	if random.IntN(4) == 0 {
		return ""
	}
	var items []string
	for range 1 + random.IntN(3) {
		name := short(week[random.IntN(7)])
		if random.IntN(4) == 0 {
			name = week[random.IntN(7)].String()
		}
		switch random.IntN(4) {
		case 0:
			name += ".." + short(week[random.IntN(7)])
		case 1:
			name += fmt.Sprintf("#%d", 1+random.IntN(5))
		case 2:
			name += fmt.Sprintf("#-%d", 1+random.IntN(5))
		}
		items = append(items, name)
	}
	return strings.Join(items, ",")
}

// randomSpan returns a span of the day. Most begin in the hours in which clocks change, and many at round times.
func randomSpan(random *rand.Rand) string {
	start := random.IntN(1440)
	if random.IntN(2) == 0 {
		start = (23*60 + random.IntN(6*60)) % 1440
	}
	if random.IntN(2) == 0 {
		start -= start % 30
	}
	end := start + 1 + random.IntN(1440)
	if random.IntN(2) == 0 {
		end = start + 10*(1+random.IntN(24))
	}
	end %= 1440
	if end == 0 && random.IntN(2) == 0 {
		end = 1440
	}
	return fmt.Sprintf("%02d:%02d-%02d:%02d", start/60, start%60, end/60, end%60)
}
