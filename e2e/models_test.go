package e2e

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/e2e/opencode"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// withoutModels is the opencode.json of a person who names the plugin and nothing
// else but more.
func (c *computer) withoutModels(more map[string]any) {
	c.t.Helper()
	root, err := opencode.Root()
	check(c.t, err)
	config := map[string]any{"plugin": []string{"file://" + filepath.Join(root, "npm-shim")}}
	for key, value := range more {
		config[key] = value
	}
	c.write(c.ConfigDir(), "opencode.json", config)
}

// lists returns what opencode models prints of the provider.
func (c *computer) lists(args ...string) string {
	c.t.Helper()
	list := c.start(append([]string{"models", "oci-oidc"}, args...)...)
	if err := list.ends(); err != nil {
		c.t.Errorf("OpenCode: %v\n%s", err, list.output())
	}
	return strings.TrimSpace(plain(list.stdout.String()))
}

// TestModelsAppearByThemselves: TestFirstAnswerAfterBrowserSignIn uses them. The command
// models of the oldest version starts no plugin.
func TestModelsAppearByThemselves(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version   string
		catalogue domaintest.Catalogue
		output    string
	}{
		{opencode.Latest, domaintest.VLLM, "32768"},
		{opencode.Middle, domaintest.LiteLLM, "16384"},
	} {
		t.Run(c.version, func(t *testing.T) {
			t.Parallel()
			domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Catalogue: c.catalogue,
				Models: []string{"text-embedding-3-large", "stand-in-model"}})
			me := newConfiguredComputer(t, c.version, confidential(t, domain))
			me.withoutModels(nil)
			if c.version == opencode.Latest {
				me.asks("hi").says("Run /connect and choose")
			}
			me.signInAtThePrompt()
			list := me.lists("--verbose")
			limits := regexp.MustCompile(`"limit": \{\s+"context": 131072,\s+"output": ` + c.output)
			if !strings.HasPrefix(list, "oci-oidc/stand-in-model") || !limits.MatchString(list) || strings.Contains(list, "embedding") {
				t.Errorf("OpenCode lists %s", list)
			}
		})
	}
}

func TestModelsInThePersonsConfigurationWin(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true, Catalogue: domaintest.VLLM, Models: []string{"a", "b"}})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.withoutModels(map[string]any{"provider": map[string]any{"oci-oidc": map[string]any{"models": map[string]any{
		"a": map[string]any{"name": "Mine", "limit": map[string]any{"context": 1000, "output": 100}}, "unlisted": map[string]any{},
	}}}})
	me.signInAtThePrompt()
	list := me.lists("--verbose")
	for _, want := range []string{"oci-oidc/a", "oci-oidc/unlisted", `"name": "Mine"`, `"context": 1000`} {
		if !strings.Contains(list, want) {
			t.Errorf("there is no %s in %s", want, list)
		}
	}
	if strings.Contains(list, "oci-oidc/b") {
		t.Errorf("more than the person has listed: %s", list)
	}
}

