package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/secrets"
)

// Find returns the path of the configuration that holds in a project
// directory, whether or not it is right, or "" when there is none.
func Find(p store.Places, directory string) string {
	for _, path := range Paths(p, directory) {
		if _, err := regular.Read(path, check.MaxSize); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
	return ""
}

// LoadFile reads the configuration at path. Its errors are those of
// [Load].
func LoadFile(p store.Places, path string) (Config, error) {
	text, err := regular.ReadText(path, check.MaxSize)
	if err != nil {
		return Config{}, problem.New(problem.Config,
			fmt.Sprintf("The configuration %s %s.", path, regular.Why(err)),
			"Name a file that you can read.").Because(err)
	}
	return ParseProject(p, path, text)
}

// Redacted returns the configuration as it holds, defaults included, in JSON. A
// secret that stands in it is left out; the file of one is named.
func (c Config) Redacted() []byte {
	file := configFile{
		Schema:        SchemaURL,
		Managed:       c.Managed.Path != "" && c.Managed.Path == c.Path,
		DomainURL:     c.DomainURL,
		ClientID:      c.ClientID,
		ClientSecret:  c.ClientSecret.Shown(),
		ClientKey:     c.ClientKey.Shown(),
		ClientKeyID:   c.ClientKeyID,
		SignIn:        c.SignIn,
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
		Endpoints:     check.Written(c.Others),
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

// Named are the files that a configuration names, whether or not it is right.
type Named struct {
	Secrets     []string // files with a secret
	Log         string   // "" for the usual place
	HoldsSecret bool     // a secret stands in the configuration itself, or may
}

// ReadNamed reads them from the configuration at path; none where there is no file. What
// a project's configuration may not name, because it is on another machine, is left out.
func ReadNamed(p store.Places, path string) (named Named) {
	text, err := regular.ReadText(path, check.MaxSize)
	if err != nil {
		return Named{}
	}
	var file configFile
	check := check.Read(path, text, true, &file)
	named.HoldsSecret = check.Broken
	for key, value := range map[string]string{"client_secret": file.ClientSecret, "client_key": file.ClientKey} {
		ref := secrets.Parse(p, check, key, value)
		named.HoldsSecret = named.HoldsSecret || ref.Stands()
		if ref.File() != "" {
			named.Secrets = append(named.Secrets, ref.File())
		}
	}
	// A certificate may have its key with it.
	for _, name := range []string{file.TLSKey, file.TLSCert} {
		if name != "" {
			named.Secrets = append(named.Secrets, p.Expand(name, filepath.Dir(path)))
		}
	}
	if file.LogFile != "" {
		named.Log = p.Expand(file.LogFile, filepath.Dir(path))
	}
	if !Own(p, path) {
		named.Secrets = slices.DeleteFunc(named.Secrets, func(file string) bool { return overNetwork(p, path, file) })
		if overNetwork(p, path, named.Log) {
			named.Log = ""
		}
	}
	return named
}

// Secrets are the secrets of a configuration, as far as they can be read.
func (c Config) Secrets() (all []secret.Text) {
	if text, err := c.Proof().Read(); err == nil && !text.Empty() {
		all = append(all, text)
	}
	if text, err := regular.ReadText(c.Network.ClientKey, check.MaxSize); err == nil {
		all = append(all, secret.New(string(text)))
	}
	return all
}

// SecretsIn are the secrets that the person's own configuration at path names or holds,
// also where it is broken elsewhere.
func SecretsIn(p store.Places, path string) (all []secret.Text) {
	text, err := regular.ReadText(path, check.MaxSize)
	if err != nil {
		return nil
	}
	if c, err := parseConfig(p, path, text); err == nil {
		return c.Secrets()
	}
	for _, file := range ReadNamed(p, path).Secrets {
		if text, err := regular.ReadText(file, check.MaxSize); err == nil {
			all = append(all, secret.New(strings.TrimSpace(string(text))))
		}
	}
	return all
}
