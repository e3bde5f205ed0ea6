package domaintest

import (
	"sync/atomic"
	"time"
)

// A Clock runs with real time, moved by a distance that can be changed while it
// runs. Its zero value tells the real time. A client that is to believe itself in
// step with the domain can use Now as its own clock; one that must bear a skew
// uses the real time and moves the Clock.
type Clock struct {
	ahead atomic.Int64 // nanoseconds ahead of real time
}

// Now returns the time by this clock.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock by d, back if d is negative.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
