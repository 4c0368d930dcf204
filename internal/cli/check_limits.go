package cli

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// limits are how much is worth a warning, and how much is critical.
type limits struct{ warning, critical time.Duration }

// never is a limit that nothing is beyond of.
const never time.Duration = -1

// UnmarshalText reads "4h,12h"; days may be written as 3d, and - is never.
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

// perfdata is a limit as plugins write it; end is what makes a lower limit of it.
func perfdata(limit time.Duration, end string) string {
	if limit == never {
		return ""
	}
	return strconv.FormatInt(int64(limit.Seconds()), 10) + end
}
