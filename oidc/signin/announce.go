package signin

import (
	"encoding/json"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/discovery"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// Announce writes the prompt to a file, so that other processes can show it. The caller
// holds the lock of the sign-in. Announce does nothing in the paste flow, since only the
// process that showed the URL can use what is pasted.
func Announce(shared tokens.SignIn, p Prompt) error {
	if p.Flow == Paste {
		return nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return shared.Announce(text)
}

// Announced reads the prompt of the process that is doing the sign-in. ok is false if there
// is none, or if it is not safe to show. BrowserOpened is about the other process's browser.
func Announced(shared tokens.SignIn) (p Prompt, ok bool) {
	if json.Unmarshal(shared.Announced(), &p) != nil {
		return Prompt{}, false
	}
	p.URL, p.CompleteURL = discovery.Secured(p.URL), discovery.Secured(p.CompleteURL)
	if !discovery.SecureURL(p.URL) || (p.Flow != Browser && p.Flow != Device) {
		return Prompt{}, false
	}
	if !discovery.SecureURL(p.CompleteURL) {
		p.CompleteURL = ""
	}
	p.UserCode = lenient.Printable(p.UserCode, domain.UserCodeSize)
	return p, true
}
