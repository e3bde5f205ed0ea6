package signin

import (
	"errors"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// listenAtOne listens at the first of the registered redirect URIs whose port is free. It
// never chooses another port, because the domain accepts only registered redirect URIs.
func listenAtOne(redirectURIs []string, endpoint string) (c *callback, redirectURI string, err error) {
	var refused []error
	for _, redirectURI := range redirectURIs {
		c, err := listenForCallback(redirectURI, endpoint)
		if err == nil {
			return c, redirectURI, nil
		}
		refused = append(refused, err)
	}
	if len(refused) == 1 {
		return nil, "", refused[0]
	}
	var reasons []string
	for _, err := range refused {
		reasons = append(reasons, strings.TrimPrefix(problem.From(err).Message, "The address of redirect_uri, "))
	}
	return nil, "", problem.New(problem.PortInUse, "None of the addresses of redirect_uri is free: "+strings.Join(reasons, " "),
		"Stop one of those programs, or register another redirect URL in the application and add it to redirect_uri.").Because(errors.Join(refused...))
}

// CheckListener returns nil if a sign-in could listen at one of the redirect URIs now. Its
// error is a problem of kind PortInUse, or Config if a URI is malformed.
func CheckListener(redirectURIs []string) error {
	c, _, err := listenAtOne(redirectURIs, "")
	if err != nil {
		return err
	}
	c.closeListeners()
	return nil
}
