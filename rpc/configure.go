package rpc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/guard"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/signin"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// What OpenCode is told of this plugin's provider.
const (
	provider = "oci-oidc"
	// ProviderName is distinct from "OCI Generative AI" in OpenCode's catalogue.
	providerName = "Company models (OCI identity domain)"
	// OpenCode wants a base URL before anything is known; .invalid never resolves (RFC 6761).
	placeholderBaseURL = "http://oci-oidc.invalid/v1"
	// OpenCode lists no provider without a model, not even in /connect.
	placeholderModel = "sign-in-first"
)

// configureParams are the host's own entries, as the person wrote them: those of
// opencode.json in OpenCode 1.
type configureParams struct {
	Worktree   string          `json:"worktree"`
	Model      string          `json:"model"`
	SmallModel string          `json:"small_model"`
	Provider   json.RawMessage `json:"provider"` // of provider.oci-oidc alone
	Permission json.RawMessage `json:"permission"`
	Agent      json.RawMessage `json:"agent"`
	Mode       json.RawMessage `json:"mode"`
}

// configureResult are the same, completed, and what else the host shows of the plugin.
type configureResult struct {
	Provider   json.RawMessage `json:"provider"`
	Permission json.RawMessage `json:"permission"`
	Agent      json.RawMessage `json:"agent,omitempty"`
	Mode       json.RawMessage `json:"mode,omitempty"`
	Methods    []signInMethod  `json:"methods"`
	Tools      []toolInfo      `json:"tools"`
	Commands   []commandInfo   `json:"commands"`
}

// configure completes the configuration of OpenCode. What the person wrote wins.
func (s *server) configure(_ context.Context, p configureParams) (any, error) {
	session, err := s.open()
	if err != nil {
		s.Log.Warn("no usable configuration", "problem", problem.From(err))
	}
	baseURL, known := placeholderBaseURL, endpoint.Models(nil)
	if session != nil && err == nil {
		baseURL, known = session.Config().BaseURL, s.knownModels(session)
	}
	methods := s.offers(session, err)
	if s.isHost(opencode2) {
		return configure2(session, baseURL, known, methods), nil
	}
	own := p.Provider
	if json.Unmarshal(own, &ordered{}) != nil {
		own = json.RawMessage("{}")
	}
	entry := merged(encode(ordered{
		{"npm", encode("@ai-sdk/openai-compatible")},
		{"name", encode(providerName)},
		{"options", encode(map[string]string{"baseURL": baseURL})},
	}), own)
	var complete ordered
	_ = json.Unmarshal(entry, &complete)
	complete.set("models", models(known, complete.get("models"), p.Model, p.SmallModel))

	rules := denyRulesFor(s.Places, guard.ProtectedIn(s.Places, s.directoryOf("")), p.Worktree)
	return configureResult{
		Provider: encode(complete), Permission: rules.addTo(p.Permission),
		Agent: rules.addToAgents(p.Agent), Mode: rules.addToAgents(p.Mode),
		Methods: methods, Tools: tools, Commands: commands,
	}, nil
}

// offers are the ways to sign in. From now on the host is told when they change, and the
// item beside the prompt.
func (s *server) offers(session *oidc.Session, err error) []signInMethod {
	methods := s.methodsFor(session, err)
	s.mu.Lock()
	s.offered = encode(methods)
	watching := s.watching
	s.watching = true
	s.mu.Unlock()
	if !watching {
		s.calls.Go(s.watchItem)
	}
	return methods
}

func (s *server) isHost(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.client.Host == name
}

// addToAgents adds the rules to the agents that have rules of their own.
func (r denyRules) addToAgents(agents json.RawMessage) json.RawMessage {
	var all ordered
	if json.Unmarshal(agents, &all) != nil {
		return agents
	}
	for i, m := range all {
		var agent ordered
		if json.Unmarshal(m.value, &agent) != nil || agent.get("permission") == nil {
			continue
		}
		agent.set("permission", r.addTo(agent.get("permission")))
		all[i].value = encode(agent)
	}
	return encode(all)
}

// models are those to choose from: those that the person lists, with what the endpoint
// tells of them beneath; without a list, all that the endpoint tells, and what was named
// as the model to use, which may be known to nobody before the first sign-in.
func models(known endpoint.Models, listed json.RawMessage, named ...string) json.RawMessage {
	var own, all ordered
	_ = json.Unmarshal(listed, &own)
	for _, m := range own {
		id := m.key
		var entry struct {
			ID string `json:"id"`
		}
		if json.Unmarshal(m.value, &entry) == nil && entry.ID != "" {
			id = entry.ID
		}
		if model, ok := known[id]; ok {
			m.value = merged(encode(model), m.value)
		}
		all = append(all, m)
	}
	if len(own) > 0 {
		return encode(all)
	}
	for _, name := range named {
		if id, ours := strings.CutPrefix(name, provider+"/"); ours {
			all.set(id, json.RawMessage("{}"))
		}
	}
	var told ordered
	_ = json.Unmarshal(encode(known), &told)
	for _, m := range told {
		all.set(m.key, m.value)
	}
	if len(all) == 0 {
		all.set(placeholderModel, encode(map[string]string{"name": "Sign in with /connect"}))
	}
	return encode(all)
}

