package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/secrets"
)

// Find returns the path of the configuration for a project directory, valid or not, or "" if
// there is none.
func Find(p store.Places, directory string) string {
	for _, path := range Paths(p, directory) {
		if _, err := regular.Read(path, check.MaxSize); !errors.Is(err, fs.ErrNotExist) {
			return path
		}
	}
	return ""
}

// LoadFile reads the configuration at path. Its errors are those of [Load].
func LoadFile(p store.Places, path string) (Config, error) {
	text, err := regular.ReadText(path, check.MaxSize)
	if err != nil {
		return Config{}, problem.New(problem.Config,
			fmt.Sprintf("The configuration %s %s.", path, regular.Why(err)),
			"Name a file that you can read.").Because(err)
	}
	return ParseProject(p, path, text)
}

// Redacted returns the configuration with its defaults as JSON. A secret in a file is shown
// as the file's name, and one in the configuration itself is left out.
func (c Config) Redacted() []byte {
	file := c.file
	file.Schema, file.Managed = SchemaURL, c.Managed.Path != "" && c.Managed.Path == c.Path
	file.DomainURL, file.BaseURL, file.Endpoints, file.Scope = c.DomainURL, c.BaseURL, check.Written(c.Others), c.Scope
	file.ClientSecret, file.ClientKey = c.ClientSecret.Shown(), c.ClientKey.Shown()
	file.CAFile, file.TLSCert, file.TLSKey = c.Network.CAFile, c.Network.ClientCert, c.Network.ClientKey
	file.LogLevel, file.LogFile = logging.LevelName(c.LogLevel), c.LogFile
	return indented(file)
}

// indented returns a value as indented JSON with a line break at its end.
func indented(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value)
	return text.Bytes()
}

// Named holds the files that a configuration names. The configuration may be invalid.
type Named struct {
	Secrets     []string // files with a secret
	Log         string   // "" for the default
	HoldsSecret bool     // the configuration itself contains a secret, or may contain one
}

// ReadNamed returns the files that the configuration at path names. It leaves out files on
// other machines if the configuration is a project's, which may not name them.
func ReadNamed(p store.Places, path string) (named Named) {
	text, err := regular.ReadText(path, check.MaxSize)
	if err != nil {
		return Named{}
	}
	var file configFile
	read := check.Read(path, text, true, &file)
	named.HoldsSecret = read.Broken
	values := check.Fields(&file)
	for _, key := range Keys {
		value, _ := values[key.Name].Interface().(string)
		if key.Trust == TrustSecret {
			named.HoldsSecret = named.HoldsSecret || secrets.Parse(p, read, key.Name, value).Stands()
		}
		name, _ := key.file(value)
		if name == "" {
			continue
		}
		switch name = p.Expand(name, filepath.Dir(path)); {
		case !Own(p, path) && overNetwork(p, path, name):
		case key.Trust == TrustWritten:
			named.Log = name
		case key.Trust != TrustContent: // a client certificate's file may also contain the key
			named.Secrets = append(named.Secrets, name)
		}
	}
	return named
}

// Secrets returns the secrets of the configuration that can be read.
func (c Config) Secrets() (all []secret.Text) {
	if text, err := c.Proof().Read(); err == nil && !text.Empty() {
		all = append(all, text)
	}
	if text, err := regular.ReadText(c.Network.ClientKey, check.MaxSize); err == nil {
		all = append(all, secret.New(string(text)))
	}
	return all
}

// SecretsIn returns the secrets that the person's own configuration at path names or
// contains, even if the configuration is invalid.
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
