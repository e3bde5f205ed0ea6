package tokens

import (
	"encoding/json"
	"time"
)

// An End is what a domain has said about how long a session lasts without another sign-in.
// The zero value means that nothing is known.
type End struct {
	At    time.Time `json:"at"`            // by this machine's clock
	Of    string    `json:"of"`            // what ends: RefreshToken or SignOn
	Since time.Time `json:"since"`         // when At became known
	Told  time.Time `json:"told,omitzero"` // when the person was last told that the end is near
}

// What ends. The refresh token may outlive the person's single sign-on session at the domain,
// so that the end of this one need not be that of ours.
const (
	RefreshToken = "refreshToken"
	SignOn       = "singleSignOn"
)

// A person is told of an end this long before it. The last hour is also shown.
const (
	dayBefore  = 24 * time.Hour
	hourBefore = time.Hour
)

// Near reports whether the last hour has begun. It has not if less than an hour was left when
// the end became known: each refresh may move such an end.
func (e End) Near(now time.Time) bool { return e.passed(hourBefore, e.Since, now) }

// Due reports whether the person must be told now that the end is near. If both moments to
// tell them passed, for example while the machine slept, once is enough.
func (e End) Due(now time.Time) bool {
	last := e.Since
	if e.Told.After(last) {
		last = e.Told
	}
	return e.passed(dayBefore, last, now) || e.passed(hourBefore, last, now)
}

// passed reports whether the moment that lies before the end has passed since a time.
func (e End) passed(before time.Duration, since, now time.Time) bool {
	moment := e.At.Add(-before)
	return since.Before(moment) && !now.Before(moment) && now.Before(e.At)
}

// Then returns what is known after an answer that said next. sameToken reports whether the
// refresh token is still the one of e.
func (e End) Then(next End, sameToken bool) End {
	const imprecise = time.Minute // clocks are compared to a second or two, and answers take their time
	if next.Of == e.Of && next.At.Sub(e.At).Abs() < imprecise {
		return e
	}
	if e.Of == RefreshToken && sameToken && next.Of != RefreshToken || e.Of == SignOn && next.At.IsZero() {
		return e
	}
	return next
}

// UnmarshalJSON reads the end of a saved session. If it makes no sense, nothing is known: the
// tokens beside it are usable all the same.
func (e *End) UnmarshalJSON(text []byte) error {
	type plain End // without this method
	var read plain
	err := json.Unmarshal(text, &read)
	for _, one := range []time.Time{read.At, read.Since, read.Told} {
		if err != nil || !expressible(one) {
			return nil
		}
	}
	*e = End(read)
	return nil
}

// expressible reports whether RFC 3339 can express a time in all time zones: in some of them
// the end of 9999 is in the year 10000.
func expressible(t time.Time) bool { return t.UTC().Year() < 9999 }
