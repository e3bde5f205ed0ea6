package domaintest

import (
	"net/http"
	"strings"
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
