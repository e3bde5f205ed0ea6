package endpoint

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

const token = "eyJ.the.token"

// served returns an endpoint that answers with these texts by path below base, and records
// the requested paths.
func served(t *testing.T, base string, answers map[string]http.HandlerFunc) (Endpoint, *[]string) {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		if r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("%s: Authorization %q", r.URL.Path, r.Header.Get("Authorization"))
		}
		if answer, ok := answers[r.URL.Path]; ok {
			answer(w, r)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	return Endpoint{Address: Address{BaseURL: server.URL + base}, Token: secret.New(token)}, &asked
}

func says(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); _, _ = w.Write([]byte(body)) }
}

func refuses(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

const (
	plain   = `{"data":[{"id":"m"}]}`
	limited = `{"data":[{"id":"m","max_model_len":4096}]}`
	details = `{"data":[{"model_name":"m","model_info":{"max_input_tokens":8000,"max_output_tokens":1000}}]}`
)

func TestModels(t *testing.T) {
	for name, c := range map[string]struct {
		base    string
		answers map[string]http.HandlerFunc
		want    string
		asked   string
	}{
		"limits in the list": {"/v1", map[string]http.HandlerFunc{"/v1/models": says(limited)},
			`{"m":{"limit":{"context":4096,"output":1024}}}`, "/v1/models"},
		"LiteLLM": {"/v1", map[string]http.HandlerFunc{"/v1/models": says(plain), "/v1/model/info": says(details)},
			`{"m":{"limit":{"context":8000,"output":1000}}}`, "/v1/models /v1/model/info"},
		"LiteLLM's older path": {"/v1", map[string]http.HandlerFunc{"/v1/models": says(plain), "/model/info": says(details)},
			`{"m":{"limit":{"context":8000,"output":1000}}}`, "/v1/models /v1/model/info /model/info"},
		"LiteLLM without /v1": {"", map[string]http.HandlerFunc{"/models": says(plain), "/model/info": says(details)},
			`{"m":{"limit":{"context":8000,"output":1000}}}`, "/models /model/info"},
		"details alone": {"/v1", map[string]http.HandlerFunc{"/v1/model/info": says(details)},
			`{"m":{"limit":{"context":8000,"output":1000}}}`, "/v1/models /v1/model/info"},
		"no details": {"/v1", map[string]http.HandlerFunc{"/v1/models": says(plain)}, `{"m":{}}`, "/v1/models /v1/model/info /model/info"},
		"broken details": {"/v1", map[string]http.HandlerFunc{"/v1/models": says(plain), "/v1/model/info": says("<html>"), "/model/info": refuses(500)},
			`{"m":{}}`, "/v1/models /v1/model/info /model/info"},
	} {
		t.Run(name, func(t *testing.T) {
			e, asked := served(t, c.base, c.answers)
			models, err := e.Models(t.Context())
			got, _ := json.Marshal(models)
			if err != nil || string(got) != c.want {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
			if got := strings.Join(*asked, " "); got != c.asked {
				t.Errorf("asked for %s, want %s", got, c.asked)
			}
		})
	}
}

func TestAnswerWithoutAListIsAProblem(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the token went elsewhere") }))
	t.Cleanup(elsewhere.Close)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   problem.Kind
		words  string
	}{
		"401":                {refuses(401), problem.Config, "with this token (401)"},
		"403":                {refuses(403), problem.Config, "with this token (403)"},
		"404":                {refuses(404), problem.Config, "no list of models at"},
		"a redirect":         {http.RedirectHandler(elsewhere.URL, http.StatusFound).ServeHTTP, problem.Config, "leads elsewhere"},
		"407":                {refuses(407), problem.Network, "could not be asked for: the proxy wants a user name and password"},
		"511":                {refuses(511), problem.Network, "did not return a list of models"},
		"an error, with 200": {says(`{"error":{"message":"You have no access to models"}}`), problem.Network, "It says: You have no access to models"},
		"429":                {refuses(429), problem.Network, "429"},
		"502":                {refuses(502), problem.Network, "502"},
		"a web page":         {says("<html>Welcome</html>"), problem.Network, "did not return a list of models"},
		"nothing":            {says(""), problem.Network, "did not return a list of models"},
		"no models":          {says(`{"data":[]}`), problem.Config, "lists no models"},
		"null for a list":    {says(`{"object":"list","data":null}`), problem.Config, "lists no models"},
		"null alone":         {says(`{"data":null}`), problem.Config, "lists no models"},
		"a list of nothing":  {says(`{"object":"list"}`), problem.Config, "lists no models"},
		"a list of nulls":    {says(`{"data":[null,7,[]]}`), problem.Config, "lists no models"},
		"no list at all":     {says(`{"status":"ok"}`), problem.Network, "did not return a list of models"},
		"half a list":        {says(`{"data":[{"id":"m"`), problem.Network, "its JSON is cut off or malformed"},
		"words for a list":   {says(`{"data":"none"}`), problem.Network, "did not return a list of models"},
		"its reason":         {answers(403, `{"detail":"Budget exceeded"}`), problem.Config, "It says: Budget exceeded"},
		"its reason, 500":    {answers(500, `{"error":{"message":"CUDA out of memory"}}`), problem.Network, "It says: CUDA out of memory"},
		"only an embedding":  {says(`{"data":[{"id":"text-embedding-3-small"}]}`), problem.Config, "lists no models"},
		"too much":           {says(`{"data":[{"id":"` + strings.Repeat("m", maxAnswerSize) + `"}]}`), problem.Network, "did not return a list of models"},
		"a cut answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(plain))
		}, problem.Network, "cut the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := served(t, "/v1", map[string]http.HandlerFunc{"/v1/models": c.answer})
			models, err := e.Models(t.Context())
			p := problem.From(err)
			if p == nil || p.Kind != c.kind || !strings.Contains(p.Message, c.words) || p.Hint == "" || models != nil {
				t.Errorf("%v, %q (%v); want %s, %q", models, err, p, c.kind, c.words)
			}
			if p != nil && strings.Contains(p.Error(), token) {
				t.Error("the token is in the problem")
			}
		})
	}
}

func TestStalledEndpointIsGivenUpWithTheContext(t *testing.T) {
	stalls := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	e, _ := served(t, "/v1", map[string]http.HandlerFunc{"/v1/models": stalls})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := e.Models(ctx)
	if p := problem.From(err); p.Kind != problem.Network || !p.Retryable || !strings.Contains(p.Message, "did not answer in time") {
		t.Errorf("%v", err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	if _, err := e.Models(ctx); !problem.Is(err, problem.Cancelled) {
		t.Errorf("%v", err)
	}
}
