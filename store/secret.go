package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

// A SecretRef is the client secret as the configuration gives it: the text
// itself, or the file that holds it. Its zero value is "no secret".
type SecretRef struct {
	text secret.Text
	file string
}

// secretRef parses the value of client_secret.
func (p Places) secretRef(c *configCheck, value string) SecretRef {
	path, isFile := strings.CutPrefix(value, "{file:")
	switch {
	case isPlaceholder(value):
		c.add("client_secret", `is still a placeholder; put "{file:~/.secrets/oci-client-secret}" there, and the secret in that file`)
	case strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") && !isFile:
		c.add("client_secret", `has a form that is not known; write "{file:~/.secrets/name}" or the secret itself`)
	case !isFile:
		return SecretRef{text: secret.New(value)}
	case !strings.HasSuffix(path, "}") || strings.Trim(path, " }") == "":
		c.add("client_secret", `begins with {file: but is not of the form "{file:~/.secrets/name}"`)
	default:
		return SecretRef{file: p.expand(strings.TrimSpace(strings.TrimSuffix(path, "}")), filepath.Dir(c.path))}
	}
	return SecretRef{}
}

// None reports whether no secret is configured.
func (r SecretRef) None() bool { return r.file == "" && r.text.Empty() }

// File returns the path of the secret's file, or "" when the secret stands in
// the configuration itself.
func (r SecretRef) File() string { return r.file }

// Read returns the secret, without the white space around it in its file. The
// file is read at every call, so that an exchanged secret is used at once.
// Its error is a problem of kind Config.
func (r SecretRef) Read() (secret.Text, error) {
	if r.file == "" {
		return r.text, nil
	}
	text, err := readLimited(r.file, maxConfigSize)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.Text{}, problem.New(problem.Config,
			fmt.Sprintf("The client secret's file %s does not exist.", r.file),
			"Put the client secret of your application in it, readable by you alone.").Because(err)
	}
	if err != nil {
		return secret.Text{}, problem.New(problem.Config,
			fmt.Sprintf("The client secret's file %s cannot be read: %s.", r.file, plainCause(err)),
			"Make it a file that you can read.").Because(err)
	}
	value := strings.TrimSpace(string(text))
	if value == "" || isPlaceholder(value) {
		return secret.Text{}, problem.New(problem.Config,
			fmt.Sprintf("The client secret's file %s holds no secret.", r.file),
			"Put the client secret of your application in it.")
	}
	return secret.New(value), nil
}
