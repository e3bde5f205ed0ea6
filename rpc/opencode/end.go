package opencode

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/endpoint"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/words"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/scopes"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// EndInfo is what is known of a session's end, on the wire.
type EndInfo struct {
	At time.Time `json:"at"`
	Of string    `json:"of"` // refreshToken or singleSignOn: see [tokens.End]
}

// Text describes the end for a person. It claims no more than the domain has said.
func (e EndInfo) Text(now time.Time) string {
	if e.Of == tokens.RefreshToken {
		return "refresh token " + words.Valid(e.At, now) + "; you have to sign in again then, unless a refresh brings a later one"
	}
	return "single sign-on at the domain " + words.Valid(e.At, now) + "; you may have to sign in again from then on"
}

// TellEnds returns what the person must be told now about the ends of sessions, or nil. It
// counts as told.
func TellEnds(sessions *scopes.Sessions) *Toast {
	var said []string
	for _, session := range sessions.All() {
		if !session.TellEnd() {
			continue
		}
		// Sessions at one domain have one single sign-on session.
		if text := endsSoon(session.Config(), session.Status().End, time.Now()); !slices.Contains(said, text) {
			said = append(said, text)
		}
	}
	if said == nil {
		return nil
	}
	return &Toast{"warning", strings.Join(said, "\n"), toastDuration}
}

func endsSoon(c config.Config, e tokens.End, now time.Time) string {
	when := fmt.Sprintf("ends in %s, at %s", words.Duration(e.At.Sub(now)), words.Clock(e.At, now))
	host := strings.TrimPrefix(c.DomainURL, "https://")
	if e.Of == tokens.SignOn {
		return fmt.Sprintf("The single sign-on session at %s %s. From then on you may have to sign in again, with /connect.", host, when)
	}
	which := "Your session"
	if c.Session != "" {
		which += " for " + endpoint.Named(c.Others)
	}
	return fmt.Sprintf("%s at %s %s, with its refresh token. Sign in again then, with /connect.", which, host, when)
}
