package domaintest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// DefaultModel is the model that the endpoint lists by default.
const DefaultModel = "stand-in-model"

// Endpoint returns the handler of an endpoint that demands a scope of another resource of
// [Options.Resources] than the first, which is the server's own endpoint. It answers and
// counts like that one.
func (s *Server) Endpoint(resource int) http.Handler { return s.endpoint(resource) }

// endpoint returns the handler of the whole endpoint.
func (s *Server) endpoint(resource int) http.Handler {
	protect := func(next func(http.ResponseWriter, *http.Request, accessClaims)) http.HandlerFunc {
		return s.protect(resource, next)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/models", s.serve(Models, methodOnly(http.MethodGet, protect(s.models))))
	info := s.serve(ModelInfo, methodOnly(http.MethodGet, protect(s.modelInfo)))
	mux.Handle("/v1/model/info", info)
	mux.Handle("/model/info", info)
	mux.Handle("/v1/chat/completions", s.serve(Chat, methodOnly(http.MethodPost, protect(s.chat))))
	return mux
}

// protect lets through the requests whose access token this domain signed for a
// resource and one of its scopes, which has not expired and was not revoked
// here. The others are told why (RFC 6750, section 3.1).
func (s *Server) protect(number int, next func(http.ResponseWriter, *http.Request, accessClaims)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		resource := s.current().Resources[number]
		claims, ok := s.readAccessToken(bearer(r))
		switch {
		case !ok, !slices.Contains(claims.Audience, resource.Audience), s.revoked.has(claims.ID):
			s.reject(w, http.StatusUnauthorized, "invalid_token")
		case !claims.hasAny(resource.Scopes):
			s.reject(w, http.StatusForbidden, "insufficient_scope")
		default:
			next(w, r, claims)
		}
	}
}

// readAccessToken returns the claims of an access token of this domain that has
// not expired.
func (s *Server) readAccessToken(token string) (accessClaims, bool) {
	var claims accessClaims
	err := verify(token, &s.signingKey().PublicKey, &claims)
	return claims, err == nil && claims.ClientID != "" && s.Clock.Now().Before(time.Unix(claims.Expires, 0))
}

// reject answers that the token will not do, as a gateway in front of an LLM does.
func (s *Server) reject(w http.ResponseWriter, status int, reason string) {
	w.Header().Set("WWW-Authenticate", `Bearer error="`+reason+`"`)
	writeJSON(w, status, map[string]any{"code": status, "message": http.StatusText(status)})
}

// revocations are the access tokens that the endpoint rejects before they expire.
// The domain numbers them as it issues them, at the front of the jti.
type revocations struct {
	mu     sync.Mutex
	issued uint32
	before uint32              // this number and those below are revoked
	single map[uint32]struct{} // revoked one by one
}

// newID returns the jti of the next access token.
func (r *revocations) newID() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.issued++
	return fmt.Sprintf("%08x", r.issued) + randomHex(12)
}

// has reports whether the token with that jti is revoked.
func (r *revocations) has(id string) bool {
	number, ok := issueNumber(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	_, single := r.single[number]
	return !ok || single || number <= r.before
}

// issueNumber returns the number at the front of a jti.
func issueNumber(id string) (uint32, bool) {
	number, err := strconv.ParseUint(id[:min(8, len(id))], 16, 32)
	return uint32(number), err == nil
}

// RevokeAccessToken lets the endpoint reject that access token from now on,
// although it has not expired. What is no access token of this domain is ignored.
func (s *Server) RevokeAccessToken(token string) {
	var claims accessClaims
	if unverified(token, &joseHeader{}, &claims) != nil {
		return
	}
	number, ok := issueNumber(claims.ID)
	if !ok {
		return
	}
	s.revoked.mu.Lock()
	defer s.revoked.mu.Unlock()
	if s.revoked.single == nil {
		s.revoked.single = map[uint32]struct{}{}
	}
	s.revoked.single[number] = struct{}{}
}

// RevokeAccessTokens lets the endpoint reject every access token issued so far.
func (s *Server) RevokeAccessTokens() {
	s.revoked.mu.Lock()
	defer s.revoked.mu.Unlock()
	s.revoked.before = s.revoked.issued
}

// A ChatFunc writes the endpoint's answer to one chat request. It is called from
// many goroutines.
type ChatFunc func(ChatRequest) ChatAnswer

// A ChatRequest is a chat request as a ChatFunc needs it.
type ChatRequest struct {
	Subject     string // of the access token
	DisplayName string // of the access token; empty for a client's own
	Model       string
	Stream      bool
	Messages    []Message
	Tools       []string // the names of the tools that are offered
}

// A Message is one message of the conversation.
type Message struct {
	Role   string
	Text   string // the text parts, joined
	ToolID string // which tool call a message of role "tool" answers
}

// A ChatAnswer is text, or tool calls, or both.
type ChatAnswer struct {
	Text      string     `json:"text"`
	ToolCalls []ToolCall `json:"tool_calls"`
}

// A ToolCall asks the client to use one of its tools.
type ToolCall struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // a JSON object
}

// Greet answers with the name in the access token.
func Greet(request ChatRequest) ChatAnswer {
	name := request.DisplayName
	if name == "" {
		name = request.Subject
	}
	return ChatAnswer{Text: "Hello " + name + ", your token is valid."}
}

// Script answers the requests that offer tools with answers, one after the other,
// and everything else, and what comes after the last, as Greet does. An agent asks
// for a title without tools beside its real requests.
func Script(answers ...ChatAnswer) ChatFunc {
	var mu sync.Mutex
	return func(request ChatRequest) ChatAnswer {
		mu.Lock()
		defer mu.Unlock()
		if len(request.Tools) == 0 || len(answers) == 0 {
			return Greet(request)
		}
		next := answers[0]
		answers = answers[1:]
		return next
	}
}
