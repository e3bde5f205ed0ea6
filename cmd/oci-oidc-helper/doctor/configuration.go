package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

func checkConfiguration(ctx context.Context, sys *system) Finding {
	config, err := config.Load(sys.Places, sys.Directory)
	if err != nil {
		return failWith(sys, err)
	}
	sys.config = &config
	if sys.domain, err = domain.New(config, sys.Log); err != nil {
		return failWith(sys, err)
	}
	for _, own := range config.Sessions()[1:] {
		domain, err := domain.New(own, sys.Log)
		if err != nil {
			return failWith(sys, err)
		}
		sys.sessions = append(sys.sessions, &examination{config: &own, domain: domain})
	}
	details := []string{"domain " + config.DomainURL}
	for _, e := range config.Endpoints() {
		detail := strings.TrimSpace("endpoint "+e.ID) + " " + e.BaseURL
		if e.Scope != "" {
			detail += fmt.Sprintf(", scope %q", e.Scope)
		}
		details = append(details, detail)
	}
	details = append(details, fmt.Sprintf("client %s, %s, scope %q", config.ClientID, config.AuthMethod, config.Scope))
	details = append(details, config.Origins()...)
	if overruled := config.Managed.Overruled; len(overruled) > 0 {
		return warn(fmt.Sprintf("%s sets %s, which has no effect: your administrator manages it.", config.Path, strings.Join(overruled, ", ")),
			"Remove it there, or ask your administrator.", details...)
	}
	if config.From == "" {
		return ok(config.Path, details...)
	}
	switch outdated, err := config.Outdated(ctx, sys.Places); {
	case err != nil:
		return warn("The published configuration could not be compared: "+problem.From(err).Message, problem.From(err).Hint, details...)
	case len(outdated) > 0:
		return warn(fmt.Sprintf("%s says otherwise than %s: %s.", config.From, config.Path, strings.Join(outdated, ", ")),
			`Take it: "oci-oidc-helper init --from `+config.From+`".`, details...)
	}
	return ok(config.Path+", as published at "+config.From, details...)
}

// checkSecret checks the file that holds the client secret or key, which is the
// configuration itself if the secret is written there.
func checkSecret(_ context.Context, sys *system) Finding {
	proof := sys.config.Proof()
	if proof.None() {
		return ok("there is none")
	}
	text, err := proof.Read()
	if err != nil {
		return failWith(sys, err)
	}
	if proof.Env() != "" {
		return ok("in the environment variable " + proof.Env())
	}
	path := sys.secretPath()
	stands := proof.File() == ""
	if !stands && proof == sys.config.ClientSecret {
		if strings.ContainsAny(text.Reveal(), " \t") {
			return fail(problem.Config, fmt.Sprintf("The client secret's file %s holds white space in the secret.", path),
				"Write the file anew as plain text, with the secret alone in it.")
		}
	}
	others, known := store.Readers(path)
	if others != "" {
		return warn(fmt.Sprintf("%s holds the %s and is readable by others (%s).", path, proof.Name(), others), "Run: "+store.MakePrivate(path))
	}
	if stands {
		return warn(fmt.Sprintf("The %s stands in the configuration itself.", proof.Name()),
			`Put it in a file of its own, readable by you alone, and write "{file:~/.secrets/…}" instead.`)
	}
	found := ok(path)
	if known {
		found.Message += ", readable by you alone"
	}
	if raw, _ := regular.Read(path, maxOpenCodeSize); proof == sys.config.ClientSecret && strings.HasSuffix(string(raw), "\n") {
		found.Details = []string{"The line break at its end is not taken for a part of the secret."}
	}
	return found
}

// secretPath returns the file that holds the client secret or key.
func (sys *system) secretPath() string {
	if file := sys.config.Proof().File(); file != "" {
		return file
	}
	return sys.config.Source(sys.config.Proof().Key())
}

// checkGit checks that the client secret or key is not in a git repository.
func checkGit(ctx context.Context, sys *system) Finding {
	if sys.config.Proof().None() || sys.config.Proof().Env() != "" {
		return ok("there is no secret to commit")
	}
	path := sys.secretPath()
	tracked, err := trackedByGit(ctx, path, sys.config.Environ())
	switch {
	case err != nil:
		return skip("not checked without git")
	case tracked:
		return fail(problem.Config, path+" holds the "+sys.config.Proof().Name()+" and is in a git repository.",
			"Have the secret renewed in the OCI console, then take the file out of the repository (git rm --cached) and ignore it.")
	}
	return ok("the secret is in no git repository")
}

func trackedByGit(ctx context.Context, path string, environ []string) (bool, error) {
	command := exec.CommandContext(ctx, "git", "-C", filepath.Dir(path), "ls-files", "--error-unmatch", "--", filepath.Base(path))
	command.Env = environ
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, err
	}
	return err == nil, nil
}

// expirySoon is how long before its expiry a client certificate causes a warning.
const expirySoon = 14 * 24 * time.Hour

// checkCertificates checks the files of ca_file, tls_client_cert and tls_client_key.
func checkCertificates(_ context.Context, sys *system) Finding {
	files := sys.config.Network
	var details []string
	if files.CAFile != "" {
		found, unused, err := network.ReadCertificates(files.CAFile)
		if err != nil {
			return fail(problem.Config, fmt.Sprintf("ca_file names %s, which %v.", files.CAFile, err), "Name a file with the company's CA in PEM form.")
		}
		details = append(details, fmt.Sprintf("ca_file %s (%s)", files.CAFile, counted(len(found), "certificate")))
		if len(unused) > 0 {
			return warn(fmt.Sprintf("ca_file names %s, which has %s that cannot be used.", files.CAFile, counted(len(unused), "certificate")),
				"If your company's CA is among them, have it renewed; else take them out of the file.", append(details, unused...)...)
		}
	}
	if files.ClientCert != "" {
		certificate, err := files.ReadClientCertificate()
		if err != nil {
			return failWith(sys, err, details...)
		}
		leaf := certificate.Leaf
		details = append(details, fmt.Sprintf("client certificate of %s, until %s", leaf.Subject, leaf.NotAfter.Format(time.DateTime)))
		key := cmp.Or(files.ClientKey, files.ClientCert)
		switch others, _ := store.Readers(key); {
		case time.Now().After(leaf.NotAfter):
			return fail(problem.Config, fmt.Sprintf("The client certificate %s ended at %s.", files.ClientCert, leaf.NotAfter.Format(time.DateTime)), "Have it renewed.", details...)
		case others != "":
			return warn(fmt.Sprintf("%s holds a private key and is readable by others (%s).", key, others), "Run: "+store.MakePrivate(key), details...)
		case time.Until(leaf.NotAfter) < expirySoon:
			return warn(fmt.Sprintf("The client certificate %s ends at %s.", files.ClientCert, leaf.NotAfter.Format(time.DateTime)), "Have it renewed in time.", details...)
		}
	}
	if details == nil {
		return ok("none are configured")
	}
	return ok("in order", details...)
}
