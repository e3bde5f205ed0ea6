package secrets

import (
	"path/filepath"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A Cage is where a project's configuration may read files. The zero Cage is none.
type Cage struct {
	project string // "" where it would hold the home directory
	secrets string
}

// CageOf is the cage of the project whose configuration is at that path.
func CageOf(p store.Places, config string) Cage {
	c := Cage{project: filepath.Dir(config), secrets: filepath.Join(p.Home, ".secrets")}
	if p.Home == "" {
		c.secrets = c.project
	} else if store.Within(store.Resolve(p.Home), store.Resolve(c.project)) {
		c.project = ""
	}
	return c
}

// Holds reports whether the cage has path in it. Links in the project are followed
// before they are judged; those in ~/.secrets are the person's own.
func (c Cage) Holds(path string) bool {
	return store.Within(path, c.secrets) || store.Within(store.Resolve(path), store.Resolve(c.secrets)) || c.HasInProject(path)
}

// HasInProject reports whether path is in the project, links followed.
func (c Cage) HasInProject(path string) bool {
	return c.project != "" && store.Within(store.Resolve(path), store.Resolve(c.project))
}
