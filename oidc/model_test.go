package oidc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// TestModel drives sessions through random schedules: calls and rejections in
// several processes, waits, faults, restarts, sign-outs and new sign-ins. After
// each step it checks what must hold always:
//
//   - a token that is returned is valid when it is returned, and not the rejected one;
//   - a one-time token is never sent again when the outcome of its use was known;
//   - a refresh token that arrived is on the disk until its successor is, and before
//     the access token that came with it is used.
func TestModel(t *testing.T) {
	schedules := 500 // make fuzz runs a thousand more
	switch {
	case os.Getenv("WINE_RUNS_THIS") != "": // which has a server between each program and its files
		schedules = 3
	case testing.Short():
		schedules = 300
	}
	for range schedules {
		seed := rand.Uint64()
		if !t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { runSchedule(t, seed) }) {
			return
		}
	}
}

// FuzzModel lets the fuzzer choose the schedule.
func FuzzModel(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(runSchedule)
}

func runSchedule(t *testing.T, seed uint64) {
	home := memoryDir(t)
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		m := &model{
			t: t, rand: rand.New(rand.NewPCG(seed, 0)),
			domain: &modelDomain{used: map[string]bool{}, expiry: map[string]time.Time{}},
			places: store.Places{Home: home, StateDir: home},
			config: config.Config{DomainURL: "https://idcs.example", ClientID: "c", AuthMethod: config.MobileApp,
				Scope: config.DefaultScope, RedirectURIs: []string{config.DefaultRedirectURI}, BaseURL: "https://llm.example"},
			log: slog.New(slog.NewTextHandler(&log, nil)),
		}
		m.file = tokens.Open(m.places, m.config)
		m.domain.life = []time.Duration{time.Minute, time.Hour, 8 * time.Hour}[m.rand.IntN(3)]
		for range 3 {
			m.sessions = append(m.sessions, m.start())
		}
		for range 40 {
			m.step()
			if t.Failed() {
				break
			}
		}
		for _, s := range m.sessions {
			s.Close()
		}
		if left := store.Drafts(m.file.Path()); len(left) > 0 {
			t.Errorf("drafts were left: %v", left)
		}
	})
	if t.Failed() {
		t.Logf("the log:\n%s", log.String())
	}
}

