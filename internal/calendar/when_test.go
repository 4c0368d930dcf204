package calendar

import (
	"strings"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	const wrong = "" // an error
	for _, test := range []struct{ zone, now, text, want string }{
		// Saturday
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-01", "Tue 2026-12-01 00:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-01 06:00", "Tue 2026-12-01 06:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-01 24:00", "Wed 2026-12-02 00:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "06:00", "Sun 2026-11-29 06:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "20:00", "Sun 2026-11-29 20:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "20:01", "Sat 2026-11-28 20:01+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "tomorrow", "Sun 2026-11-29 00:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", " Tomorrow  06:00 ", "Sun 2026-11-29 06:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "Mon 06:00", "Mon 2026-11-30 06:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "saturday 21:00", "Sat 2026-12-05 21:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "Sun", "Sun 2026-11-29 00:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-01T06:00:00Z", "Tue 2026-12-01 07:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-01T06:00:00+03:00", "Tue 2026-12-01 04:00+01:00"},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-11-28", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-11-28 20:00", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-11-28T18:59:00Z", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-32", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-01 6:00", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2026-12-01 06:00 UTC", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "06:00 tomorrow", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "24:00", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "6am", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "2d", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", "Christmas", wrong},
		{"Europe/Berlin", "2026-11-28 20:00:00", " ", wrong},
		// Clocks change.
		{"Europe/Berlin", "2026-03-28 20:00:00", "02:30", "Sun 2026-03-29 03:00+02:00"},
		{"Europe/Berlin", "2026-10-24 20:00:00", "02:30", "Sun 2026-10-25 02:30+02:00"},
		{"Europe/Berlin", "2026-10-25T02:40:00+02:00", "02:30", "Sun 2026-10-25 02:30+01:00"},
		{"Australia/Lord_Howe", "2026-10-03 20:00:00", "tomorrow 02:10", "Sun 2026-10-04 02:30+11:00"},
		{"Pacific/Apia", "2011-12-29 20:00:00", "02:00", "Sat 2011-12-31 02:00+14:00"},
		{"Pacific/Apia", "2011-12-29 20:00:00", "tomorrow", "Sat 2011-12-31 00:00+14:00"},
	} {
		zone := zoneOf(t, test.zone)
		now, err := time.ParseInLocation(time.DateTime, test.now, zone)
		if strings.Contains(test.now, "T") {
			now, err = time.Parse(time.RFC3339, test.now)
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseTime(test.text, now, zone)
		switch {
		case test.want == wrong && (err == nil || !strings.Contains(err.Error(), " would be right")):
			t.Errorf("%s at %s in %s: %v, %v", test.text, test.now, test.zone, got, err)
		case test.want != wrong && (err != nil || got.Format(aMinute) != test.want):
			t.Errorf("%s at %s in %s: %s, %v, want %s", test.text, test.now, test.zone, got.Format(aMinute), err, test.want)
		}
	}
}

func TestParseTimeSuggests(t *testing.T) {
	for text, want := range map[string]string{
		"6:00":          `"6:00" is not how a time of the day is written; 06:00 would be right`,
		"6 pm":          `"6 pm" is not how a time of the day is written; 18:00 would be right`,
		"tomorrow 6am":  `"6am" is not how a time of the day is written; 06:00 would be right`,
		"6:00 tomorrow": `"6:00 tomorrow" is not a moment; ` + aMoment,
		"2026-02-30":    `"2026-02-30" is no day of any calendar; a date such as 2026-12-18 would be right`,
	} {
		at, err := ParseTime(text, time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC), time.UTC)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v, want %s", text, at, err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "4h": 4 * time.Hour, "1h30m": 90 * time.Minute,
		"1.5h": 90 * time.Minute, "90": 90 * time.Second, "2d": 48 * time.Hour, "1w": 168 * time.Hour,
		"1w2d": 216 * time.Hour, "1d12h": 36 * time.Hour, "0d1s": time.Second,
		"106751d23h47m16s": 106751*24*time.Hour + 23*time.Hour + 47*time.Minute + 16*time.Second,
		"":                 0, "0": 0, "0s": 0, "0w": 0, "-1h": 0, "+1h": 0, "1h-2m": 0, "x": 0, "d": 0, "w1d": 0, "1d1w": 0,
		"1.5d": 0,
		"2 d":  0, "2days": 0, "1d1d": 0, "106752d": 0, "99999999999w": 0, "9223372037": 0, "106751d24h": 0, "1M": 0,
	} {
		got, err := ParseDuration(text)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %v, %v, want %v", text, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), " would be right") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestGuessDuration(t *testing.T) {
	for text, want := range map[string]string{
		"4h": "4h", "90m": "90m", "2d": "2d", "1w": "1w", "1d12h": "1d12h", "1.5h": "1.5h", "+4h": "4h", "4H": "4h",
		" 4 hours ": "4h", "1 hour": "1h", "90min": "90m", "90 minutes": "90m", "2 days": "2d", "1day": "1d",
		"2 weeks": "2w", "30 sec": "30s", "1 hour 30 min": "1h30m",
		"": "", "4": "", "0400": "", "04:00": "", "0h": "", "2026-12-01": "", "tomorrow": "", "Mon": "", "6 pm": "",
		"in 4h": "4h", "in 30 min": "30m", "h": "", "in": "", "06:00 tomorrow": "",
	} {
		if got, ok := GuessDuration(text); got != want || ok != (want != "") {
			t.Errorf("%q: %q, %v, want %q", text, got, ok, want)
		}
	}
}
