package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

// A server is an OpenCode that many projects use, each with a plugin and a helper of its own. To
// start one takes seconds of processor, and a request to it next to nothing.
type server struct {
	*run
	address string
	events  text // of all projects, an event a line
}

// serves starts OpenCode's server.
func (c *computer) serves(args ...string) *server {
	c.t.Helper()
	patient := *c
	patient.limit = 10 * runLimit // of all that it is asked
	s := &server{run: patient.start(slices.Concat([]string{"serve", "--hostname", "127.0.0.1", "--port", "0"}, args)...)}
	s.await("an address", func() bool {
		found := regexp.MustCompile(`listening on (http://127\.0\.0\.1:\d+)`).FindStringSubmatch(s.all.String())
		if found != nil {
			s.address = found[1]
		}
		return found != nil
	})
	c.server = s
	events, err := http.Get(s.address + "/global/event")
	check(c.t, err)
	go func() { _, _ = io.Copy(&s.events, events.Body) }() // until the server ends
	c.t.Cleanup(func() { _ = events.Body.Close() })
	return s
}

// inProject is the same person in a project with a configuration, which they have confirmed. Its
// session and its log are its own if its domain is.
func (c *computer) inProject(t *testing.T, configuration config) *computer {
	t.Helper()
	p := c.inEmptyProject(t)
	p.configure(configuration)
	return p
}

// inEmptyProject is the same person in a directory without a configuration.
func (c *computer) inEmptyProject(t *testing.T) *computer {
	t.Helper()
	p, home := *c, *c.Home
	home.Project, home.Environ = filepath.Join(c.Dir, "project-"+randomLetters()), slices.Clone(c.Environ)
	check(t, os.Mkdir(home.Project, 0o700))
	p.Home, p.t, p.own = &home, t, config{}
	return &p
}

// configure writes a project's configuration and confirms it.
func (c *computer) configure(configuration config) {
	c.t.Helper()
	configuration.LogFile = filepath.Join(c.Project, "log")
	c.own = configuration
	c.write(c.Project, "oci-auth.config.jsonc", configuration)
	c.trusts(c.Project)
}

// trusts is the person's word that a project's own configuration is right.
func (c *computer) trusts(dir string) {
	c.t.Helper()
	if output, err := c.helps("-C", dir, "config", "trust", "--yes"); err != nil {
		c.t.Fatalf("config trust: %v\n%s", err, output)
	}
}

// chats has the server put a question to a model of a provider, the stand-in's unless one is
// named, in a session of its own. The run that it returns has the words that opencode run prints:
// the answer, or why there is none, and whether OpenCode tries again.
func (c *computer) chats(provider string, model ...string) *run {
	c.t.Helper()
	run := c.startsChat(provider, model...)
	_ = run.ends()
	return run
}

// startsChat is chats without the wait for the end.
func (c *computer) startsChat(provider string, model ...string) *run {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), cmp.Or(c.limit, runLimit))
	r := &run{t: c.t, args: append([]string{"serve:", provider}, model...), end: cancel, ended: make(chan struct{})}
	c.t.Cleanup(func() { cancel(); <-r.ended })
	go func() {
		defer close(r.ended)
		defer cancel()
		r.err = c.reads(ctx, r, provider, slices.Concat(model, []string{domaintest.DefaultModel})[0])
	}()
	return r
}

// restartsHelper has OpenCode start the plugin anew in this project, as a new process would.
func (c *computer) restartsHelper() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), runLimit)
	defer cancel()
	var done bool
	if err := c.posts(ctx, "/instance/dispose", "", &done); err != nil || !done {
		c.t.Fatalf("%v %v", done, err)
	}
}

// reads is what startsChat does meanwhile.
func (c *computer) reads(ctx context.Context, r *run, provider, model string) error {
	var session struct{ ID string }
	if err := c.posts(ctx, "/session", `{"title":"greeting"}`, &session); err != nil {
		return err
	}
	question := fmt.Sprintf(`{"model":{"providerID":%q,"modelID":%q},"parts":[{"type":"text","text":"hi"}]}`, provider, model)
	var answer struct {
		Parts []struct{ Text string }
		Info  struct {
			Error *struct{ Data struct{ Message string } }
		}
	}
	err := c.posts(ctx, "/session/"+session.ID+"/message", question, &answer)
	for event := range strings.Lines(c.server.events.String()) {
		if strings.Contains(event, session.ID) && strings.Contains(event, `"status":{"type":"retry"`) {
			_, _ = r.all.Write([]byte("[retrying] " + event))
		}
	}
	if err != nil {
		return err
	}
	for _, part := range answer.Parts {
		_, _ = r.stdout.Write([]byte(part.Text))
		_, _ = r.all.Write([]byte(part.Text))
	}
	if answer.Info.Error != nil {
		_, _ = r.all.Write([]byte(answer.Info.Error.Data.Message))
		return errors.New("an error for an answer")
	}
	return nil
}

// posts asks the server for something in the project.
func (c *computer) posts(ctx context.Context, path, body string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.server.address+path+"?directory="+url.QueryEscape(c.Project), strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(into)
}
