package config

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/published"
)

// aboutItself are the keys that say something about the file in which they stand. They are not
// taken over from a published configuration, and not compared with it.
var aboutItself = []string{"managed", "$schema", "$from"}

// A Published is a configuration that somebody else wrote and a person may take as their
// own.
type Published struct {
	Config Config
	Values map[string]string // the keys that it sets, for [Format]
}

// ReadPublished reads the configuration at an https URL or in a file, and checks it. It may
// name only the files and variables that a project's configuration may name, and no file by
// a relative path. Its error is a problem of kind Config or Network.
func ReadPublished(ctx context.Context, p store.Places, from string, settings network.Settings) (Published, error) {
	text, path, err := published.Text(ctx, from, settings)
	if err != nil {
		return Published{}, err
	}
	config, file, written := parse(p, path, text, false)
	if !file.Broken {
		refuseRelative(p, file, written)
		refuseNetwork(p, file, written)
	}
	if len(file.Lines) == 0 {
		confine(p, file, written)
	}
	if len(file.Lines) > 0 {
		wrong := file.Problem()
		wrong.Hint = "Tell whoever publishes it."
		return Published{}, wrong
	}
	return Published{config, check.Values(text)}, nil
}

// refuseRelative notes which keys have a relative path: it would refer to another file once
// the configuration is written elsewhere.
func refuseRelative(p store.Places, c *check.File, file *configFile) {
	values := check.Fields(file)
	for _, key := range Keys {
		text, _ := values[key.Name].Interface().(string)
		if path, _ := key.file(text); path != "" && !c.Decided(key.Name) && !filepath.IsAbs(p.Expand(path, "")) {
			c.Add(key.Name, fmt.Sprintf("names %s, which is relative to this file; write a path that is absolute or begins with ~/", path))
		}
	}
}

// ManagedValues returns the values that the administrator manages, for [Format], and the
// path of their file. Its error is a problem of kind Config.
func ManagedValues(p store.Places) (path string, values map[string]string, err error) {
	config, file, _ := parse(p, Name, []byte("{}"), true)
	if file.Broken {
		return "", nil, file.Problem()
	}
	if config.Managed.Path == "" {
		return "", nil, nil
	}
	text, err := regular.ReadText(config.Managed.Path, check.MaxSize)
	if err != nil {
		return "", nil, problem.From(err)
	}
	values = check.Values(text)
	maps.DeleteFunc(values, func(key, _ string) bool { return !slices.Contains(config.Managed.Keys, key) })
	return config.Managed.Path, values, nil
}

// Outdated returns the keys that have another value in the configuration that is published
// now. Its errors are those of [ReadPublished].
func (c Config) Outdated(ctx context.Context, p store.Places) ([]string, error) {
	published, err := ReadPublished(ctx, p, c.From, network.Settings{CAFile: c.Network.CAFile, CASum: c.Network.CASum})
	if err != nil {
		return nil, err
	}
	text, err := regular.ReadText(c.Path, check.MaxSize)
	return slices.DeleteFunc(Differing(check.Values(text), published.Values), func(key string) bool {
		return published.Values[key] == "" || c.managed(key)
	}), err
}

// Differing returns the keys in which two configurations differ. The client secret is not
// compared, because everybody may keep it in another place.
func Differing(one, other map[string]string) (keys []string) {
	for _, key := range Keys {
		if key.Name != "client_secret" && !slices.Contains(aboutItself, key.Name) && one[key.Name] != other[key.Name] {
			keys = append(keys, key.Name)
		}
	}
	return keys
}
