package secrets

import (
	"path/filepath"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// A Cage is the set of directories from which a project's configuration may read files. The
// zero Cage has none.
type Cage struct {
	project string // "" if the home directory is inside the project
	secrets string
}

// CageOf returns the cage for the project's configuration at a path.
func CageOf(p store.Places, config string) Cage {
	c := Cage{project: filepath.Dir(config), secrets: filepath.Join(p.Home, ".secrets")}
	if p.Home == "" {
		c.secrets = c.project
	} else if store.Within(store.Resolve(p.Home), store.Resolve(c.project)) {
		c.project = ""
	}
	return c
}

// Holds reports whether path is inside the cage. Links in the project are resolved first.
// Links in ~/.secrets are trusted, because the person made them.
func (c Cage) Holds(path string) bool {
	return store.Within(path, c.secrets) || store.Within(store.Resolve(path), store.Resolve(c.secrets)) || c.HasInProject(path)
}

// HasInProject reports whether path is inside the project after links are resolved.
func (c Cage) HasInProject(path string) bool {
	return c.project != "" && store.Within(store.Resolve(path), store.Resolve(c.project))
}