// memoryDir is a temporary directory, in memory where there is such a thing: the
// schedules write more than a disk likes.
func memoryDir(t *testing.T) string {
	if runtime.GOOS == "windows" { // where wine has one that is on no drive
		return t.TempDir()
	}
	dir, err := os.MkdirTemp("/dev/shm", "oci-oidc-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// model is the world of one schedule.
type model struct {
	t        *testing.T
	rand     *rand.Rand
	domain   *modelDomain
	places   store.Places
	config   config.Config
	file     *tokens.File
	log      *slog.Logger
	sessions []*Session
}

func (m *model) start() *Session {
	s, err := NewSession(m.config, m.places, m.log)
	if err != nil {
		m.t.Fatal(err)
	}
	s.UseTransport(m.domain)
	return s
}

func (m *model) step() {
	i := m.rand.IntN(len(m.sessions))
	s := m.sessions[i]
	switch m.rand.IntN(12) {
	case 0, 1, 2, 3:
		m.call(s, "")
	case 4:
		if token, ok, _ := s.Ready(""); ok {
			m.call(s, token.Access.Fingerprint())
		}
	case 5, 6, 7:
		time.Sleep(time.Duration(m.rand.ExpFloat64() * float64(m.domain.life) / 2))
	case 8:
		m.domain.mu.Lock()
		m.domain.faults = append(m.domain.faults, modelFault(1+m.rand.IntN(int(lastFault)-1)))
		m.domain.mu.Unlock()
	case 9:
		s.Close()
		m.sessions[i] = m.start()
	case 10:
		if m.rand.IntN(4) == 0 {
			_, _ = s.Disconnect(context.Background())
			m.domain.receive("")
		}
	case 11:
		m.signIn(s)
	}
	synctest.Wait()
	m.check()
}

// call asks for a token, sometimes in all processes at once, and twice in each.
func (m *model) call(s *Session, rejected string) {
	callers := []*Session{s}
	if m.rand.IntN(3) == 0 {
		callers = append(slices.Clone(m.sessions), m.sessions...)
	}
	done := make(chan struct{})
	peeks := m.rand.IntN(4) == 0
	go func() {
		defer func() { done <- struct{}{} }()
		if peeks {
			m.peek(s)
		}
	}()
	for _, s := range callers {
		go func() {
			defer func() { done <- struct{}{} }()
			token, err := s.Token(context.Background(), rejected)
			switch {
			case err != nil:
				if p := problem.From(err); p.Kind == problem.Internal {
					m.t.Errorf("a problem without a name: %v", p.Cause)
				}
			case !time.Now().Before(m.domain.expiryOf(token.Access.Reveal())):
				m.t.Error("a token that is not valid was returned")
			case token.Access.Fingerprint() == rejected:
				m.t.Error("the rejected token was returned")
			}
		}()
	}
	for range len(callers) + 1 {
		<-done
	}
}

// peek asks again and again in the moment in which a refresh is answered: it must
// not see new tokens before they are on the disk.
func (m *model) peek(s *Session) {
	time.Sleep(modelLatency)
	for range 20 {
		if token, ok, _ := s.Ready(""); ok && m.savedNumber() < number(token.Access.Reveal()) {
			m.t.Error("a token was returned that is not on the disk yet")
			return
		}
	}
}

// savedNumber is the number of the access token on the disk; after a sign-out there
// is none to compare.
func (m *model) savedNumber() int {
	saved, _, err := m.file.Load()
	if err != nil || saved.Empty() {
		return math.MaxInt
	}
	return number(saved.Access.Reveal())
}

// number is the number of an access token, in the order in which they were issued.
func number(access string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(access, "access"))
	return n
}

// signIn puts new tokens where a sign-in puts them.
func (m *model) signIn(s *Session) {
	m.domain.mu.Lock()
	access, refresh := m.domain.issue()
	m.domain.mu.Unlock()
	now := time.Now().Round(0)
	err := s.begin(context.Background(), tokens.Tokens{
		Access: secret.New(access), Refresh: secret.New(refresh), IssuedAt: now, ExpiresAt: now.Add(m.domain.life),
		Endpoints: tokens.Endpoints{Token: "https://idcs.example/token", Revocation: "https://idcs.example/revoke"},
	}, false)
	if err != nil {
		m.t.Error(err)
	}
	m.domain.receive(refresh)
}

func (m *model) check() {
	saved, _, err := m.file.Load()
	if err != nil {
		m.t.Errorf("the file: %v", err)
	}
	m.domain.mu.Lock()
	defer m.domain.mu.Unlock()
	if m.domain.resent != "" {
		m.t.Errorf("%s was sent again, though its first use was answered", m.domain.resent)
	}
	if arrived := m.domain.arrived; arrived != "" && saved.Refresh.Reveal() != arrived && !m.domain.used[arrived] {
		m.t.Errorf("the refresh token %s has vanished; saved is %q", arrived, saved.Refresh.Reveal())
	}
}

// A modelFault is what happens to one refresh request.
type modelFault int

// modelLatency is how long the domain takes.
const modelLatency = 200 * time.Millisecond

const (
	noFault     modelFault = iota
	throttled              // refused, for now
	broken                 // a fault of the domain
	portal                 // a page in between: not processed, but who knows
	notSent                // no connection
	lostRequest            // sent, and never arrived
	lostAnswer             // processed, and the answer was lost
	cutAnswer              // processed, and half of the answer came
	revoked                // an administrator ended the session
	lastFault
)

// A modelDomain is a token endpoint that knows what it has issued and what its
// clients can know.
type modelDomain struct {
	life time.Duration

	mu      sync.Mutex
	faults  []modelFault // of the next requests
	number  int
	current string          // the refresh token that serves
	used    map[string]bool // refresh tokens → they were processed
	known   map[string]bool // sent, outcome known to the client: used up or refused
	arrived string          // the newest refresh token that the client has received
	resent  string          // a violation
	expiry  map[string]time.Time
}

// receive notes which refresh token the client has received last.
func (d *modelDomain) receive(refresh string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrived = refresh
}

// issue makes new tokens. d.mu is held.
func (d *modelDomain) issue() (access, refresh string) {
	d.number++
	access, refresh = fmt.Sprint("access", d.number), fmt.Sprint("refresh", d.number)
	d.current, d.expiry[access] = refresh, time.Now().Add(d.life)
	return access, refresh
}

func (d *modelDomain) expiryOf(access string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.expiry[access]
}

func (d *modelDomain) RoundTrip(req *http.Request) (*http.Response, error) {
	text, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, err
	}
	time.Sleep(modelLatency)
	d.mu.Lock()
	defer d.mu.Unlock()
	fault := noFault
	if len(d.faults) > 0 {
		fault, d.faults = d.faults[0], d.faults[1:]
	}
	if fault == notSent {
		return nil, errors.New("no route to host")
	}
	httptrace.ContextClientTrace(req.Context()).WroteHeaders()
	if strings.HasSuffix(req.URL.Path, "/revoke") {
		d.current = ""
		return answer(req, http.StatusOK, ""), nil
	}
	return d.refresh(req, form.Get("refresh_token"), fault)
}

func (d *modelDomain) refresh(req *http.Request, token string, fault modelFault) (*http.Response, error) {
	if d.known[token] {
		d.resent = token
	}
	switch fault {
	case throttled:
		return answer(req, http.StatusTooManyRequests, "<html>"), nil
	case broken:
		return answer(req, http.StatusServiceUnavailable, "<html>"), nil
	case portal:
		return answer(req, http.StatusOK, "<html>"), nil
	case lostRequest:
		return nil, errors.New("connection reset")
	case revoked:
		d.current = ""
	}
	if token != d.current {
		d.learn(token)
		d.used[token] = true
		return answer(req, http.StatusBadRequest, `{"error":"invalid_grant"}`), nil
	}
	d.used[token] = true
	access, refresh := d.issue()
	body := fmt.Sprintf(`{"expires_in":%d,"access_token":%q,"token_type":"Bearer","refresh_token":%q}`, int(d.life/time.Second), access, refresh)
	switch fault {
	case lostAnswer:
		return nil, errors.New("connection reset")
	case cutAnswer:
		return answer(req, http.StatusOK, body[:len(body)/2]), nil
	}
	d.learn(token)
	d.arrived = refresh
	return answer(req, http.StatusOK, body), nil
}

// learn notes that the client knows what became of a token.
func (d *modelDomain) learn(token string) {
	if d.known == nil {
		d.known = map[string]bool{}
	}
	d.known[token] = true
}

func answer(req *http.Request, status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Request: req, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(body))}
}
