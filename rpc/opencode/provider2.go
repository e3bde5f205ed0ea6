package opencode

import (
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Version2 is OpenCode 2 as a client names it.
const Version2 = "opencode-2"

// Completed2 is what configure answers OpenCode 2, in its own form. It applies what
// the person wrote itself, after this.
type Completed2 struct {
	Provider provider2      `json:"provider"`
	Methods  []SignInMethod `json:"methods"`
	Tools    []Tool         `json:"tools"`

	// The environment variables that hold a secret: no command of an agent may inherit them.
	Secrets []string `json:"secrets"`
}

type provider2 struct {
	Info   providerInfo2            `json:"info"`
	Models []endpoint.CompleteModel `json:"models"`
}

type providerInfo2 struct {
	ID            string            `json:"id"`
	Name          string            `json:"name"`
	IntegrationID string            `json:"integrationID"`
	Activation    string            `json:"activation"`
	Package       string            `json:"package"`
	Settings      map[string]string `json:"settings"`
}

// Complete2 is what OpenCode 2 lists of the plugin.
func Complete2(session *oidc.Session, endpoints []Known, methods []SignInMethod) Completed2 {
	secrets := []string{}
	if session != nil {
		if variable := session.Config().Proof().Env(); variable != "" {
			secrets = append(secrets, variable)
		}
	}
	first := Known{Endpoint: config.Endpoint{BaseURL: PlaceholderBaseURL}}
	if len(endpoints) > 0 {
		first = endpoints[0]
	}
	info := providerInfo2{
		ID: config.Provider, Name: ProviderName, IntegrationID: config.Provider,
		// Listed without an account, too: client credentials need none, nor does a sign-in
		// with the helper alone.
		Activation: "enabled",
		Package:    "@opencode/ai/providers/openai-compatible",
		Settings:   map[string]string{"baseURL": first.BaseURL},
	}
	return Completed2{provider2{info, first.Models.Complete(config.Provider)}, methods, tools, secrets}
}
