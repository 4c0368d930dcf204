package calendar

import (
	"fmt"
	"strings"
	"testing"
)

func TestString(t *testing.T) {
	for text, want := range map[string]string{
		"": "", " \n ": "",
		"Mon..Fri 02:00-05:00; Sat 22:00-02:00; Tue#2 01:00-04:00 Europe/Berlin; Sun#-1": "Mon..Fri 02:00-05:00; " +
			"Sat 22:00-02:00; Tue#2 01:00-04:00 Europe/Berlin; Sun#-1",
		"\nmon..FRI   02:00-05:00;\n\n saturday UTC;": "Mon..Fri 02:00-05:00; Sat UTC",
		"Fri..Mon":                     "Mon,Fri..Sun",
		"Sun..Mon":                     "Mon,Sun",
		"Mon..Mon":                     "Mon",
		"Wednesday, Mon,Tue":           "Mon..Wed",
		"Tue,Mon,Mon#2,Wed#-1,Wed#1":   "Mon,Tue,Wed#1,Wed#-1",
		"Mon..Sun":                     "00:00-24:00",
		"Mon..Sun 02:00-05:00":         "02:00-05:00",
		"Mon 00:00-24:00":              "Mon",
		"Mon 00:00-00:00":              "Mon",
		"22:00-00:00":                  "22:00-24:00",
		"02:00-02:00":                  "02:00-02:00",
		"02:00-05:00 America/New_York": "02:00-05:00 America/New_York",
	} {
		w := parse(t, text)
		if got := w.String(); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if again := parse(t, want).String(); again != want {
			t.Errorf("%q is read as %q", want, again)
		}
		if w.Empty() != (want == "") {
			t.Errorf("%q: empty is %v", text, w.Empty())
		}
	}
}

