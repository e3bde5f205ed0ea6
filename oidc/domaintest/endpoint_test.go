package domaintest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
)

func TestEndpointChecksTheToken(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{Resources: []domaintest.Resource{
		{Audience: "https://llm.example.com", Scopes: []string{"/chat"}},
		{Audience: "https://other.example.com", Scopes: []string{"/chat"}},
	}})
	tokens := issue(t, server, allScopes)
	good := tokens.AccessToken
	body, signature := good[:strings.LastIndexByte(good, '.')], good[strings.LastIndexByte(good, '.'):]
	header, rest, _ := strings.Cut(good, ".")
	for name, test := range map[string]struct {
		token  string
		status int
	}{
		"good":                     {good, http.StatusOK},
		"none":                     {"", http.StatusUnauthorized},
		"no token":                 {"sk-live-key", http.StatusUnauthorized},
		"the refresh token":        {tokens.RefreshToken, http.StatusUnauthorized},
		"the ID token":             {tokens.IDToken, http.StatusUnauthorized},
		"another signature":        {body + signature[:10] + "AAAA" + signature[14:], http.StatusUnauthorized},
		"no signature":             {body + ".", http.StatusUnauthorized},
		"another header":           {header[:len(header)-2] + "." + rest, http.StatusUnauthorized},
		"alg none":                 {"eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".", http.StatusUnauthorized},
		"another audience":         {issue(t, server, "https://other.example.com/chat").AccessToken, http.StatusUnauthorized},
		"a token for the domain":   {issue(t, server, "openid").AccessToken, http.StatusUnauthorized},
		"a token of another place": {issue(t, domaintest.New(t, domaintest.Options{}), allScopes).AccessToken, http.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			got := ask(t, server, test.token)
			if got.status != test.status {
				t.Fatalf("%d %s", got.status, got.text)
			}
			challenge := got.header.Get("WWW-Authenticate")
			if want := `Bearer error="invalid_token"`; got.status != http.StatusOK && challenge != want {
				t.Errorf("challenge %q, want %q", challenge, want)
			}
		})
	}
}

func TestEndpointDemandsTheScope(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{Resources: []domaintest.Resource{
		{Audience: "https://llm.example.com", Scopes: []string{"/chat"}},
		{Audience: "https://llm.example.com", Scopes: []string{"/admin"}},
	}})
	got := ask(t, server, issue(t, server, "https://llm.example.com/admin").AccessToken)
	if got.status != http.StatusForbidden || got.header.Get("WWW-Authenticate") != `Bearer error="insufficient_scope"` {
		t.Errorf("%d %v", got.status, got.header)
	}
}

func TestTokensExpireAndAreRevokedAtTheEndpoint(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{ExpiresIn: 60})
	want := func(status int, token string) {
		t.Helper()
		if got := ask(t, server, token); got.status != status {
			t.Errorf("got %d, want %d", got.status, status)
		}
	}
	one, two := issue(t, server, allScopes).AccessToken, issue(t, server, allScopes).AccessToken
	server.RevokeAccessToken(one)
	want(http.StatusUnauthorized, one)
	want(http.StatusOK, two)
	server.RevokeAccessTokens()
	want(http.StatusUnauthorized, two)
	three := issue(t, server, allScopes).AccessToken
	want(http.StatusOK, three)
	server.Clock.Advance(61 * time.Second)
	want(http.StatusUnauthorized, three)
	server.RevokeAccessToken("no token")
}

func TestModels(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{Models: []string{"a", "b"}})
	request := newRequest(t, http.MethodGet, server.LLMBaseURL+"/models", "")
	if got := send(t, request); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", got.status)
	}
	request.Header.Set("Authorization", "bearer "+issue(t, server, allScopes).AccessToken)
	got := send(t, request)
	if got.status != http.StatusOK || !strings.Contains(got.text, `"id":"a"`) || !strings.Contains(got.text, `"id":"b"`) {
		t.Errorf("%d %s", got.status, got.text)
	}
	if n := server.Count(domaintest.Models); n != 2 {
		t.Errorf("%d requests counted", n)
	}
}

// An agent's request: streamed, with tools, and with the content in both its forms.
const agentRequest = `{"model":"m","stream":true,"stream_options":{"include_usage":true},"tool_choice":"auto",
	"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"read "},
	{"type":"text","text":"a.txt"}]},{"role":"assistant","content":null,"tool_calls":[]},
	{"role":"tool","tool_call_id":"call_1","content":"ok"}],
	"tools":[{"type":"function","function":{"name":"read","parameters":{"type":"object"}}}]}`

