package signin

import (
	"encoding/json"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domain/lenient"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// Announce tells the other processes what the person is shown. The lock of the
// sign-in is held. A pasted answer is for one process alone and is not announced.
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

// Announced reads another process's prompt. The browser, if any, was that one's.
func Announced(shared tokens.SignIn) (p Prompt, ok bool) {
	if json.Unmarshal(shared.Announced(), &p) != nil {
		return Prompt{}, false
	}
	p.URL, p.CompleteURL = domain.Secured(p.URL), domain.Secured(p.CompleteURL)
	if !domain.SecureURL(p.URL) || (p.Flow != Browser && p.Flow != Device) {
		return Prompt{}, false
	}
	if !domain.SecureURL(p.CompleteURL) {
		p.CompleteURL = ""
	}
	p.UserCode = lenient.Printable(p.UserCode, domain.UserCodeSize)
	return p, true
}
