package words

import (
	"testing"
	"time"
)

func TestValid(t *testing.T) {
	now := time.Date(2026, 11, 23, 14, 5, 0, 0, time.Local)
	for until, want := range map[time.Duration]string{
		-time.Minute:     "expired at 14:04",
		20 * time.Second: "valid for less than a minute, until 14:05",
		time.Minute:      "valid for 1 minute, until 14:06",
		38 * time.Minute: "valid for 38 minutes, until 14:43",
		time.Hour:        "valid for 1 hour, until 15:05",
		65 * time.Minute: "valid for 1 hour 5 minutes, until 15:10",
		10 * time.Hour:   "valid for 10 hours, until 00:05",
		13 * time.Hour:   "valid for 13 hours, until 03:05 on 2026-11-24",
		168 * time.Hour:  "valid for 7 days, until 14:05 on 2026-11-30",
	} {
		if got := Valid(now.Add(until), now); got != want {
			t.Errorf("in %s: %q, want %q", until, got, want)
		}
	}
	if got := Valid(time.Time{}, now); got != "valid until an unknown time" {
		t.Error(got)
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "0 min", 24 * time.Second: "1 min", 43 * time.Minute: "43 min", time.Hour: "1 h",
		125 * time.Minute: "2 h 5 min", 50 * time.Hour: "2 d",
	} {
		if got := Short(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
