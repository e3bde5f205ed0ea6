// Package secrets reads the client secret or key that a configuration names, and decides
// which files a project's configuration may read.
//
// A secret in a file or an environment variable is read anew each time and not kept. No
// secret is ever shown.
package secrets

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

// A Ref is the client secret or key as the configuration gives it: the text itself, or the
// file or environment variable that holds it. The zero value means that there is none.
type Ref struct {
	key  string // the configuration's key
	text secret.Text
	file string
	env  string
	cage Cage // where the file must be; the zero value for the person's own configuration
}

// Parse parses the value of client_secret or client_key.
func Parse(p store.Places, c *check.File, key, value string) Ref {
	file, isFile := check.Reference(value, "file")
	env, isEnv := check.Reference(value, "env")
	switch {
	case value == "":
		return Ref{}
	case check.IsPlaceholder(value):
		c.Add(key, fmt.Sprintf(`is still a placeholder; put "{file:~/.secrets/oci-%s}" there, and the %s in that file`,
			strings.ReplaceAll(key, "_", "-"), nameOf(key)))
	case isFile && file != "" && !check.HasReference(file):
		return Ref{key: key, file: c.FilePath(p, key, file)}
	case isEnv && env != "" && !check.HasReference(env):
		return Ref{key: key, env: env}
	case strings.HasPrefix(value, "{file:"):
		c.Add(key, `begins with {file: but is not of the form "{file:~/.secrets/name}"`)
	case strings.HasPrefix(value, "{env:"):
		c.Add(key, `begins with {env: but is not of the form "{env:NAME}"`)
	case check.HasReference(value):
		c.Add(key, fmt.Sprintf(`has text around its reference; write "{file:~/.secrets/name}" or "{env:NAME}" alone, where the whole %s is`, nameOf(key)))
	case check.ShellVariable().MatchString(value):
		c.Add(key, fmt.Sprintf(`looks like a shell's variable, which nothing replaces here; write "{env:NAME}". A %s that looks so belongs in a file: "{file:~/.secrets/name}"`, nameOf(key)))
	case strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}"), othersReference().MatchString(value):
		c.Add(key, fmt.Sprintf(`has a form that is not known; write "{file:~/.secrets/name}", "{env:NAME}" or the %s itself`, nameOf(key)))
	default:
		return Ref{key: key, text: secret.New(value)}
	}
	return Ref{}
}

// othersReference matches what other programs take for a reference to a secret.
var othersReference = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile("^(?:(?:file|env|op|vault|keyring|cmd|exec):\\S|@?~[/\\\\]|@[./]|\\$\\(.*\\)$|`.*`$)")
})

// Key returns the configuration's key, or "".
func (r Ref) Key() string { return r.key }

// Name returns "client secret" or "client key", for messages.
func (r Ref) Name() string     { return nameOf(r.key) }
func nameOf(key string) string { return strings.ReplaceAll(key, "_", " ") }

// Within returns the reference with the restriction that its file must be inside the cage.
func (r Ref) Within(c Cage) Ref {
	r.cage = c
	return r
}

// Stands reports whether the configuration contains the secret itself.
func (r Ref) Stands() bool { return !r.text.Empty() }

// None reports whether no secret is configured.
func (r Ref) None() bool { return r.key == "" }

// File returns the path of the file that holds the secret, or "".
func (r Ref) File() string { return r.file }

// Env returns the environment variable that holds the secret, or "".
func (r Ref) Env() string { return r.env }

// Shown returns the reference as written in the configuration, without a secret.
func (r Ref) Shown() string {
	switch {
	case r.None():
		return ""
	case r.file != "":
		return "{file:" + r.file + "}"
	case r.env != "":
		return "{env:" + r.env + "}"
	default:
		return "[redacted]"
	}
}

// Read returns the secret, without the white space around it in its file. It reads the file
// or the variable at every call, so that a changed secret is used at once. Its error is a
// problem of kind Config, or of kind Untrusted for a file outside the cage.
func (r Ref) Read() (secret.Text, error) {
	switch {
	case r.file != "":
		return r.readFile()
	case r.env == "":
		return r.usable(r.text.Reveal(), r.key)
	}
	value := strings.TrimSpace(os.Getenv(r.env))
	if value == "" {
		return secret.Text{}, problem.New(problem.Config, fmt.Sprintf("The environment variable %s, which %s names, is not set.", r.env, r.key),
			"Set it where OpenCode, or this program, is started.")
	}
	return r.usable(value, "The value of the environment variable "+r.env)
}

func (r Ref) usable(value, place string) (secret.Text, error) {
	if what := secret.Mistaken(value); r.key == "client_secret" && what != "" {
		return secret.Text{}, problem.New(problem.Config, place+" "+what+".", "Put the client secret alone there, in one line.")
	}
	return secret.New(value), nil
}

func (r Ref) readFile() (secret.Text, error) {
	name := nameOf(r.key)
	if r.cage != (Cage{}) && !r.cage.Holds(r.file) {
		return secret.Text{}, problem.New(problem.Untrusted,
			fmt.Sprintf("The %s's file %s leads out of the project, to %s.", name, r.file, store.Resolve(r.file)),
			"A project's configuration may read only the project's own files and those in ~/.secrets.")
	}
	text, err := regular.ReadText(r.file, check.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Text{}, problem.New(problem.Config, fmt.Sprintf("The %s's file %s does not exist.", name, r.file),
			fmt.Sprintf("Put the %s of your application in it, readable by you alone.", name)).Because(err)
	}
	if err != nil {
		return secret.Text{}, problem.New(problem.Config,
			fmt.Sprintf("The %s's file %s cannot be read: %s.", name, r.file, store.PlainCause(err)),
			"Make it a file that you can read.").Because(err)
	}
	value := strings.TrimSpace(string(text))
	if value == "" || check.IsPlaceholder(value) {
		return secret.Text{}, problem.New(problem.Config,
			fmt.Sprintf("The %s's file %s holds no %s.", name, r.file, strings.TrimPrefix(name, "client ")),
			fmt.Sprintf("Put the %s of your application in it.", name))
	}
	return r.usable(value, "What is in "+r.file)
}
