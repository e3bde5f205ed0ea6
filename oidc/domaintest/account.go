package domaintest

import (
	"net/http"
	"strings"
	"time"
)

// revoke ends a refresh token and its successors (RFC 7009). Access tokens cannot
// be revoked at the domain.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	client, refused := s.authenticate(r)
	if refused != nil {
		refused.write(w)
		return
	}
	text := r.PostForm.Get("token")
	switch {
	case text == "":
		badRequest("invalid_request", "The token is missing.").write(w)
	case strings.Count(text, ".") == 2:
		badRequest("unsupported_token_type", "Only refresh tokens can be revoked.").write(w)
	default:
		s.revokeRefreshToken(client, text)
		w.WriteHeader(http.StatusOK) // an unknown token is revoked already (RFC 7009, section 2.2)
	}
}

func (s *Server) revokeRefreshToken(client Client, text string) {
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	token, ok := s.state.refresh.get(text, s.Clock.Now())
	if ok && token.grant.client.ID == client.ID {
		token.grant.revoked = true
	}
}

// introspect tells a confidential client about a token (RFC 7662).
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	client, refused := s.authenticate(r)
	if refused == nil && !client.confidential() {
		refused = errInvalidClient
	}
	if refused != nil {
		refused.write(w)
		return
	}
	claims, ok := s.readAccessToken(r.PostForm.Get("token"))
	if !ok {
		writeJSON(w, http.StatusOK, map[string]bool{"active": false})
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Active bool `json:"active"`
		accessClaims
	}{true, claims})
}

// userInfo tells about the person whose access token the request bears (OpenID
// Connect Core 1.0, section 5.3).
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	claims, ok := s.readAccessToken(bearer(r))
	if !ok || claims.SubjectType != "user" {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{
		"sub": claims.Subject, "name": claims.DisplayName, "preferred_username": claims.Subject,
	})
}

// readAccessToken returns the claims of an access token of this domain that has
// not expired.
func (s *Server) readAccessToken(token string) (accessClaims, bool) {
	var claims accessClaims
	err := verify(token, &s.signingKey().PublicKey, &claims)
	return claims, err == nil && claims.ClientID != "" && s.Clock.Now().Before(time.Unix(claims.Expires, 0))
}

// logout shows that the person is signed out (OpenID Connect RP-Initiated Logout
// 1.0). Nobody stays signed in at the sign-in page, so there is nothing to end.
func (s *Server) logout(w http.ResponseWriter, _ *http.Request) {
	showMessage(w, "Signed out", "You have signed out.")
}
