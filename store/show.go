package store

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// FindConfig returns the path of the configuration that holds in a project
// directory, whether or not it is right, or "" when there is none.
func (p Places) FindConfig(directory string) string {
	for _, path := range p.ConfigPaths(directory) {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// LoadConfigFile reads the configuration at path. Its errors are those of
// [Places.LoadConfig].
func (p Places) LoadConfigFile(path string) (Config, error) {
	text, err := readLimited(path, maxConfigSize)
	if err != nil {
		return Config{}, problem.New(problem.Config,
			fmt.Sprintf("The configuration %s cannot be read: %s.", path, plainCause(err)),
			"Name a file that you can read.").Because(err)
	}
	return p.ProjectConfig(path, text)
}

// Redacted returns the configuration as it holds, defaults included, in JSON. A
// secret that stands in it is left out; the file of one is named.
func (c Config) Redacted() []byte {
	file := configFile{
		Schema:        SchemaURL,
		DomainURL:     c.DomainURL,
		ClientID:      c.ClientID,
		ClientSecret:  c.ClientSecret.shown(),
		ClientKey:     c.ClientKey.shown(),
		ClientKeyID:   c.ClientKeyID,
		RedirectURI:   c.RedirectURIs,
		Scope:         c.Scope,
		Resource:      c.Resources,
		Audience:      c.Audience,
		LoginHint:     c.LoginHint,
		Prompt:        c.Prompt,
		MaxAge:        c.MaxAge,
		ExtraParams:   c.ExtraParams,
		Issuer:        c.Issuer,
		StrictIDToken: c.StrictIDToken,
		BaseURL:       c.BaseURL,
		AuthMethod:    string(c.AuthMethod),
		CAFile:        c.Network.CAFile,
		TLSCert:       c.Network.ClientCert,
		TLSKey:        c.Network.ClientKey,
		LogLevel:      logging.LevelName(c.LogLevel),
		LogFile:       c.LogFile,
		AgentToken:    c.AgentToken,
		TokenStore:    string(c.TokenStore),
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(file)
	return []byte(text.String())
}
