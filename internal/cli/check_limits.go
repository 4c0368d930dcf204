package cli

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// limits are the times from which on a finding is a warning, and critical.
type limits struct{ warning, critical time.Duration }

// never is a limit that no value reaches.
const never time.Duration = -1

// UnmarshalText reads "4h,12h". 3d means three days, and - means never.
func (l *limits) UnmarshalText(text []byte) error {
	warning, critical, both := strings.Cut(string(text), ",")
	if !both {
		return errors.New("the times for WARNING and CRITICAL belong here, such as 4h,12h or 3d,-")
	}
	var err, other error
	l.warning, err = parseLimit(warning)
	l.critical, other = parseLimit(critical)
	return errors.Join(err, other)
}

func parseLimit(text string) (time.Duration, error) {
	if text == "-" {
		return never, nil
	}
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.ParseUint(days, 10, 15); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return d, nil
	}
	return 0, errors.New(strconv.Quote(text) + " is not a time; 90s, 15m, 4h, 3d, or - for never would be right")
}

// perfdata writes a limit as plugins do. end makes it a lower limit.
func perfdata(limit time.Duration, end string) string {
	if limit == never {
		return ""
	}
	return strconv.FormatInt(int64(limit.Seconds()), 10) + end
}
