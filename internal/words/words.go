// Package words says times and durations the way a person does.
package words

import (
	"fmt"
	"time"
)

// Valid says until when something is valid, by the local clock: "valid for 38 minutes,
// until 14:43", or since when it no longer is.
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

// Duration is a duration to the minute: "1 hour 5 minutes".
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

// Short is a duration for a narrow place, rounded up to the minute: "2 h 5 min".
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

// Clock is a time by the local clock, with the day where it could be mistaken.
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