// TestWrongWindows: what each says.
func TestWrongWindows(t *testing.T) {
	for text, want := range map[string]string{
		"Mon-Fri 02:00-05:00": `"Mon-Fri" is not how weekdays are written; Mon..Fri would be right`,
		"Mon\u2013Fri":        "\"Mon\u2013Fri\" is not how weekdays are written; Mon..Fri would be right",
		"Mo,Mi 02:00-05:00":   `"Mo,Mi" is not how weekdays are written; Mon,Wed would be right`,
		"Mondays":             `"Mondays" is not how weekdays are written; Mon would be right`,
		"Moonday":             `"Moonday" is not a weekday; Mon, Mon..Fri or Mon,Wed,Sun would be right`,
		"daily":               `"daily" is not a weekday; Mon, Mon..Fri or Mon,Wed,Sun would be right`,
		"Mon,":                `"" is not a weekday; Mon, Mon..Fri or Mon,Wed,Sun would be right`,
		"* 02:00-05:00":       `"*" is not a weekday; Mon, Mon..Fri or Mon,Wed,Sun would be right`,
		"Mon..Fri#1":          `"Mon..Fri#1" has # with a range, and it belongs to one weekday; Mon#1,Tue#1 would be right`,
		"Tue#6":               `"Tue#6" is no weekday of a month; Tue#1 to Tue#5, or Tue#-1 for the last one, would be right`,
		"Tue#0":               `"Tue#0" is no weekday of a month; Tue#1 to Tue#5, or Tue#-1 for the last one, would be right`,
		"Tue#+1":              `"Tue#+1" is no weekday of a month; Tue#1 to Tue#5`,
		"Tue#":                `"Tue#" is no weekday of a month; Tue#1 to Tue#5, or Tue#-1 for the last one, would be right`,
		"Mon 2:00-5:00":       `"2:00-5:00" is not how a span of the day is written; 02:00-05:00 would be right`,
		"2am-5pm":             `"2am-5pm" is not how a span of the day is written; 02:00-17:00 would be right`,
		"12 am - 2 am":        `"12 am - 2 am" is not how a span of the day is written; 00:00-02:00 would be right`,
		"02.00-05.00":         `"02.00-05.00" is not how a span of the day is written; 02:00-05:00 would be right`,
		"02:00\u201305:00":    "\"02:00\u201305:00\" is not how a span of the day is written; 02:00-05:00 would be right",
		"02:00 - 05:00 UTC":   `"02:00 - 05:00" is not how a span of the day is written; 02:00-05:00 would be right`,
		"02:00..05:00":        `"02:00..05:00" is not how a span of the day is written; 02:00-05:00 would be right`,
		"02:00:00-05:00:00":   `"02:00:00-05:00:00" is not how a span of the day is written; 02:00-05:00 would be right`,
		"0200-0500":           `"0200-0500" is not how a span of the day is written; 02:00-05:00 would be right`,
		"02:00":               `"02:00" is a time without an end; 02:00-03:00 would be right`,
		"23:30":               `"23:30" is a time without an end; 23:30-00:30 would be right`,
		"2am":                 `"2am" is a time without an end; 02:00-03:00 would be right`,
		"25:00-26:00":         `"25:00-26:00" is not a span of the day; 02:00-05:00 would be right`,
		"24:00-02:00":         `"24:00-02:00" is not a span of the day; 02:00-05:00 would be right`,
		"02:60-05:00":         `"02:60-05:00" is not a span of the day; 02:00-05:00 would be right`,
		"UTC":                 `has neither weekdays nor a span of the day in front; ` + aWindow,
		"Europe/Berlin Mon":   `has neither weekdays nor a span of the day in front; ` + aWindow,
		"Mon CEST": `"CEST" is not a time zone that this host knows (/usr/share/zoneinfo); Europe/Berlin or ` +
			`UTC would be right`,
		"Mon europe/berlin": `"europe/berlin" is not a time zone that this host knows (/usr/share/zoneinfo); ` +
			`Europe/Berlin or UTC would be right`,
		"Mon ../etc": `"../etc" is not a time zone that this host knows (/usr/share/zoneinfo); Europe/Berlin or ` +
			`UTC would be right`,
		"Mon /etc/localtime": `"/etc/localtime" is not a time zone that this host knows (/usr/share/zoneinfo); ` +
			`Europe/Berlin or UTC would be right`,
		"Mon Europe": `"Europe" is not a time zone that this host knows (/usr/share/zoneinfo); Europe/Berlin or ` +
			`UTC would be right`,
		"Mon Local":     `"Local" is not a time zone; Europe/Berlin or UTC would be right`,
		"Mon right/UTC": `"right/UTC" is not a time zone; Europe/Berlin or UTC would be right`,
		"Mon utc":       `"utc" is not a time zone; UTC would be right`,
		`"Mon..Fri 02:00-05:00"`: `"\"Mon..Fri 02:00-05:00\"" begins with a quote, which belongs to the value; leave the ` +
			`quotes out`,
		"# nightly": `"#" is no part of a window; a comment needs a line of its own`,
		"Mon 02:00-05:00, Sat 22:00-02:00": `"02:00-05:00,Sat" has a comma, and windows are separated by ` +
			`semicolons; 02:00-05:00; Sat would be right`,
		"Mon 02:00-05:00,": `"02:00-05:00," has a comma, and windows are separated by semicolons; 02:00-05:00; ` +
			`would be right`,
		"Mon 02:00-05:00 # x":             `"#" is no part of a window; a comment needs a line of its own`,
		"02:00-05:00 Mon":                 `"Mon" comes too late: weekdays come first; Mon 02:00-05:00 would be right`,
		"Mon 02:00-05:00 UTC 03:00-04:00": `"03:00-04:00" is too much`,
		"Mon Wed 02:00-05:00": `"Wed" comes too late: weekdays are joined by commas, and windows are separated by ` +
			`semicolons; Mon,Wed 02:00-05:00 or Mon 02:00-05:00; Wed 02:00-05:00 would be right`,
	} {
		w, err := ParseWindows("Sun; " + text)
		if !w.Empty() || err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("window %q: %s", text, want)) {
			t.Errorf("%s: %v\nwant %s", text, err, want)
		}
	}
	if _, err := ParseWindows(" ; ;"); err == nil || !strings.HasPrefix(err.Error(), `" ; ;" has no window; `) {
		t.Errorf("semicolons: %v", err)
	}
}

func TestBeginsWindow(t *testing.T) {
	for text, want := range map[string]bool{
		"sat 22": true, "Mon..Fri 02": true, "Sun#-1": true, "tue,thu 02:00": true, "Mo-Fr": true, "02": true,
		"Sundays": true, "": false, "state": false, "freeze.d": false, "window": false, "\x1b[1m": false, "lock_name": false,
		"t": false,
	} {
		if got := BeginsWindow(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
