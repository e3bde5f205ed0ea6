// Command fosite is an OpenID provider made of ory/fosite, the library behind Ory
// Hydra, on a loopback port. Whoever comes to its sign-in page is signed in.
//
// The first line of standard input is a JSON object {redirect, key}, key being the
// public one of the client that proves itself with a key, in PEM. It prints
// {"url": …} when it listens, and ends at the end of standard input.
package main

import (
	"bufio"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/go-jose/go-jose/v3"
	"github.com/ory/fosite"
	"github.com/ory/fosite/compose"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/storage"
	"github.com/ory/fosite/token/jwt"
)

const person = "peter"

type server struct {
	url    string
	key    *rsa.PrivateKey
	oauth2 fosite.OAuth2Provider
}

func main() {
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	var setup struct{ Redirect, Key string }
	if err == nil {
		err = json.Unmarshal(line, &setup)
	}
	if err != nil {
		log.Fatal(err)
	}
	block, _ := pem.Decode([]byte(setup.Key))
	if block == nil {
		log.Fatal("key is not PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	s := &server{url: "http://" + listener.Addr().String()}
	if s.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		log.Fatal(err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	s.oauth2 = compose.ComposeAllEnabled(&fosite.Config{
		GlobalSecret: secret, IDTokenIssuer: s.url, TokenURL: s.url + "/token", EnforcePKCE: true,
		AccessTokenLifespan: time.Hour, SendDebugMessagesToClients: true,
		// What OpenID Connect calls offline_access.
		RefreshTokenScopes: []string{"offline_access"},
	}, clients(setup.Redirect, public), s.key)

	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", s.discovery)
	mux.HandleFunc("GET /keys", s.keys)
	mux.HandleFunc("GET /authorize", s.authorize)
	mux.HandleFunc("POST /token", s.token)
	mux.HandleFunc("POST /revoke", func(w http.ResponseWriter, r *http.Request) {
		s.oauth2.WriteRevocationResponse(r.Context(), w, s.oauth2.NewRevocationRequest(r.Context(), r))
	})
	go func() { log.Fatal(http.Serve(listener, mux)) }()
	fmt.Printf("{\"url\": %q}\n", s.url)
	_, _ = io.Copy(io.Discard, input)
}

func clients(redirect string, key any) *storage.MemoryStore {
	client := func(id string, public bool) *fosite.DefaultClient {
		return &fosite.DefaultClient{
			ID: id, Public: public, RedirectURIs: []string{redirect}, ResponseTypes: []string{"code"},
			GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
			Scopes:     []string{"openid", "offline_access", "chat"},
		}
	}
	store := storage.NewMemoryStore()
	store.Clients["public"] = client("public", true)
	store.Clients["key"] = &fosite.DefaultOpenIDConnectClient{
		DefaultClient:           client("key", false),
		JSONWebKeys:             &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "alias", Key: key, Use: "sig", Algorithm: "RS256"}}},
		TokenEndpointAuthMethod: "private_key_jwt", TokenEndpointAuthSigningAlgorithm: "RS256",
	}
	return store
}

func (s *server) discovery(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{
		"issuer": s.url, "authorization_endpoint": s.url + "/authorize", "token_endpoint": s.url + "/token",
		"revocation_endpoint": s.url + "/revoke", "jwks_uri": s.url + "/keys",
	})
}

func (s *server) keys(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{KeyID: "k", Key: s.key.Public(), Use: "sig", Algorithm: "RS256"}}})
}

func newSession(subject string) *openid.DefaultSession {
	now := time.Now()
	return &openid.DefaultSession{
		Subject: subject,
		Claims:  &jwt.IDTokenClaims{Subject: subject, AuthTime: now, RequestedAt: now, IssuedAt: now},
		Headers: &jwt.Headers{Extra: map[string]any{"kid": "k"}},
	}
}

func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	request, err := s.oauth2.NewAuthorizeRequest(ctx, r)
	if err == nil {
		for _, scope := range request.GetRequestedScopes() {
			request.GrantScope(scope)
		}
		var response fosite.AuthorizeResponder
		if response, err = s.oauth2.NewAuthorizeResponse(ctx, request, newSession(person)); err == nil {
			s.oauth2.WriteAuthorizeResponse(ctx, w, request, response)
			return
		}
	}
	s.oauth2.WriteAuthorizeError(ctx, w, request, err)
}

func (s *server) token(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	request, err := s.oauth2.NewAccessRequest(ctx, r, newSession(""))
	if err == nil {
		if request.GetGrantTypes().ExactOne("client_credentials") {
			for _, scope := range request.GetRequestedScopes() {
				request.GrantScope(scope)
			}
		}
		var response fosite.AccessResponder
		if response, err = s.oauth2.NewAccessResponse(ctx, request); err == nil {
			s.oauth2.WriteAccessResponse(ctx, w, request, response)
			return
		}
	}
	s.oauth2.WriteAccessError(ctx, w, request, err)
}