// A chunk is one event of a streamed answer.
type chunk struct {
	Object  string
	Model   string
	Choices []struct {
		Delta struct {
			Role      string
			Content   string
			ToolCalls []struct {
				Index    int
				ID, Type string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		FinishReason *string `json:"finish_reason"`
	}
	Usage map[string]int
}

// streamed sends a chat request and returns the chunks of its answer.
func streamed(t *testing.T, server *domaintest.Server, body string) []chunk {
	t.Helper()
	got := send(t, chatRequest(t, server, issue(t, server, allScopes).AccessToken, body))
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v %s", got.status, got.header, got.text)
	}
	events := strings.Split(strings.TrimSuffix(got.text, "\n\n"), "\n\n")
	if last := events[len(events)-1]; last != "data: [DONE]" {
		t.Fatalf("the stream ends with %q", last)
	}
	chunks := make([]chunk, len(events)-1)
	for i := range chunks {
		if err := json.Unmarshal([]byte(strings.TrimPrefix(events[i], "data: ")), &chunks[i]); err != nil {
			t.Fatalf("%v: %s", err, events[i])
		}
	}
	return chunks
}

func TestChatStreamsAGreeting(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	chunks := streamed(t, server, agentRequest)
	var text string
	for i, chunk := range chunks[:len(chunks)-1] {
		if chunk.Object != "chat.completion.chunk" || chunk.Model != "m" || len(chunk.Choices) != 1 {
			t.Fatalf("chunk %d: %+v", i, chunk)
		}
		text += chunk.Choices[0].Delta.Content
		if ends := chunk.Choices[0].FinishReason != nil; ends != (i == len(chunks)-2) {
			t.Errorf("chunk %d: %+v", i, chunk)
		}
	}
	if text != "Hello Maria Example, your token is valid." || chunks[0].Choices[0].Delta.Role != "assistant" {
		t.Errorf("%q", text)
	}
	usage := chunks[len(chunks)-1]
	if len(usage.Choices) != 0 || usage.Usage["total_tokens"] != usage.Usage["prompt_tokens"]+usage.Usage["completion_tokens"] {
		t.Errorf("%+v", usage)
	}
}

func TestChatAnswersInOnePiece(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	got := ask(t, server, issue(t, server, allScopes).AccessToken)
	if got.str("object") != "chat.completion" || got.str("model") != domaintest.DefaultModel ||
		!strings.Contains(got.text, `"message":{"content":"Hello Maria Example, your token is valid.","role":"assistant"}`) ||
		!strings.Contains(got.text, `"finish_reason":"stop"`) || !strings.Contains(got.text, `"total_tokens":8`) {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestChatFollowsAScript(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{Chat: domaintest.Script(
		domaintest.ChatAnswer{ToolCalls: []domaintest.ToolCall{{Name: "read", Arguments: json.RawMessage(`{"filePath":"a.txt"}`)}}},
		domaintest.ChatAnswer{Text: "Done."},
	)})
	ask(t, server, issue(t, server, allScopes).AccessToken) // without tools, it uses up nothing

	calls := streamed(t, server, agentRequest)
	called := calls[len(calls)-3].Choices[0].Delta.ToolCalls
	if len(called) != 1 || called[0].Type != "function" || called[0].ID == "" ||
		called[0].Function.Name != "read" || called[0].Function.Arguments != `{"filePath":"a.txt"}` {
		t.Errorf("%+v", calls)
	}
	if reason := calls[len(calls)-2].Choices[0].FinishReason; reason == nil || *reason != "tool_calls" {
		t.Errorf("%+v", calls)
	}
	for _, want := range []string{"Done.", "Hello "} {
		if next := streamed(t, server, agentRequest); next[1].Choices[0].Delta.Content != want {
			t.Errorf("%+v, want %s", next, want)
		}
	}
}

func TestChatFuncSeesTheRequest(t *testing.T) {
	var seen domaintest.ChatRequest
	server := domaintest.New(t, domaintest.Options{Chat: func(request domaintest.ChatRequest) domaintest.ChatAnswer {
		seen = request
		return domaintest.ChatAnswer{Text: "ok"}
	}})
	streamed(t, server, agentRequest)
	want := domaintest.ChatRequest{
		Subject: "maria@example.com", DisplayName: "Maria Example", Model: "m", Stream: true, Tools: []string{"read"},
		Messages: []domaintest.Message{{Role: "system", Text: "Be brief."}, {Role: "user", Text: "read a.txt"},
			{Role: "assistant"}, {Role: "tool", Text: "ok", ToolID: "call_1"}},
	}
	if !same(seen, want) {
		t.Errorf("got %+v, want %+v", seen, want)
	}
}

func TestChatRefusesInvalidRequests(t *testing.T) {
	server := domaintest.New(t, domaintest.Options{})
	got := send(t, chatRequest(t, server, issue(t, server, allScopes).AccessToken, `{`))
	if got.status != http.StatusBadRequest || !strings.Contains(got.text, `"error":{`) {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestEndpointListsModels(t *testing.T) {
	for catalogue, want := range map[domaintest.Catalogue][2]string{
		domaintest.PlainOpenAI: {`"id":"stand-in-model"`, `Not Found`},
		domaintest.VLLM:        {`"max_model_len":131072`, `Not Found`},
		domaintest.LiteLLM:     {`"id":"stand-in-model"`, `"max_input_tokens":131072`},
	} {
		server := domaintest.New(t, domaintest.Options{Catalogue: catalogue})
		token := issue(t, server, allScopes).AccessToken
		for i, path := range []string{"/models", "/model/info"} {
			request := newRequest(t, http.MethodGet, server.LLMBaseURL+path, "")
			request.Header.Set("Authorization", "Bearer "+token)
			if got := send(t, request); !strings.Contains(got.text, want[i]) {
				t.Errorf("%s, %s: %d %s", catalogue, path, got.status, got.text)
			}
		}
	}
}
