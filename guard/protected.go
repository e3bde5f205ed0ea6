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

// Protected lists what an agent's tools must not touch. All paths are absolute.
type Protected struct {
	Trees    []string // directories in which nothing may be opened
	Files    []string // files that hold a secret
	ReadOnly []string // files without a secret that an agent must not change
}

// ProtectedIn returns what is protected in a project directory, from the configurations that
// are on the disk now.
//
// The person's own configuration takes effect without confirmation, so an agent that could
// change it could send tokens to another server. It is read-only, or not readable at all if
// it holds a secret. A project's configuration may be changed, because the person must
// confirm the change before it takes effect.
func ProtectedIn(p store.Places, directory string) Protected {
	protected := Protected{ReadOnly: []string{p.LogFile}}
	if p.StateDir != "" {
		protected.Trees = append(protected.Trees, p.StateDir)
	}
	if p.Home != "" {
		protected.Trees = append(protected.Trees, filepath.Join(p.Home, ".secrets"))
	}
	// OpenCode's own secrets: the keys of other providers, and sessions at MCP servers.
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

// openCodeData returns the directory of OpenCode's own credentials, the same on every
// platform.
func openCodeData(p store.Places) string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "opencode")
	}
	return filepath.Join(p.Home, ".local", "share", "opencode")
}

// Secrets returns the secrets to redact from what an agent reads: those in the configuration
// in effect in a project directory, those in the person's own configuration, which takes
// effect if the project's is removed, and those of all saved sessions. Files that cannot be
// read are left out.
func Secrets(p store.Places, directory string) []secret.Text {
	c, err := config.Load(p, directory)
	secrets := c.Secrets()
	for _, path := range config.Paths(p, directory)[1:] {
		secrets = append(secrets, config.SecretsIn(p, path)...)
	}
	return append(secrets, tokens.Secrets(p, err == nil && c.AgentToken)...)
}
