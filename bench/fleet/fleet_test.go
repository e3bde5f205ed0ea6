// Package fleet simulates a company's working day: many people with five windows
// each, one domain with Oracle's published limits, a rush at nine and an outage of
// five minutes. The sessions are the real ones, with their files and locks; time is
// virtual. The same table has the naive design of most tools:
// each window refreshes at expiry, without a lock.
package fleet

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/bench/report"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

var (
	people = flag.Int("people", 100, "how many people there are")
	table  = flag.String("table", "", "write the table to this `file`, as JSON")
)

const (
	windows = 5
	workday = 9 * time.Hour
	pace    = 2 * time.Minute // between two requests of a person, on average
)

// The limits of a domain with a large licence (section 10 of Oracle's limits).
var limits = Limits{PerSecond: 65, PerMinute: 3400}

// A client is what a window asks for a token.
type client interface {
	// token returns whether the call had to wait, and whether the person has to
	// sign in again.
	token(ctx context.Context) (waited, signedOut bool, err error)
	close()
}

// result is a row of the table.
type result struct {
	counts
	calls, waited, failed, signIns int
}

func TestWorkingDay(t *testing.T) {
	var ours, naive result
	t.Run("ours", func(t *testing.T) {
		ours = simulate(t, newReal)
	})
	t.Run("naive", func(t *testing.T) {
		naive = simulate(t, newNaive)
	})
	if ours.signIns != 0 || ours.refused != 0 {
		t.Errorf("%d people had to sign in again, %d one-time tokens were sent twice", ours.signIns, ours.refused)
	}
	if naive.signIns == 0 || naive.refused == 0 {
		t.Error("the naive design went well: the simulation shows nothing")
	}
	if *table != "" {
		writeTable(t, ours, naive)
	}
}

