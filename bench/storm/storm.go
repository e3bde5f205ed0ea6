// Package storm lets many helper processes want a token in the same moment, when
// the access token has just expired: the moment in which one-time refresh tokens
// get lost. It drives the real helper over its wire, and may kill some of them.
package storm

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// answerPatience is how long one call may take before the round counts as failed.
const answerPatience = 30 * time.Second

// Options say what a storm is like.
type Options struct {
	Helper    string        // the helper's program
	Processes int           // that want a token at once
	Calls     int           // of each process in a round
	Latency   time.Duration // of the domain's token endpoint
	Kill      int           // processes that are killed in each round, at random times
	Home      string        // an empty directory for all of them
}

// A Round is what one round came to.
type Round struct {
	Requests int           // to the token endpoint
	Wall     time.Duration // from the first call to the last answer
	Answers  int           // valid tokens
	Failures []string      // what calls of processes that were not killed were told instead
	Killed   int
	// Lost reports that the session could not be refreshed afterwards, and InFlight
	// that a killed process was talking to the domain, which alone excuses it.
	Lost, InFlight bool
}

// A Storm is a stand-in domain with the helpers of one user.
type Storm struct {
	Options
	server  *domaintest.Server
	places  store.Places
	config  store.Config
	helpers []*helper
}

// Begin starts the domain and the helpers.
func Begin(o Options) (*Storm, error) {
	server, err := domaintest.Start(domaintest.Options{TokenLatency: o.Latency})
	if err != nil {
		return nil, err
	}
	s := &Storm{Options: o, server: server, helpers: make([]*helper, o.Processes)}
	if err = s.configure(); err == nil {
		err = s.signIn()
	}
	for i := range s.helpers {
		if err == nil {
			s.helpers[i], err = startHelper(o.Helper, o.Home)
		}
	}
	if err != nil {
		s.End()
		return nil, err
	}
	return s, nil
}

// End ends all of it.
func (s *Storm) End() {
	for _, h := range s.helpers {
		if h != nil {
			h.kill()
		}
	}
	s.server.Close()
}

func (s *Storm) configure() error {
	s.places = store.Places{Home: s.Home, ConfigDirs: []string{filepath.Join(s.Home, "config", "opencode")},
		StateDir: filepath.Join(s.Home, "state", "opencode-oci-oidc"), LogFile: filepath.Join(s.Home, "oci-oidc-debug.log")}
	text, err := json.Marshal(map[string]string{
		"domain_url": s.server.URL, "llm_base_url": s.server.LLMBaseURL,
		"client_id": domaintest.ConfidentialClient, "client_secret": domaintest.ConfidentialSecret,
		"scope": "openid offline_access " + domaintest.DefaultScope,
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.places.ConfigDirs[0], 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.places.ConfigDirs[0], store.ConfigName), text, 0o600); err != nil {
		return err
	}
	s.config, err = s.places.LoadConfig(s.Home)
	return err
}

// signIn saves the tokens of a new session.
func (s *Storm) signIn() error {
	issued, err := s.server.Issue(s.config.ClientID, s.config.Scope)
	if err != nil {
		return err
	}
	return s.save(store.Tokens{
		Access: secret.New(issued.AccessToken), Type: "Bearer", Refresh: secret.New(issued.RefreshToken),
		Subject: domaintest.DefaultUser.Name, Endpoints: store.Endpoints{Token: s.server.URL + "/oauth2/v1/token"},
	})
}

// save saves tokens whose access token has expired a moment ago.
func (s *Storm) save(tokens store.Tokens) error {
	now := time.Now()
	tokens.IssuedAt, tokens.ExpiresAt = now.Add(-time.Hour), now.Add(-time.Second)
	_, err := s.places.TokenFile(s.config).Save(tokens)
	return err
}

// Round lets the access token expire, lets everybody want one, and looks at what
// is left.
func (s *Storm) Round() (Round, error) {
	if err := s.expire(); err != nil {
		return Round{}, err
	}
	var (
		round   Round
		mu      sync.Mutex
		calls   sync.WaitGroup
		killers sync.WaitGroup
		before  = s.server.Count(domaintest.Token)
		start   = make(chan struct{})
	)
	for _, h := range s.helpers {
		for range s.Calls {
			calls.Go(func() {
				<-start
				token, err := h.getToken()
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err == nil && token != "":
					round.Answers++
				case !h.dead():
					round.Failures = append(round.Failures, fmt.Sprint(err))
				}
			})
		}
	}
	for _, i := range rand.Perm(len(s.helpers))[:s.Kill] {
		killers.Go(func() {
			<-start
			time.Sleep(rand.N(s.Latency + s.Latency/2))
			talking := s.helpers[i].talking()
			s.helpers[i].kill()
			mu.Lock()
			defer mu.Unlock()
			round.Killed++
			round.InFlight = round.InFlight || talking
		})
	}
	began := time.Now()
	close(start)
	calls.Wait()
	round.Wall = time.Since(began)
	killers.Wait()
	round.Requests = s.server.Count(domaintest.Token) - before
	return round, s.mend(&round)
}

