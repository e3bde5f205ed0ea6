package gateway

import (
	"encoding/json"
	"net/http"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
)

// Refuse answers a request with a problem.
func Refuse(w http.ResponseWriter, p *problem.Problem) { writeProblem(w, statusOf(p), p) }

// writeProblem answers with a problem in the form of an OpenAI error.
func writeProblem(w http.ResponseWriter, status int, p *problem.Problem) {
	text, _ := json.Marshal(map[string]any{"error": map[string]any{
		"message": p.Error(), "type": "oci_oidc_gateway", "code": p.Kind, "param": nil,
	}})
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// statusOf returns the HTTP status for a problem. Many clients repeat a request after a 5xx,
// and none after a 401.
func statusOf(p *problem.Problem) int {
	switch {
	case p.Kind == problem.LoginRequired:
		return http.StatusUnauthorized
	case p.Kind == problem.Throttled:
		return http.StatusTooManyRequests
	case p.Retryable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusBadGateway
	}
}
