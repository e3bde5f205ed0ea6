package domaintest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Tokens are the answer to a token request. It never tells the scope.
type Tokens struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int    `json:"expires_in"` // seconds
	IDToken      string `json:"id_token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
}

// accessClaims are what an access token says. There is no nbf.
type accessClaims struct {
	Issuer       string   `json:"iss"`
	Audience     audience `json:"aud"`
	Expires      int64    `json:"exp"`
	IssuedAt     int64    `json:"iat"`
	ID           string   `json:"jti"`
	Subject      string   `json:"sub"`
	SubjectType  string   `json:"sub_type"` // "user" or "client"
	ClientID     string   `json:"client_id"`
	ClientName   string   `json:"client_name"`
	Tenant       string   `json:"tenant"`
	TenantIssuer string   `json:"tenant_iss"` // the domain's URL
	DisplayName  string   `json:"user_displayname,omitempty"`
	Domain       string   `json:"domain"`
	Scope        string   `json:"scope"` // names without the audience
}

// hasAny reports whether the token has one of the scopes.
func (c accessClaims) hasAny(scopes []string) bool {
	granted := strings.Fields(c.Scope)
	return slices.ContainsFunc(scopes, func(name string) bool { return slices.Contains(granted, name) })
}

// Issue returns tokens as if the default user had signed in at the client with
// that ID and allowed scope. It is for tests that begin with a session.
func (s *Server) Issue(clientID, scope string) (Tokens, error) {
	options := s.current()
	client, ok := options.client(clientID)
	if !ok {
		return Tokens{}, errInvalidClient
	}
	scopes, refused := options.parseScopes(scope)
	if refused != nil {
		return Tokens{}, refused
	}
	return s.firstTokens(s.newGrant(client, options.Users[0], scopes, "")), nil
}

// newGrant returns what user allows client now.
func (s *Server) newGrant(client Client, user User, scopes []scope, nonce string) *grant {
	return &grant{client: client, user: user, scopes: scopes, nonce: nonce,
		signedIn: s.Clock.Now().Add(-seconds(s.current().PasswordAge))}
}

// issue returns the first tokens of a grant; a refusal passes through.
func (s *Server) issue(g *grant, refused *refusal) (any, *refusal) {
	if refused != nil {
		return nil, refused
	}
	return s.firstTokens(g), nil
}

// firstTokens returns the first tokens of a grant: with a refresh token only if all
// three switches are on.
func (s *Server) firstTokens(g *grant) Tokens {
	tokens := s.tokens(g, g.scopes)
	g.nonce = ""
	if g.renewable() {
		tokens.RefreshToken = s.newRefreshToken(g)
	}
	return tokens
}

// renewable reports whether all three switches are on: the client's Refresh Token
// grant, the scope offline_access, and "Allow token refresh" of the resource.
func (g *grant) renewable() bool {
	forbids := func(one scope) bool { return one.noRefresh }
	return !g.client.NoRefreshGrant && g.has("offline_access") && g.user.Name != "" &&
		!slices.ContainsFunc(g.scopes, forbids)
}

// has reports whether the domain's own scope of that name was granted.
func (g *grant) has(name string) bool { return g.holds(scope{name: name}) }

// holds reports whether a scope was granted.
func (g *grant) holds(asked scope) bool {
	return slices.ContainsFunc(g.scopes, func(one scope) bool {
		return one.name == asked.name && one.audience == asked.audience
	})
}

// newRefreshToken returns a refresh token for the grant.
func (s *Server) newRefreshToken(g *grant) string {
	text, now := opaque(), s.Clock.Now()
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	s.state.refresh.put(text, &refreshToken{grant: g}, now, now.Add(refreshLife))
	return text
}

// lasting is an access token that is handed out until its end.
type lasting struct {
	token string
	end   time.Time
}

// tokens returns an access token for scopes, and an ID token if openid is one of
// them and a person's session is still on.
func (s *Server) tokens(g *grant, scopes []scope) Tokens {
	now := s.Clock.Now()
	tokens := Tokens{
		AccessToken: s.sign(s.accessClaims(g, scopes, now)),
		TokenType:   "Bearer",
		ExpiresIn:   s.current().life(scopes),
	}
	if s.current().SameAccessToken {
		key := fmt.Sprint(g.client.ID, g.user.Name, scopes)
		end := now.Add(time.Duration(tokens.ExpiresIn) * time.Second)
		before, _ := s.lasting.LoadOrStore(key, lasting{tokens.AccessToken, end})
		if same := before.(lasting); now.Before(same.end) {
			tokens.AccessToken, tokens.ExpiresIn = same.token, int(same.end.Sub(now).Seconds())
		} else {
			s.lasting.Store(key, lasting{tokens.AccessToken, end})
		}
	}
	openid := slices.Contains(scopes, scope{name: "openid"})
	if openid && now.Before(g.signedIn.Add(sessionLife)) {
		tokens.IDToken = s.sign(s.idClaims(g, tokens.AccessToken, now))
	}
	return tokens
}

func (s *Server) accessClaims(g *grant, scopes []scope, now time.Time) accessClaims {
	options := s.current()
	claims := accessClaims{
		Issuer:       options.Issuer,
		Audience:     audiences(scopes),
		Expires:      now.Add(seconds(options.life(scopes))).Unix(),
		IssuedAt:     now.Unix(),
		ID:           s.revoked.newID(),
		Subject:      g.user.Name,
		SubjectType:  "user",
		ClientID:     g.client.ID,
		ClientName:   g.client.ID,
		Tenant:       s.tenant,
		TenantIssuer: s.URL,
		DisplayName:  g.user.DisplayName,
		Domain:       "Default",
		Scope:        names(scopes),
	}
	if len(g.resource) > 0 {
		claims.Audience = g.resource
	}
	if len(claims.Audience) == 0 {
		claims.Audience = audience{s.URL}
	}
	if g.user.Name == "" {
		claims.Subject, claims.SubjectType = g.client.ID, "client"
	}
	return claims
}

// idClaims returns what an ID token says (OpenID Connect Core 1.0, section 2).
func (s *Server) idClaims(g *grant, accessToken string, now time.Time) map[string]any {
	issuer := s.current().Issuer
	end := g.signedIn.Add(sessionLife).Unix() // of the session, not of the access token
	claims := map[string]any{
		"iss": issuer, "aud": []string{issuer, g.client.ID}, "azp": g.client.ID,
		"sub": g.user.Name, "sub_type": "user", "user_displayname": g.user.DisplayName,
		"exp": end, "session_exp": end, "iat": now.Unix(), "auth_time": g.signedIn.Unix(),
		"jti": randomHex(16), "at_hash": accessHash(accessToken),
		"tenant": s.tenant, "tenant_iss": s.URL, "domain": "Default",
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	return claims
}

// accessHash binds an ID token to an access token (OpenID Connect Core 1.0, section
// 3.1.3.6).
func accessHash(accessToken string) string {
	sum := sha256.Sum256([]byte(accessToken))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// names returns the names of scopes as a claim.
func names(scopes []scope) string {
	list := make([]string, len(scopes))
	for i, one := range scopes {
		list[i] = one.name
	}
	return strings.Join(list, " ")
}
