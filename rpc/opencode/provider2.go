package opencode

import (
	"cmp"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// Version2 is the host name that the shim sends for OpenCode 2.
const Version2 = "opencode-2"

// Completed2 is the result of configure for OpenCode 2, which itself applies the person's
// own configuration on top.
type Completed2 struct {
	Providers []provider2    `json:"providers"`
	Methods   []SignInMethod `json:"methods"`
	Tools     []Tool         `json:"tools"`

	// Secrets names environment variables that hold a secret. An agent's commands must not inherit them.
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

// Complete2 returns what OpenCode 2 lists of the plugin. All ways to sign in stand
// under the name of the first provider.
func Complete2(sessions *scopes.Sessions, endpoints []Known, methods []SignInMethod) Completed2 {
	secrets := []string{}
	if sessions != nil {
		if variable := sessions.Config().Proof().Env(); variable != "" {
			secrets = append(secrets, variable)
		}
	}
	if len(endpoints) == 0 {
		endpoints = []Known{{Endpoint: config.Endpoint{BaseURL: PlaceholderBaseURL}}}
	}
	var providers []provider2
	for _, e := range endpoints {
		info := providerInfo2{
			ID: e.Provider(), Name: cmp.Or(e.Name, ProviderName), IntegrationID: config.Provider,
			// The provider is listed even without an account in OpenCode: client credentials need
			// none, and the person may have signed in with the helper's own command.
			Activation: "enabled",
			Package:    "@opencode/ai/providers/openai-compatible",
			Settings:   map[string]string{"baseURL": e.BaseURL},
		}
		providers = append(providers, provider2{info, e.Models.Complete(info.ID)})
	}
	return Completed2{providers, methods, tools, secrets}
}
