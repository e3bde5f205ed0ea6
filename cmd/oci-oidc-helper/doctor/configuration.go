package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

func checkConfiguration(_ context.Context, p *patient) Finding {
	config, err := p.Places.LoadConfig(p.Directory)
	if err != nil {
		return failWith(p, err)
	}
	p.config = &config
	if p.domain, err = oidc.NewDomain(config, p.Log); err != nil {
		return failWith(p, err)
	}
	found := ok(config.Path, "domain "+config.DomainURL, "endpoint "+config.BaseURL,
		fmt.Sprintf("client %s, %s, scope %q", config.ClientID, config.AuthMethod, config.Scope))
	if config.AuthMethod == store.MobileApp && !config.ClientSecret.None() {
		return warn(config.Path+": a mobile_app has no client secret, but client_secret is set.",
			"Remove client_secret, or set auth_method to confidential_app.", found.Details...)
	}
	return found
}

// checkSecret looks at the client secret's file, or at the configuration if the
// secret stands there.
func checkSecret(_ context.Context, p *patient) Finding {
	switch {
	case p.config == nil:
		return skip(noConfiguration)
	case p.config.ClientSecret.None():
		return ok("a mobile_app has none")
	}
	text, err := p.config.ClientSecret.Read()
	if err != nil {
		return failWith(p, err)
	}
	path := p.secretPath()
	if path != p.config.Path {
		if strings.ContainsAny(text.Reveal(), "\r\n") {
			return fail(problem.Config, fmt.Sprintf("The client secret's file %s holds several lines.", path), "Leave the secret alone in it, in one line.")
		}
		if strings.ContainsAny(text.Reveal(), " \t\x00\ufeff") {
			return fail(problem.Config, fmt.Sprintf("The client secret's file %s holds white space or a byte order mark in the secret.", path),
				"Write the file anew as plain text, with the secret alone in it.")
		}
	}
	if others := readableByOthers(path); others != "" {
		return warn(fmt.Sprintf("%s holds the client secret and is readable by others (mode %s).", path, others), "Run: chmod 600 "+path)
	}
	if path == p.config.Path {
		return warn("The client secret stands in the configuration itself.",
			`Put it in a file of its own, readable by you alone, and write "client_secret": "{file:~/.secrets/oci-client-secret}".`)
	}
	found := ok(path + ", readable by you alone")
	if raw, _ := os.ReadFile(path); strings.HasSuffix(string(raw), "\n") {
		found.Details = []string{"The line break at its end is not taken for a part of the secret."}
	}
	return found
}

// secretPath is the file that holds the client secret.
func (p *patient) secretPath() string {
	if file := p.config.ClientSecret.File(); file != "" {
		return file
	}
	return p.config.Path
}

// readableByOthers returns the mode of a file that others than its owner may read.
// Windows has no such mode.
func readableByOthers(path string) string {
	info, err := os.Stat(path)
	if err != nil || runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0 {
		return ""
	}
	return fmt.Sprintf("%04o", info.Mode().Perm())
}

// checkGit looks whether the client secret is committed.
func checkGit(ctx context.Context, p *patient) Finding {
	switch {
	case p.config == nil:
		return skip(noConfiguration)
	case p.config.ClientSecret.None():
		return ok("there is no secret to commit")
	}
	path := p.secretPath()
	tracked, err := trackedByGit(ctx, path)
	switch {
	case err != nil:
		return skip("not checked without git")
	case tracked:
		return fail(problem.Config, path+" holds the client secret and is in a git repository.",
			"Have the secret renewed in the OCI console, then take the file out of the repository (git rm --cached) and ignore it.")
	}
	return ok("the secret is in no git repository")
}

func trackedByGit(ctx context.Context, path string) (bool, error) {
	err := exec.CommandContext(ctx, "git", "-C", filepath.Dir(path), "ls-files", "--error-unmatch", "--", filepath.Base(path)).Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	return err == nil, nil
}