func (s *Storm) expire() error {
	tokens, _, err := s.places.TokenFile(s.config).Load()
	if err != nil {
		return err
	}
	return s.save(tokens)
}

// mend replaces the killed helpers, and finds out with one of them whether the
// session can be refreshed; a lost one is replaced by a new sign-in.
func (s *Storm) mend(round *Round) error {
	if round.Killed == 0 {
		return nil
	}
	for i, h := range s.helpers {
		if !h.dead() {
			continue
		}
		fresh, err := startHelper(s.Helper, s.Home)
		if err != nil {
			return err
		}
		s.helpers[i] = fresh
	}
	if err := s.expire(); err != nil {
		return err
	}
	if _, err := s.helpers[rand.N(len(s.helpers))].getToken(); err != nil {
		round.Lost = true
		return s.signIn()
	}
	return nil
}

// A helper is one process of the helper, asked over its wire.
type helper struct {
	command *exec.Cmd
	in      io.WriteCloser

	mu      sync.Mutex
	next    int
	waiting map[int]chan answer
	ended   bool
}

type answer struct {
	ID     int `json:"id"`
	Result struct {
		AccessToken string `json:"accessToken"`
	} `json:"result"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

func startHelper(program, home string) (*helper, error) {
	h := &helper{command: exec.Command(program, "--stdio"), waiting: map[int]chan answer{}}
	h.command.Dir = home
	h.command.Env = append(os.Environ(), "HOME="+home, "USERPROFILE="+home, "LOCALAPPDATA="+filepath.Join(home, "state"),
		"XDG_CONFIG_HOME="+filepath.Join(home, "config"), "XDG_STATE_HOME="+filepath.Join(home, "state"))
	out, err := h.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if h.in, err = h.command.StdinPipe(); err != nil {
		return nil, err
	}
	if err := h.command.Start(); err != nil {
		return nil, err
	}
	go h.read(out)
	// It is up when it answers.
	if _, err := h.call("initialize"); err != nil {
		h.kill()
		return nil, err
	}
	return h, nil
}

func (h *helper) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil || a.ID == 0 {
			continue // a notification
		}
		h.mu.Lock()
		waiting := h.waiting[a.ID]
		delete(h.waiting, a.ID)
		h.mu.Unlock()
		if waiting != nil {
			waiting <- a
		}
	}
	_ = h.command.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for _, waiting := range h.waiting {
		close(waiting)
	}
	h.waiting = nil
}

func (h *helper) call(method string) (answer, error) {
	h.mu.Lock()
	if h.ended {
		h.mu.Unlock()
		return answer{}, errors.New("the helper has ended")
	}
	h.next++
	id, waiting := h.next, make(chan answer, 1)
	h.waiting[id] = waiting
	_, err := fmt.Fprintf(h.in, `{"jsonrpc":"2.0","id":%d,"method":%q}`+"\n", id, method)
	h.mu.Unlock()
	if err != nil {
		return answer{}, err
	}
	select {
	case a, ok := <-waiting:
		switch {
		case !ok:
			return answer{}, errors.New("the helper has ended")
		case a.Error != nil:
			return answer{}, errors.New(a.Error.Message)
		default:
			return a, nil
		}
	case <-time.After(answerPatience):
		return answer{}, errors.New("no answer in time")
	}
}

func (h *helper) getToken() (string, error) {
	a, err := h.call("getToken")
	return a.Result.AccessToken, err
}

// dead reports whether the helper was killed.
func (h *helper) dead() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ended
}

// talking reports whether the helper has a connection open: its own conversation
// goes over pipes, so that can only be the domain's. Where the system does not
// tell, it may have.
func (h *helper) talking() bool {
	dir := fmt.Sprintf("/proc/%d/fd", h.command.Process.Pid)
	files, err := os.ReadDir(dir)
	if err != nil {
		return true
	}
	for _, file := range files {
		if target, err := os.Readlink(filepath.Join(dir, file.Name())); err == nil && strings.HasPrefix(target, "socket:") {
			return true
		}
	}
	return false
}

// kill ends the helper as kill -9 does, and returns when it is gone.
func (h *helper) kill() {
	_ = h.command.Process.Kill()
	for !h.dead() {
		time.Sleep(time.Millisecond)
	}
}
