package rpc

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// signInAtOnce signs in with a browser that needs no person.
func (p *peer) signInAtOnce() {
	p.t.Helper()
	p.signInFor("")
}

// signInFor is signInAtOnce for the session of a provider.
func (p *peer) signInFor(provider string) {
	p.t.Helper()
	m := p.call("connect", fmt.Sprintf(`{"flow":"browser","openBrowser":false,"provider":%q}`, provider), func(n message) {
		if n.Method == "connect/prompt" {
			var prompt connectPrompt
			if err := json.Unmarshal(n.Params, &prompt); err != nil {
				p.t.Error(err)
			}
			go open(p.t, prompt.URL)
		}
	})
	if m.Error != nil {
		p.t.Fatalf("connect: %+v", m.Error)
	}
}

// models returns the models that configure lists, as JSON.
func (p *peer) models() string {
	p.t.Helper()
	m := p.call("configure", "", nil)
	text, err := json.Marshal(m.provider(config.Provider)["models"])
	if err != nil || m.Error != nil {
		p.t.Fatalf("configure: %+v, %v", m, err)
	}
	return string(text)
}

// provider returns an entry of the host's configuration after configure.
func (m message) provider(id string) map[string]any {
	providers, _ := m.Result["providers"].(map[string]any)
	provider, _ := providers[id].(map[string]any)
	return provider
}

// noModels is the result of models if none are known.
const noModels = `{"sign-in-first":{"name":"Sign in with /connect"}}`

// kept returns the path of the saved models of the only configuration in places.
func kept(t *testing.T, places store.Places) tokens.ModelsFile {
	t.Helper()
	config, err := config.Load(places, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return tokens.OpenModels(places, config, config.Endpoints()[0])
}

func TestModelsAreListedAfterTheSignIn(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true, Catalogue: domaintest.VLLM})
	places := configured(t, server)
	p := converse(t, places)
	if got := p.models(); got != noModels {
		t.Errorf("before: %s", got)
	}
	if n := server.Count(domaintest.Models); n != 0 {
		t.Errorf("asked %d times without a token", n)
	}
	p.signInAtOnce()
	const want = `{"stand-in-model":{"limit":{"context":131072,"output":32768}}}`
	if got := p.models(); got != want {
		t.Errorf("after: %s", got)
	}
	if got := converse(t, places).models(); got != want {
		t.Errorf("in another process: %s", got)
	}
	if n := server.Count(domaintest.Models); n != 1 {
		t.Errorf("asked %d times, want once: the list is young", n)
	}
}

// While the endpoint does not answer, initialize is answered and the conversation can end.
func TestNothingWaitsForTheModels(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	server.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Stall})
	places := configured(t, server)
	p := converse(t, places)
	p.signInAtOnce() // gives up on them
	p.hangUp()
	asked := server.Count(domaintest.Models)

	p = converse(t, places)
	if got := p.models(); got != noModels {
		t.Errorf("models %s", got)
	}
	await(t, func() bool { return server.Count(domaintest.Models) == asked+1 })
	if m := p.call("getToken", "", nil); m.Error != nil {
		t.Errorf("getToken: %+v", m.Error)
	}
	p.models()
	if got := server.Count(domaintest.Models); got != asked+1 {
		t.Errorf("asked %d times at once", got-asked)
	}
	p.hangUp()
}

func TestSavedModelsAreUsedUntilRefreshed(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	places := configured(t, server)
	p := converse(t, places)
	// So that no list that is fetched after the sign-in replaces the old one.
	server.FailAlways(domaintest.Models, domaintest.Fault{Kind: domaintest.Unavailable})
	p.signInAtOnce()
	file := kept(t, places)
	if err := file.Save(endpoint.Models{"old": {}}, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, fault := range []domaintest.FaultKind{domaintest.Unauthorized, domaintest.Unavailable, domaintest.Portal, domaintest.Huge, domaintest.Truncate, domaintest.Reset} {
		before := server.Count(domaintest.Models)
		server.FailAlways(domaintest.Models, domaintest.Fault{Kind: fault})
		await(t, func() bool {
			if got := p.models(); got != `{"old":{}}` {
				t.Fatalf("%s: %s", fault, got)
			}
			return server.Count(domaintest.Models) > before+1 // one request has then ended
		})
		if models, _ := file.Load(); len(models) != 1 {
			t.Errorf("%s: %v", fault, models)
		}
	}
	server.Heal(domaintest.Models)
	await(t, func() bool { return p.models() == `{"stand-in-model":{}}` })
}

func TestDamagedModelListIsFetchedAgain(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{AutoApprove: true})
	places := configured(t, server)
	p := converse(t, places)
	p.signInAtOnce()
	for _, text := range []string{``, `{"version":1,"models":{"m":`, `{"version":2,"models":{"m":{}}}`, `{"version":1,"models":[]}`, `[]`} {
		if err := os.WriteFile(kept(t, places).Path(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := p.models(); got != noModels {
			t.Errorf("%s: %s", text, got)
		}
		await(t, func() bool {
			p.models() // the one before may not have been over
			models, _ := kept(t, places).Load()
			return len(models) == 1
		})
	}
}

// await polls until a condition is true.
func await(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about in two minutes")
		}
	}
}
