package domaintest

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"time"
)

// deviceGrant is the grant type of RFC 8628, section 3.4.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// token answers the token request of every grant (RFC 6749, section 3.2).
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(s.current().TokenLatency):
	case <-r.Context().Done():
		return
	}
	tokens, refused := s.exchange(r)
	if refused != nil {
		refused.write(w)
		return
	}
	writeJSON(w, http.StatusOK, tokens)
}

// exchange returns the tokens that the request earns.
func (s *Server) exchange(r *http.Request) (any, *refusal) {
	client, refused := s.authenticate(r)
	if refused != nil {
		return nil, refused
	}
	form := r.PostForm
	if _, refused := s.current().resources(form); refused != nil {
		return nil, refused
	}
	switch form.Get("grant_type") {
	case "authorization_code":
		return s.issue(s.redeemCode(client, form))
	case deviceGrant:
		return s.issue(s.pollDevice(client, form))
	case "refresh_token":
		return s.renew(client, form)
	case "client_credentials":
		return s.issue(s.ownGrant(client, form))
	case "":
		return nil, badRequest("invalid_request", "The grant_type is missing.")
	default:
		return nil, badRequest("unsupported_grant_type", "The grant type is not supported.")
	}
}

// redeemCode takes an authorization code, once, from the client and for the
// redirect and the challenge that it was issued for (RFC 6749, section 4.1.3;
// RFC 7636, section 4.6).
func (s *Server) redeemCode(client Client, form url.Values) (*grant, *refusal) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	code, ok := s.state.codes.take(form.Get("code"), s.Clock.Now())
	switch {
	case !ok:
		return nil, badRequest("invalid_grant", "The authorization code is invalid or has expired.")
	case code.grant.client.ID != client.ID:
		return nil, badRequest("invalid_grant", "The authorization code belongs to another client.")
	case code.redirect != form.Get("redirect_uri"):
		return nil, badRequest("invalid_grant", "The redirect_uri is not that of the authorization request.")
	case code.challenge != challenge(form.Get("code_verifier")):
		return nil, badRequest("invalid_grant", "The code_verifier does not match the code_challenge.")
	}
	return code.grant, nil
}

// challenge returns the S256 challenge of verifier (RFC 7636, section 4.2), and ""
// for none.
func challenge(verifier string) string {
	if verifier == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// ownGrant lets a confidential client act for itself (RFC 6749, section 4.4).
func (s *Server) ownGrant(client Client, form url.Values) (*grant, *refusal) {
	if !client.confidential() {
		return nil, badRequest("unauthorized_client", "A public client has no client_credentials grant.")
	}
	scopes, refused := s.current().parseScopes(form.Get("scope"))
	if refused != nil {
		return nil, refused
	}
	resource, refused := s.current().resources(form)
	return &grant{client: client, scopes: scopes, resource: resource}, refused
}

// renew returns the tokens for a refresh token (RFC 6749, section 6).
func (s *Server) renew(client Client, form url.Values) (any, *refusal) {
	g, scopes, refused := s.useRefreshToken(client, form)
	if refused != nil {
		return nil, refused
	}
	answer := s.tokens(g, scopes)
	switch s.current().Rotation {
	case Keep:
		answer.RefreshToken = form.Get("refresh_token")
	case Omit:
	default:
		answer.RefreshToken = s.newRefreshToken(g)
	}
	return answer, nil
}

// useRefreshToken returns the grant of a refresh token that serves and the scopes
// that are asked for, and notes its use. With rotation a token serves once; without
// it each use gives the token its whole life again.
func (s *Server) useRefreshToken(client Client, form url.Values) (*grant, []scope, *refusal) {
	if client.NoRefreshGrant {
		return nil, nil, badRequest("unauthorized_client", "The client has no Refresh Token grant.")
	}
	options, now, text := s.current(), s.Clock.Now(), form.Get("refresh_token")
	invalid := refuse(options.ReuseStatus, "invalid_grant", "The refresh token is invalid, has expired or was used before.")

	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	token, ok := s.state.refresh.get(text, now)
	switch {
	case !ok, token.grant.revoked, token.grant.client.ID != client.ID:
		return nil, nil, invalid
	case token.used:
		token.grant.revoked = options.FamilyRevocation
		return nil, nil, invalid
	}
	scopes, refused := options.narrow(token.grant, form)
	if refused != nil {
		return nil, nil, refused
	}
	if options.Rotation == Rotate {
		token.used = true
	} else {
		s.state.refresh.put(text, token, now, now.Add(refreshLife))
	}
	return token.grant, scopes, nil
}

// narrow returns the scopes that a refresh asks for: some of the grant's, or all of
// them if it names none.
func (o *Options) narrow(g *grant, form url.Values) ([]scope, *refusal) {
	if !form.Has("scope") {
		return g.scopes, nil
	}
	asked, refused := o.parseScopes(form.Get("scope"))
	if refused != nil {
		return nil, refused
	}
	for _, one := range asked {
		if !g.holds(one) {
			return nil, badRequest("invalid_scope", "The scope "+one.name+" was not granted.")
		}
	}
	return asked, nil
}
