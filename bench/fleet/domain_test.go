package fleet

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Limits are the requests that a domain accepts from all people together.
type Limits struct{ PerSecond, PerMinute int }

// latency is how long the domain's token endpoint takes.
const latency = 200 * time.Millisecond

// tokenLife is the life of an access token.
const tokenLife = time.Hour

// A domain is a token endpoint in memory: one-time refresh tokens, limits shared
// by all, and an outage.
type domain struct {
	limits               Limits
	outageFrom, outageTo time.Time

	mu      sync.Mutex
	second  window
	minute  window
	current map[string]int // person → number of the refresh token that serves
	counts  counts
}

// counts are the requests that the domain has received.
type counts struct {
	requests, throttled, refused, failed, peak int
}

// window counts the requests in a period of time.
type window struct {
	began time.Time
	count int
}

// add counts one request and returns the number of requests in the current period.
func (w *window) add(now time.Time, length time.Duration) int {
	if began := now.Truncate(length); !began.Equal(w.began) {
		*w = window{began: began}
	}
	w.count++
	return w.count
}

// RoundTrip answers a refresh request.
func (d *domain) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	time.Sleep(latency)
	status, text := d.refresh(form.Get("refresh_token"))
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: req,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(text)),
	}, nil
}

func (d *domain) refresh(token string) (status int, body string) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.counts.requests++
	perSecond, perMinute := d.second.add(now, time.Second), d.minute.add(now, time.Minute)
	d.counts.peak = max(d.counts.peak, perSecond)
	switch {
	case !now.Before(d.outageFrom) && now.Before(d.outageTo):
		d.counts.failed++
		return http.StatusServiceUnavailable, "<html>maintenance</html>"
	case perSecond > d.limits.PerSecond || perMinute > d.limits.PerMinute:
		d.counts.throttled++
		return http.StatusTooManyRequests, "<html>too many requests</html>"
	}
	person, number := parseToken(token)
	if d.current[person] != number {
		d.counts.refused++
		return http.StatusBadRequest, `{"error":"invalid_grant"}`
	}
	return http.StatusOK, d.issue(person)
}

// issue makes new tokens for a person. d.mu is held.
func (d *domain) issue(person string) (answer string) {
	d.current[person]++
	return fmt.Sprintf(`{"access_token":"access/%s/%d","token_type":"Bearer","expires_in":%d,"refresh_token":%q}`,
		person, d.current[person], int(tokenLife/time.Second), refreshToken(person, d.current[person]))
}

// signIn makes a person's first refresh token of a session.
func (d *domain) signIn(person string) (refresh string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current[person]++
	return refreshToken(person, d.current[person])
}

func refreshToken(person string, number int) string {
	return fmt.Sprintf("refresh/%s/%d", person, number)
}

func parseToken(token string) (person string, number int) {
	parts := strings.Split(token, "/")
	if len(parts) != 3 {
		return "", 0
	}
	number, _ = strconv.Atoi(parts[2])
	return parts[1], number
}
