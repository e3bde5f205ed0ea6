// Package published reads the configuration that a company publishes for its people, at an
// https URL or in a file. Package config checks it.
package published

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/network"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config/check"
)

const (
	patience     = time.Minute // for the whole request
	maxRedirects = 5           // within the origin
)

// At reports whether from is a URL, and no path.
func At(from string) bool { return strings.Contains(from, "://") }

// Text returns the text at a URL or in a file, and the URL or the absolute path. Its error
// is a problem of kind Config or Network.
func Text(ctx context.Context, from string, settings network.Settings) (text []byte, path string, err error) {
	if At(from) {
		file := &check.File{}
		if file.Address("--from", from); len(file.Lines) > 0 {
			return nil, "", problem.New(problem.Config, strings.TrimPrefix(file.Lines[0], ": ")+".", "Write another one.")
		}
		text, err := fetch(ctx, from, settings)
		return text, from, err
	}
	if path, err = filepath.Abs(from); err == nil {
		text, err = regular.ReadText(path, check.MaxSize)
	}
	if err != nil && strings.Contains(from, "@") { // probably an address, with a password
		_, _ = network.ParseAddress(from) // forgets no part of it
		return nil, path, problem.New(problem.Config, "--from is neither a file that can be read nor an https URL.", "Write an address as https://host/…, without a user name or password.")
	}
	if err != nil {
		err = problem.New(problem.Config, fmt.Sprintf("The configuration %s %s.", path, regular.Why(err)), "Name a file that you can read, or an https URL.").Because(err)
	}
	return text, path, err
}

// fetch makes one request, without any credentials. It follows redirects within the origin
// only, because anybody could have written what is elsewhere.
func fetch(ctx context.Context, from string, settings network.Settings) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, problem.From(err)
	}
	client := &http.Client{Transport: settings, CheckRedirect: func(next *http.Request, before []*http.Request) error {
		if len(before) == maxRedirects || next.URL.Scheme != req.URL.Scheme || next.URL.Host != req.URL.Host {
			return problem.New(problem.Config, fmt.Sprintf("%s redirects to %s://%s.", from, next.URL.Scheme, next.URL.Host), "Ask for the address at which it is published.")
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, settings.Diagnose(err, req.URL)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, check.MaxSize+1))
	switch {
	case err != nil:
		return nil, settings.Diagnose(err, req.URL)
	case resp.StatusCode != http.StatusOK:
		return nil, problem.New(problem.Config, fmt.Sprintf("%s answered with status %d instead of a configuration.", from, resp.StatusCode), "Check the address.")
	case len(text) > check.MaxSize:
		return nil, problem.New(problem.Config, fmt.Sprintf("%s is larger than %d bytes, so it cannot be a configuration.", from, check.MaxSize), "Check the address.")
	}
	return text, nil
}