// TestStartUpWaitsForNoEndpoint: whatever the endpoint does, OpenCode starts up in a project
// with the models that are kept, or with none where none are. That is more than a comparison
// of times, which the machine's other work decides; the times are told for people. What is
// slow never answers, so that a start-up that waited for it would not end.
func TestStartUpWaitsForNoEndpoint(t *testing.T) {
	t.Parallel()
	const (
		kept = "oci-oidc/" + domaintest.DefaultModel
		none = "oci-oidc/sign-in-first"
	)
	type place struct {
		name string
		*computer
		domain *domaintest.Server
		models string                   // the file
		took   map[string]time.Duration // by what is kept
	}
	var places []place
	person := newComputer(t, opencode.Latest)
	person.withoutModels(nil)
	person.serves()
	names := []string{"up", "slow", "down"}
	if shorten != nil {
		names = append(names, "a black hole")
	}
	for _, name := range names {
		domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
		way, err := url.Parse(domain.LLMBaseURL)
		check(t, err)
		path := way.Path
		way.Path = ""
		front := httptest.NewServer(&httputil.ReverseProxy{
			Rewrite:  func(r *httputil.ProxyRequest) { r.SetURL(way) },
			ErrorLog: log.New(io.Discard, "", 0),
		})
		t.Cleanup(front.Close)
		configured := confidential(t, domain)
		configured.Endpoint = front.URL + path
		me := person.inProject(t, configured)
		others := me.modelsFiles()
		me.signInAtThePrompt()
		files := slices.DeleteFunc(me.modelsFiles(), func(file string) bool { return slices.Contains(others, file) })
		if len(files) != 1 {
			t.Fatalf("models are kept in %v", files)
		}
		switch name {
		case "slow":
			domain.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Stall})
		case "down":
			front.Close()
		case "a black hole":
			front.Close()
			takesNobody(t, front.Listener.Addr().String())
		}
		places = append(places, place{name, me, domain, files[0], map[string]time.Duration{}})
	}
	starts := func(want string) {
		for _, at := range rand.Perm(len(places)) {
			place := places[at]
			place.restartsHelper()
			asked := place.domain.Count(domaintest.Models)
			began := time.Now()
			// An endpoint that is up may have answered before OpenCode made its list.
			if list := place.hasModels(); list != want && (place.name != "up" || list != kept) {
				t.Errorf("the endpoint is %s: OpenCode lists %q, want %q", place.name, list, want)
			}
			place.took[want] = time.Since(began)
			if place.name != "slow" {
				continue
			}
			check(t, place.domain.WaitFor(t.Context(), domaintest.Models, asked+1))
			if requests := place.domain.Requests(domaintest.Models)[asked:]; requests[0].Status != 0 {
				t.Errorf("the slow endpoint has answered: %d", requests[0].Status)
			}
		}
	}
	for _, place := range places {
		ages(t, place.models)
	}
	starts(kept)
	for _, place := range places {
		check(t, os.Remove(place.models))
	}
	starts(none)
	for _, place := range places {
		t.Logf("%-12s  %5.1f s with models kept, %5.1f s without", place.name, place.took[kept].Seconds(), place.took[none].Seconds())
	}
}

// shorten gives a listening socket a queue for one connection alone. Where it is nil,
// the system has no way to that.
var shorten func(fd uintptr) error

// takesNobody listens at an address at which connections neither come about nor are
// refused, as behind a firewall: the queue of those that nobody accepts is full.
func takesNobody(t *testing.T, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	raw, err := listener.(*net.TCPListener).SyscallConn()
	check(t, err)
	check(t, raw.Control(func(fd uintptr) { err = errors.Join(err, shorten(fd)) }))
	check(t, err)
	for {
		waiting, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return
		}
		t.Cleanup(func() { _ = waiting.Close() })
	}
}

// hasModels returns the provider's models in OpenCode's server, a line each.
func (c *computer) hasModels() string {
	c.t.Helper()
	resp, err := http.Get(c.server.address + "/config/providers?directory=" + url.QueryEscape(c.Project))
	check(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Providers []struct {
			ID     string
			Models map[string]any
		}
	}
	check(c.t, json.NewDecoder(resp.Body).Decode(&list))
	var models []string
	for _, provider := range list.Providers {
		for model := range provider.Models {
			models = append(models, provider.ID+"/"+model)
		}
	}
	slices.Sort(models)
	return strings.Join(models, "\n")
}

// modelsFiles is where the models are kept, of each endpoint.
func (c *computer) modelsFiles() []string {
	files, _ := filepath.Glob(filepath.Join(c.Dir, ".local", "state", "opencode-oci-oidc", "models", "*.json"))
	return files
}

// ages makes the models that a file keeps so old that the endpoint is asked again.
func ages(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	check(t, err)
	old := regexp.MustCompile(`"askedAt":"\d+`).ReplaceAll(text, []byte(`"askedAt":"2020`))
	check(t, store.Replace(file, old))
}

// TestNothingWaitsForTheListOfModels: OpenCode has started, answered and ended while
// the endpoint has not yet told its models.
func TestNothingWaitsForTheListOfModels(t *testing.T) {
	t.Parallel()
	domain := domaintest.New(t, domaintest.Options{AutoApprove: true})
	me := newConfiguredComputer(t, opencode.Latest, confidential(t, domain))
	me.withoutModels(nil)
	me.signInAtThePrompt()
	files := me.modelsFiles()
	if len(files) != 1 {
		t.Fatalf("models are kept in %v", files)
	}
	ages(t, files[0])
	asked := domain.Count(domaintest.Models)

	domain.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Stall})
	me.asks("hi").answers(greeting)
	// On a busy machine, one that has had no answer for its 30 seconds may be followed by another.
	requests := domain.Requests(domaintest.Models)[asked:]
	if len(requests) == 0 || slices.ContainsFunc(requests, func(r domaintest.Request) bool { return r.Status != 0 }) {
		t.Errorf("%d requests for models, want one that was never answered", len(requests))
	}
}