func writeTable(t *testing.T, ours, naive result) {
	t.Helper()
	section := report.Section{
		Name: "fleet", Title: fmt.Sprintf("A working day of %d people", *people),
		About: fmt.Sprintf("Simulated: %d windows each, the domain allows %d requests a second and %d a minute, and is away for five minutes.", windows, limits.PerSecond, limits.PerMinute),
	}
	for i, r := range []result{ours, naive} {
		section.Rows = append(section.Rows, report.Row{
			Name: []string{"this plugin", "each window for itself"}[i], Value: fmt.Sprintf("%d sign-ins again", r.signIns), Count: r.calls,
			Note: fmt.Sprintf("%.2f %% of the calls waited, %d failed; %d requests to the domain, %d a second at most, %d answered with 429",
				100*float64(r.waited)/float64(r.calls), r.failed, r.requests, r.peak, r.throttled),
		})
	}
	text, err := json.Marshal(section)
	if err == nil {
		err = os.WriteFile(*table, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// newClients returns the windows of a person whose files are in a directory.
type newClients func(t *testing.T, d *domain, person, dir string) []client

func simulate(t *testing.T, clients newClients) (total result) {
	dir := t.TempDir()
	if memory, err := os.MkdirTemp("/dev/shm", "fleet-"); err == nil {
		t.Cleanup(func() { os.RemoveAll(memory) })
		dir = memory
	}
	synctest.Test(t, func(t *testing.T) {
		nine := time.Now().Add(30 * time.Minute)
		d := &domain{limits: limits, current: map[string]int{},
			outageFrom: nine.Add(3 * time.Hour), outageTo: nine.Add(3*time.Hour + 5*time.Minute)}
		var (
			mu   sync.Mutex
			done sync.WaitGroup
		)
		for i := range *people {
			done.Go(func() {
				person := fmt.Sprint("p", i)
				mine := clients(t, d, person, filepath.Join(dir, person))
				arrival := time.Duration(rand.NormFloat64() * float64(10*time.Minute))
				time.Sleep(max(0, time.Until(nine.Add(arrival))))
				r := work(t.Context(), mine)
				mu.Lock()
				defer mu.Unlock()
				total.calls += r.calls
				total.waited += r.waited
				total.failed += r.failed
				total.signIns += r.signIns
			})
		}
		done.Wait()
		total.counts = d.counts
	})
	return total
}

// work simulates a person's day: usually one window at a time is used, sometimes an agent works
// in all of them.
func work(ctx context.Context, windows []client) (r result) {
	var mu sync.Mutex
	ask := func(c client) {
		waited, signedOut, err := c.token(ctx)
		mu.Lock()
		defer mu.Unlock()
		r.calls++
		if waited {
			r.waited++
		}
		switch {
		case signedOut:
			r.signIns++
		case err != nil:
			r.failed++
		}
	}
	for end := time.Now().Add(workday); time.Now().Before(end); {
		if rand.N(10) == 0 {
			var agents sync.WaitGroup
			for _, c := range windows {
				agents.Go(func() { ask(c) })
			}
			agents.Wait()
		} else {
			ask(windows[rand.N(len(windows))])
		}
		time.Sleep(time.Duration(rand.ExpFloat64() * float64(pace)))
	}
	for _, c := range windows {
		c.close()
	}
	return r
}

// realClient is a window with the product's session.
type realClient struct{ *oidc.Session }

func newReal(t *testing.T, d *domain, person, dir string) []client {
	places := store.Places{Home: dir, StateDir: dir}
	config := config.Config{
		DomainURL: "https://idcs.example", ClientID: "c", RedirectURIs: []string{config.DefaultRedirectURI}, Scope: config.DefaultScope,
		BaseURL: "https://llm.example", AuthMethod: config.MobileApp,
	}
	yesterday := time.Now().Add(-16 * time.Hour)
	_, err := tokens.Open(places, config).Save(tokens.Tokens{
		Access: secret.New("of yesterday"), Refresh: secret.New(d.signIn(person)), IssuedAt: yesterday, ExpiresAt: yesterday.Add(tokenLife),
		Endpoints: tokens.Endpoints{Token: "https://idcs.example/token"},
	})
	if err != nil {
		t.Error(err)
	}
	var clients []client
	for range windows {
		s, err := oidc.NewSession(config, places, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Error(err)
			continue
		}
		s.UseTransport(d)
		clients = append(clients, realClient{s})
	}
	return clients
}

func (c realClient) token(ctx context.Context) (waited, signedOut bool, err error) {
	began := time.Now()
	_, err = c.Token(ctx, "")
	return time.Since(began) > 0, problem.Is(err, problem.LoginRequired), err
}

func (c realClient) close() { c.Close() }

// naiveClient is a window that refreshes at expiry without a lock. All windows of a person
// share the file with the refresh token.
type naiveClient struct {
	d         *domain
	person    string
	file      *naiveFile
	expiresAt time.Time
}

type naiveFile struct {
	mu      sync.Mutex // of this simulation's memory; between real processes there is none
	refresh string
}

func (f *naiveFile) read() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refresh
}

func (f *naiveFile) write(refresh string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refresh = refresh
}

func newNaive(_ *testing.T, d *domain, person, _ string) []client {
	file := &naiveFile{refresh: d.signIn(person)}
	var clients []client
	for range windows {
		clients = append(clients, &naiveClient{d: d, person: person, file: file})
	}
	return clients
}

func (c *naiveClient) token(context.Context) (waited, signedOut bool, err error) {
	if time.Now().Before(c.expiresAt) {
		return false, false, nil
	}
	refresh := c.file.read()
	time.Sleep(latency)
	switch status, body := c.d.refresh(refresh); status {
	case http.StatusOK:
		var answer struct {
			Refresh string `json:"refresh_token"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			return true, false, err
		}
		c.file.write(answer.Refresh)
		c.expiresAt = time.Now().Add(tokenLife)
		return true, false, nil
	case http.StatusBadRequest:
		c.file.write(c.d.signIn(c.person))
		return true, true, nil
	default:
		return true, false, fmt.Errorf("status %d", status)
	}
}

func (c *naiveClient) close() {}
