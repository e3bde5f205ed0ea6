// Package words formats times and durations for people.
package words

import (
	"fmt"
	"time"
)

// Valid formats until when something is valid, in local time: "valid for 38 minutes, until
// 14:43", or "expired at 14:43". The zero time is "valid until an unknown time".
func Valid(until, now time.Time) string {
	switch {
	case until.IsZero():
		return "valid until an unknown time"
	case !until.After(now):
		return "expired at " + Clock(until, now)
	default:
		return fmt.Sprintf("valid for %s, until %s", Duration(until.Sub(now)), Clock(until, now))
	}
}

// Duration formats a duration, rounded to minutes: "1 hour 5 minutes".
func Duration(d time.Duration) string {
	minutes := int(d.Round(time.Minute) / time.Minute)
	switch {
	case minutes < 1:
		return "less than a minute"
	case minutes < 60:
		return count(minutes, "minute")
	case minutes < 24*60 && minutes%60 == 0:
		return count(minutes/60, "hour")
	case minutes < 24*60:
		return count(minutes/60, "hour") + " " + count(minutes%60, "minute")
	default:
		return count((minutes+12*60)/(24*60), "day")
	}
}

// Short formats a duration briefly, rounded up to minutes: "2 h 5 min".
func Short(d time.Duration) string {
	minutes := max(0, int((d+time.Minute-1)/time.Minute))
	switch {
	case minutes < 60:
		return fmt.Sprintf("%d min", minutes)
	case minutes < 24*60 && minutes%60 == 0:
		return fmt.Sprintf("%d h", minutes/60)
	case minutes < 24*60:
		return fmt.Sprintf("%d h %d min", minutes/60, minutes%60)
	default:
		return fmt.Sprintf("%d d", minutes/(24*60))
	}
}

// Clock formats a local time, with the date if it is 12 hours or more away.
func Clock(t, now time.Time) string {
	t = t.Local()
	if t.Sub(now).Abs() < 12*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("15:04 on 2006-01-02")
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
