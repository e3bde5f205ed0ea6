// Package machine is one person's machine for the measurements: a stand-in domain
// and endpoint, the person's configuration and session, and helpers to ask.
package machine

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// A Machine has one home directory.
type Machine struct {
	Home   string
	Server *domaintest.Server
	Places store.Places
	Config config.Config
}

// New sets up a machine in the empty directory home, with a configuration and no
// session.
func New(home string, options domaintest.Options) (*Machine, error) {
	server, err := domaintest.Start(options)
	if err != nil {
		return nil, err
	}
	m := &Machine{Home: home, Server: server, Places: store.Places{
		Home: home, ConfigDirs: []string{filepath.Join(home, ".config", "opencode")},
		StateDir: filepath.Join(home, ".local", "state", "opencode-oci-oidc"), LogFile: filepath.Join(home, "oci-oidc-debug.log"),
	}}
	if err := m.configure(); err != nil {
		server.Close()
		return nil, err
	}
	return m, nil
}

// Close ends the domain.
func (m *Machine) Close() { m.Server.Close() }

// Environ is the environment of the machine's programs.
func (m *Machine) Environ() []string {
	return append(os.Environ(), "HOME="+m.Home, "USERPROFILE="+m.Home, "LOCALAPPDATA="+filepath.Join(m.Home, "AppData", "Local"),
		"XDG_CONFIG_HOME="+filepath.Join(m.Home, ".config"), "XDG_STATE_HOME="+filepath.Join(m.Home, ".local", "state"))
}

func (m *Machine) configure() error {
	text, err := json.Marshal(map[string]string{
		"domain_url": m.Server.URL, "llm_base_url": m.Server.LLMBaseURL,
		"client_id": domaintest.ConfidentialClient, "client_secret": domaintest.ConfidentialSecret,
		"scope": "openid offline_access " + domaintest.DefaultScope,
	})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(m.Places.ConfigDirs[0], 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.Places.ConfigDirs[0], config.Name), text, 0o600); err != nil {
		return err
	}
	m.Config, err = config.Load(m.Places, m.Home)
	return err
}

// SignIn saves the tokens of a new session, issued now.
func (m *Machine) SignIn() error {
	issued, err := m.Server.Issue(m.Config.ClientID, m.Config.Scope)
	if err != nil {
		return err
	}
	now := time.Now()
	return m.Save(tokens.Tokens{
		Access: secret.New(issued.AccessToken), Type: "Bearer", Refresh: secret.New(issued.RefreshToken),
		IssuedAt: now, ExpiresAt: now.Add(time.Duration(issued.ExpiresIn) * time.Second),
		Subject: domaintest.DefaultUser.Name, Endpoints: tokens.Endpoints{Token: m.Server.URL + "/oauth2/v1/token"},
	})
}

// Expire makes the saved access token one that expired a moment ago.
func (m *Machine) Expire() error {
	tokens, _, err := tokens.Open(m.Places, m.Config).Load()
	if err != nil {
		return err
	}
	now := time.Now()
	tokens.IssuedAt, tokens.ExpiresAt = now.Add(-time.Hour), now.Add(-time.Second)
	return m.Save(tokens)
}

// Save saves tokens.
func (m *Machine) Save(tok tokens.Tokens) error {
	_, err := tokens.Open(m.Places, m.Config).Save(tok)
	return err
}
