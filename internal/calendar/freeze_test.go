package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFreezes(t *testing.T) {
	hostZone(t, "America/New_York")
	for line, want := range map[string]string{
		"2026-12-18 .. 2027-01-06              end of year": "2026-12-18 .. 2027-01-06|" +
			"Fri 2026-12-18 00:00-05:00 - Thu 2027-01-07 00:00-05:00|end of year",
		"2026-11-27 08:00 .. 2026-11-30 20:00 Europe/Berlin   sales weekend": "2026-11-27 08:00 .. 2026-11-30 20:00 " +
			"Europe/Berlin|Fri 2026-11-27 08:00+01:00 - Mon 2026-11-30 20:00+01:00|sales weekend",
		"2026-12-24":     "2026-12-24|Thu 2026-12-24 00:00-05:00 - Fri 2026-12-25 00:00-05:00|",
		"2026-12-24 UTC": "2026-12-24 UTC|Thu 2026-12-24 00:00+00:00 - Fri 2026-12-25 00:00+00:00|",
		"2026-12-24  nobody   is .. here 2026-12-25": "", // .. may mean a range
		"2026-12-24 nobody is here on 2026-12-24": "2026-12-24|Thu 2026-12-24 00:00-05:00 - Fri 2026-12-25 00:00-05:00|" +
			"nobody is here on 2026-12-24",
		"2026-12-24 and/or":      "2026-12-24|Thu 2026-12-24 00:00-05:00 - Fri 2026-12-25 00:00-05:00|and/or",
		"2026-12-24 24/7 sale":   "2026-12-24|Thu 2026-12-24 00:00-05:00 - Fri 2026-12-25 00:00-05:00|24/7 sale",
		"2026-12-24 2 web shops": "2026-12-24|Thu 2026-12-24 00:00-05:00 - Fri 2026-12-25 00:00-05:00|2 web shops",
		"2026-12-24 moves to Europe/Berlin": "2026-12-24|Thu 2026-12-24 00:00-05:00 - Fri 2026-12-25 00:00-05:00|" +
			"moves to Europe/Berlin",
		"2026-12-24 # holidays": "2026-12-24|Thu 2026-12-24 00:00-05:00 - Fri 2026-12-25 00:00-05:00|# holidays",
		"2026-12-18..2026-12-19 glued": "2026-12-18 .. 2026-12-19|" +
			"Fri 2026-12-18 00:00-05:00 - Sun 2026-12-20 00:00-05:00|glued",
		"2026-12-18 08:00..2026-12-19": "2026-12-18 08:00 .. 2026-12-19|" +
			"Fri 2026-12-18 08:00-05:00 - Sun 2026-12-20 00:00-05:00|",
		"2026-12-18 .. 2026-12-19 24:00": "2026-12-18 .. 2026-12-19 24:00|" +
			"Fri 2026-12-18 00:00-05:00 - Sun 2026-12-20 00:00-05:00|",
		"2026-12-18 .. 2026-12-19 08:00 UTC x": "2026-12-18 .. 2026-12-19 08:00 UTC|" +
			"Fri 2026-12-18 00:00+00:00 - Sat 2026-12-19 08:00+00:00|x",
		// Where clocks change, a freeze lasts as long as it can.
		"2026-10-25 02:30 .. 2026-10-25 02:45 Europe/Berlin": "2026-10-25 02:30 .. 2026-10-25 02:45 Europe/Berlin|" +
			"Sun 2026-10-25 02:30+02:00 - Sun 2026-10-25 02:45+01:00|",
		"2026-03-29 02:30 .. 2026-03-29 04:00 Europe/Berlin": "2026-03-29 02:30 .. 2026-03-29 04:00 Europe/Berlin|" +
			"Sun 2026-03-29 03:00+02:00 - Sun 2026-03-29 04:00+02:00|",
		"2026-03-29 Europe/Berlin": "2026-03-29 Europe/Berlin|" +
			"Sun 2026-03-29 00:00+01:00 - Mon 2026-03-30 00:00+02:00|",
		"2026-10-04 01:45 .. 2026-10-04 02:10 Australia/Lord_Howe": "2026-10-04 01:45 .. 2026-10-04 02:10 " +
			"Australia/Lord_Howe|Sun 2026-10-04 01:45+10:30 - Sun 2026-10-04 02:30+11:00|",
		"2011-12-29 .. 2011-12-30 Pacific/Apia": "2011-12-29 .. 2011-12-30 Pacific/Apia|" +
			"Thu 2011-12-29 00:00-10:00 - Sat 2011-12-31 00:00+14:00|",
		"2024-10-26 23:30 .. 2024-10-27 America/Nuuk": "2024-10-26 23:30 .. 2024-10-27 America/Nuuk|" +
			"Sat 2024-10-26 23:30-01:00 - Mon 2024-10-28 00:00-02:00|",
	} {
		freezes, err := ParseFreezes("FILE", line)
		got := ""
		for _, f := range freezes {
			got = strings.Join([]string{f.When, f.Start.Format(aMinute) + " - " + f.End.Format(aMinute), f.Reason}, "|")
		}
		if (err != nil) != (want == "") || got != want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", line, err, got, want)
		}
	}
}

