package store

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// Protected says what an agent's tools may not touch.
type Protected struct {
	Trees    []string // directories in which nothing may be opened
	Files    []string // files that hold a secret
	ReadOnly []string // files without a secret that an agent must not change
}

// Protected reads from the disk what is protected in a project directory.
//
// The person's own configuration is believed as it is, so that an agent that
// changed it could send the session elsewhere; it may be read while it holds no
// secret. A change of a project's configuration means nothing before the person
// has confirmed it.
func (p Places) Protected(directory string) Protected {
	protected := Protected{ReadOnly: []string{p.LogFile}}
	if p.StateDir != "" {
		protected.Trees = append(protected.Trees, p.StateDir)
	}
	if p.Home != "" {
		protected.Trees = append(protected.Trees, filepath.Join(p.Home, ".secrets"))
	}
	// OpenCode's own: keys of other providers, sessions at MCP servers.
	for _, name := range []string{"auth.json", "mcp-auth.json"} {
		protected.Files = append(protected.Files, filepath.Join(p.openCodeData(), name))
	}
	for i, path := range p.ConfigPaths(directory) {
		text, err := readLimited(path, maxConfigSize)
		holdsSecret := false
		if err == nil {
			var file configFile
			check := decodeObject(path, text, true, &file)
			holdsSecret = check.broken
			for key, value := range map[string]string{"client_secret": file.ClientSecret, "client_key": file.ClientKey} {
				ref := p.secretRef(check, key, value)
				protected.Files = append(protected.Files, ref.file)
				holdsSecret = holdsSecret || !ref.text.Empty()
			}
			// A certificate may have its key with it.
			for _, name := range []string{file.TLSKey, file.TLSCert} {
				if name != "" {
					protected.Files = append(protected.Files, p.expand(name, filepath.Dir(path)))
				}
			}
			if file.LogFile != "" {
				protected.ReadOnly = append(protected.ReadOnly, p.expand(file.LogFile, filepath.Dir(path)))
			}
		}
		switch own := i > 0; {
		case holdsSecret:
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
func (p Places) openCodeData() string {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "opencode")
	}
	return filepath.Join(p.Home, ".local", "share", "opencode")
}

// Secrets are those that an agent may not have: of the configuration that holds in a
// project directory, and of all saved sessions. What cannot be read is left out.
func (p Places) Secrets(directory string) []secret.Text {
	var secrets []secret.Text
	config, err := p.LoadConfig(directory)
	if err == nil {
		if text, err := config.Proof().Read(); err == nil {
			secrets = append(secrets, text)
		}
		if text, err := readLimited(config.Network.ClientKey, maxConfigSize); err == nil {
			secrets = append(secrets, secret.New(string(text)))
		}
	}
	files, _ := filepath.Glob(filepath.Join(p.StateDir, "*.json"))
	for _, path := range files {
		text, err := readLimited(path, maxTokensSize)
		if err != nil {
			continue
		}
		if tokens, keyName, err := (&TokenFile{path: path}).parse(text); err == nil {
			secrets = append(secrets, tokens.Refresh, keys.text(keyName))
			if !config.AgentToken {
				secrets = append(secrets, tokens.Access)
			}
		}
	}
	return slices.DeleteFunc(secrets, secret.Text.Empty)
}