// A signInMethod is a way to sign in as the host lists it.
type signInMethod struct {
	Label    string       `json:"label"`
	Params   methodParams `json:"params"`
	Question *question    `json:"question,omitempty"`
}

type methodParams struct {
	Flow signin.Flow `json:"flow,omitempty"`
}

// A question is asked before the configuration of a project holds: it may come with a
// repository that somebody else wrote. The answer is the digest of what was shown, so that
// it holds for nothing else.
type question struct {
	Message string   `json:"message"`
	Options []option `json:"options"` // No first
}

type option struct {
	Label string `json:"label"`
	Value string `json:"value"`
	Hint  string `json:"hint,omitempty"`
}

// notConfirmed is the answer No.
const notConfirmed = "no"

var labels = map[signin.Flow]string{
	signin.Browser: "Sign in with a browser",
	signin.Device:  "Sign in with a code on another device",
	signin.Paste:   "Sign in elsewhere and paste the redirect URL",
}

// methodsFor are the ways to sign in, the best one first.
func (s *server) methodsFor(session *oidc.Session, err error) []signInMethod {
	var flows []signin.Flow
	if session != nil && err == nil {
		flows = session.Flows()
	} else {
		flows = signin.Flows(config.Config{})
	}
	var asked *question
	if u := config.AsUnconfirmed(err); u != nil {
		flows = signin.Flows(u.Config)
		// A line each: where one is too long, the dialog breaks it and cuts nothing off.
		asked = &question{
			fmt.Sprintf("Trust this project's configuration?\nIt signs you in at\n%s\nand sends your tokens to\n%s", u.Domain(), u.Endpoint()),
			[]option{{"No", notConfirmed, u.Config.Path}, {"Yes", u.Digest, ""}},
		}
	}
	methods := []signInMethod{}
	for _, flow := range flows {
		methods = append(methods, signInMethod{labels[flow], methodParams{flow}, asked})
	}
	if len(methods) == 0 {
		methods = append(methods, signInMethod{"Check the connection: no sign-in is needed", methodParams{}, asked})
	}
	return methods
}

// offerMethods tells the host the ways to sign in where they are no longer those that it
// was told, or something else must be confirmed first.
func (s *server) offerMethods(session *oidc.Session, err error) {
	methods := s.methodsFor(session, err)
	offered := encode(methods)
	s.mu.Lock()
	changed := s.offered != nil && string(s.offered) != string(offered)
	if changed {
		s.offered = offered
	}
	s.mu.Unlock()
	if changed {
		s.notify("connect/methods", map[string]any{"methods": methods})
	}
}

// An item stands beside the prompt: whether and for how long the session is good. There
// is room for some 18 columns, since the name of the provider stands there, too.
type item struct {
	Text  string `json:"text"`
	Level string `json:"level"` // good, warning or error
}

// itemInterval is how often the item is looked at: it counts minutes.
const itemInterval = time.Minute

// watchItem tells the host the item whenever it changes.
func (s *server) watchItem() {
	ticker := time.NewTicker(itemInterval)
	defer ticker.Stop()
	for {
		s.tellItem()
		select {
		case <-ticker.C:
		case <-s.life.Done():
			return
		}
	}
}

// tellItem tells the host the item if it is not the one that it was told last.
func (s *server) tellItem() {
	s.mu.Lock()
	session, watching := s.session, s.watching
	s.mu.Unlock()
	if !watching {
		return
	}
	var current *item
	if session != nil {
		current = itemFor(session.Status(), time.Now())
	}
	told := encode(map[string]any{"item": current})
	s.mu.Lock()
	changed := string(s.item) != string(told)
	s.item = told
	s.mu.Unlock()
	if changed {
		s.notify("status/changed", told)
	}
}

// soon is how long before a sign-in is needed a person is told, since it takes them a
// moment.
const soon = 10 * time.Minute

func itemFor(status oidc.Status, now time.Time) *item {
	good := func(text string) *item { return &item{strings.TrimSpace("OCI ✓ " + text), "good"} }
	warning := func(text string) *item { return &item{"OCI ! " + text, "warning"} }
	left := max(0, status.ExpiresAt.Sub(now))
	switch {
	case !status.SignedIn:
		return warning("/connect")
	case !status.Refreshable && left > soon:
		return good(short(left))
	case !status.Refreshable || status.Problem != nil && left > 0:
		return warning(short(left) + " left")
	case status.Problem != nil:
		return warning("not renewed")
	case left > 0:
		return good(short(left))
	default:
		return good("") // the next request renews it
	}
}