func TestFreezesOfAFile(t *testing.T) {
	hostZone(t, "UTC")
	freezes, err := ParseFreezes("x.freeze", "\ufeff# a comment\r\n\r\n  2026-12-24  one\r\nfoo\n2026-02-30\n2026-12-25")
	day := time.Date(2026, 12, 24, 0, 0, 0, 0, time.UTC)
	want := []Freeze{
		{Span{day, day.AddDate(0, 0, 1)}, "one", "x.freeze:3", "2026-12-24"},
		{Span{day.AddDate(0, 0, 1), day.AddDate(0, 0, 2)}, "", "x.freeze:6", "2026-12-25"},
	}
	if diff := cmp.Diff(want, freezes); diff != "" {
		t.Error(diff)
	}
	says := `x.freeze:4: "foo" is not a date; 2026-12-18 would be right` + "\n" +
		`x.freeze:5: "2026-02-30" is no day of any calendar; a date such as 2026-12-18 would be right`
	if err == nil || err.Error() != says {
		t.Errorf("got %v, want %s", err, says)
	}
	if freezes, err := ParseFreezes("FILE", " \n# nothing\n"); freezes != nil || err != nil {
		t.Errorf("%v, %v", freezes, err)
	}
}

// TestWrongFreezes: what each line says, up to a semicolon or the end.
func TestWrongFreezes(t *testing.T) {
	for line, want := range map[string]string{
		"end of year":                            `"end" is not a date; 2026-12-18 would be right`,
		"2026-12-18 2027-01-06 x":                `"2027-01-06 x" stands where the reason would begin`,
		"2026-12-18 - 2027-01-06 x":              `"- 2027-01-06 x" stands where the reason would begin`,
		"2026-12-18 \u2013 2027-01-06 x":         "\"\u2013 2027-01-06 x\" stands where the reason would begin",
		"2026-12-18 -2027-01-06":                 `"-2027-01-06" stands where the reason would begin`,
		"2026-12-18 to 2027-01-06":               `"to 2027-01-06" stands where the reason would begin`,
		"2026-12-18 until 06.01.2027":            `"until 06.01.2027" stands where the reason would begin`,
		"2026-12-18 8am .. 2026-12-18 9am":       `"8am .. 2026-12-18 9am" stands where .. or the reason would begin`,
		"2026-12-18 .. 2026-12-19 .. 2026-12-20": `".. 2026-12-20" is one .. too many`,
		"2026-12-18 ..":                          `a date is missing at the end`,
		"2026-12-18 08:00 .. 20:00":              `"20:00" is not a date`,
		"2026-12-18 08:00 x": `"2026-12-18 08:00" has no end; 2026-12-18 08:00 .. ` +
			`2026-12-18 20:00 would be right`,
		"2026-12-18 8:00 .. 2026-12-19":  `"8:00" is not how a time of the day is written; 08:00 would be right`,
		"2026-12-18 25:00 .. 2026-12-19": `"25:00" is not a time of the day`,
		"2026-12-18 08:00-20:00 x":       `"08:00-20:00" is not a time of the day`,
		"2026-12-18T08:00 .. 2026-12-19": `"2026-12-18T08:00" is not how a moment is written; ` +
			`2026-12-18 08:00 would be right`,
		"2026-1-6":                             `"2026-1-6" is not how a date is written; 2026-01-06 would be right`,
		"18.12.2026":                           `"18.12.2026" is not how a date is written; 2026-12-18 would be right`,
		"2026/12/18":                           `"2026/12/18" is not how a date is written; 2026-12-18 would be right`,
		"12/18/2026":                           `"12/18/2026" is not a date`,
		"2027-02-29":                           `"2027-02-29" is no day of any calendar`,
		"2026-12-18 .. 2026-12-17":             `"2026-12-18 .. 2026-12-17" ends before it begins`,
		"2026-12-18 08:00 .. 2026-12-18 08:00": `"2026-12-18 08:00 .. 2026-12-18 08:00" ends when it begins`,
		"2011-12-30 Pacific/Apia":              `"2011-12-30 Pacific/Apia" never comes: the clock of Pacific/Apia skips it`,
		"2026-03-29 02:10 .. 2026-03-29 02:50 Europe/Berlin": `"2026-03-29 02:10 .. 2026-03-29 02:50 Europe/Berlin" ` +
			`never comes: the clock of Europe/Berlin skips it`,
		"2026-12-18 Europe/Bonn x":     `"Europe/Bonn" is not a time zone that this host knows (/usr/share/zoneinfo)`,
		"2026-12-18 europe/berlin x":   `"europe/berlin" is not a time zone that this host knows (/usr/share/zoneinfo)`,
		"2026-12-18 DB/Web x":          `"DB/Web" is not a time zone that this host knows (/usr/share/zoneinfo)`,
		"2026-12-18 utc x":             `"utc" is not a time zone; UTC would be right`,
		"2026-12-18 CET x":             `"CET" is not the name of a time zone`,
		"2026-12-18 +01:00 x":          `"+01:00" is not the name of a time zone`,
		"2026-12-18 Europe/../UTC bad": `"Europe/../UTC" is not a time zone that this host knows (/usr/share/zoneinfo)`,
	} {
		freezes, err := ParseFreezes("FILE", line)
		if freezes != nil || err == nil {
			t.Errorf("%s: %v", line, freezes)
			continue
		}
		rest, ok := strings.CutPrefix(err.Error(), "FILE:1: "+want)
		if !ok || rest != "" && !strings.HasPrefix(rest, ";") && !strings.HasPrefix(rest, ",") {
			t.Errorf("%s: %v\nwant %s", line, err, want)
		}
	}
}
