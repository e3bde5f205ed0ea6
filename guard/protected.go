package guard

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// Protected says what an agent's tools may not touch.
type Protected struct {
	Trees    []string // directories in which nothing may be opened
	Files    []string // files that hold a secret
	ReadOnly []string // files without a secret that an agent must not change
}

// ProtectedIn reads from the disk what is protected in a project directory.
//
// The person's own configuration is believed as it is, so that an agent that
// changed it could send the session elsewhere; it may be read while it holds no
// secret. A change of a project's configuration means nothing before the person
// has confirmed it.
func ProtectedIn(p store.Places, directory string) Protected {
	protected := Protected{ReadOnly: []string{p.LogFile}}
	if p.StateDir != "" {
		protected.Trees = append(protected.Trees, p.StateDir)
	}
	if p.Home != "" {
		protected.Trees = append(protected.Trees, filepath.Join(p.Home, ".secrets"))
	}
	// OpenCode's own: keys of other providers, sessions at MCP servers.
	for _, name := range []string{"auth.json", "mcp-auth.json"} {
		protected.Files = append(protected.Files, filepath.Join(openCodeData(p), name))
	}
	for i, path := range config.Paths(p, directory) {
		named := config.ReadNamed(p, path)
		protected.Files = append(protected.Files, named.Secrets...)
		protected.ReadOnly = append(protected.ReadOnly, named.Log)
		switch own := i > 0; {
		case named.HoldsSecret:
			protected.Files = append(protected.Files, path)
		case own:
			protected.ReadOnly = append(protected.ReadOnly, path)
		}
	}
	empty := func(path string) bool { return path == "" }
	protected.Files = slices.DeleteFunc(protected.Files, empty)
	protected.ReadOnly = slices.DeleteFunc(protected.ReadOnly, empty)
	return protected
}

// openCodeData is where OpenCode keeps its own credentials, on every platform.
func openCodeData(p store.Places) string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "opencode")
	}
	return filepath.Join(p.Home, ".local", "share", "opencode")
}

// Secrets are those that an agent may not have: of the configuration that holds in a
// project directory, of the person's own, which holds again as soon as the project's is
// gone, and of all saved sessions. What cannot be read is left out.
func Secrets(p store.Places, directory string) []secret.Text {
	c, err := config.Load(p, directory)
	secrets := c.Secrets()
	for _, path := range config.Paths(p, directory)[1:] {
		secrets = append(secrets, config.SecretsIn(p, path)...)
	}
	return append(secrets, tokens.Secrets(p, err == nil && c.AgentToken)...)
}
