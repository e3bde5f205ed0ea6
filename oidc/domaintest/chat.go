package domaintest

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// A chatBody is what an OpenAI-compatible client sends, as far as it matters here.
type chatBody struct {
	Model         string `json:"model"`
	Stream        bool   `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Messages []struct {
		Role    string   `json:"role"`
		Content chatText `json:"content"`
		ToolID  string   `json:"tool_call_id"`
	} `json:"messages"`
	Tools []struct {
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	} `json:"tools"`
}

// chatText is a message's content: a string, a list of parts, or null.
type chatText string

func (t *chatText) UnmarshalJSON(text []byte) error {
	if len(text) == 0 || text[0] != '[' {
		return json.Unmarshal(text, (*string)(t))
	}
	var parts []struct {
		Text string `json:"text"`
	}
	err := json.Unmarshal(text, &parts)
	for _, part := range parts {
		*t += chatText(part.Text)
	}
	return err
}

// request returns the body as a ChatFunc sees it.
func (b chatBody) request(claims accessClaims) ChatRequest {
	request := ChatRequest{Subject: claims.Subject, DisplayName: claims.DisplayName, Model: b.Model, Stream: b.Stream}
	for _, message := range b.Messages {
		request.Messages = append(request.Messages, Message{message.Role, string(message.Content), message.ToolID})
	}
	for _, tool := range b.Tools {
		request.Tools = append(request.Tools, tool.Function.Name)
	}
	return request
}

// chat answers a chat completion, streamed or whole.
func (s *Server) chat(w http.ResponseWriter, r *http.Request, claims accessClaims) {
	var body chatBody
	text, _ := io.ReadAll(r.Body) // already in memory
	if err := json.Unmarshal(text, &body); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": map[string]any{
			"message": "The request is not well-formed: " + err.Error(), "type": "invalid_request_error"}})
		return
	}
	said := s.current().Chat(body.request(claims))
	completion := newCompletion(s.Clock.Now().Unix(), cmp.Or(body.Model, s.current().Models[0]))
	usage := measure(body, said)
	if !body.Stream {
		writeJSON(w, http.StatusOK, completion.whole(said, usage))
		return
	}
	chunks := completion.chunks(said)
	if body.StreamOptions.IncludeUsage {
		chunks = append(chunks, completion.usageChunk(usage))
	}
	stream(w, chunks)
}

// A completion is a chat completion, whole or one chunk of it, in OpenAI's shape.
type completion struct {
	ID      string   `json:"id"`
	Object  string   `json:"object"`
	Created int64    `json:"created"` // seconds since 1970
	Model   string   `json:"model"`
	Choices []choice `json:"choices"`
	Usage   *usage   `json:"usage,omitempty"`
}

type choice struct {
	Index        int      `json:"index"`
	Message      *content `json:"message,omitempty"` // of a whole completion
	Delta        *content `json:"delta,omitempty"`   // of a chunk
	FinishReason *string  `json:"finish_reason"`     // "stop" or "tool_calls"; null before the last chunk
}

type content struct {
	Role      string         `json:"role,omitempty"`
	Content   *string        `json:"content,omitempty"`
	ToolCalls []toolCallPart `json:"tool_calls,omitempty"`
}

type toolCallPart struct {
	Index    int          `json:"index"`
	ID       string       `json:"id"`
	Type     string       `json:"type"`
	Function functionCall `json:"function"`
}

type functionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"` // JSON within JSON
}

type usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
}

func newCompletion(created int64, model string) completion {
	return completion{ID: "chatcmpl-" + randomHex(12), Created: created, Model: model}
}

// whole returns the completion in one piece.
func (c completion) whole(said ChatAnswer, spent usage) completion {
	c.Object = "chat.completion"
	c.Usage = &spent
	message := &content{Role: "assistant", Content: &said.Text, ToolCalls: toolCallParts(said)}
	c.Choices = []choice{{Message: message, FinishReason: finishReason(said)}}
	return c
}

// chunks returns the completion word by word.
func (c completion) chunks(said ChatAnswer) []completion {
	empty := ""
	list := []completion{c.chunk(content{Role: "assistant", Content: &empty}, nil)}
	for word := range strings.SplitAfterSeq(said.Text, " ") {
		list = append(list, c.chunk(content{Content: &word}, nil))
	}
	for _, call := range toolCallParts(said) {
		list = append(list, c.chunk(content{ToolCalls: []toolCallPart{call}}, nil))
	}
	return append(list, c.chunk(content{}, finishReason(said)))
}

func (c completion) chunk(delta content, finish *string) completion {
	c.Object = "chat.completion.chunk"
	c.Choices = []choice{{Delta: &delta, FinishReason: finish}}
	return c
}

// usageChunk is the last chunk for a client that asked for it: it has no choices.
func (c completion) usageChunk(spent usage) completion {
	c.Object = "chat.completion.chunk"
	c.Choices = []choice{}
	c.Usage = &spent
	return c
}

func toolCallParts(said ChatAnswer) []toolCallPart {
	var list []toolCallPart
	for i, call := range said.ToolCalls {
		list = append(list, toolCallPart{i, "call_" + randomHex(12), "function",
			functionCall{call.Name, string(call.Arguments)}})
	}
	return list
}

func finishReason(said ChatAnswer) *string {
	reason := "stop"
	if len(said.ToolCalls) > 0 {
		reason = "tool_calls"
	}
	return &reason
}

// measure counts words for tokens.
func measure(body chatBody, said ChatAnswer) usage {
	spent := usage{Completion: len(strings.Fields(said.Text)) + len(said.ToolCalls)}
	for _, message := range body.Messages {
		spent.Prompt += len(strings.Fields(string(message.Content)))
	}
	spent.Total = spent.Prompt + spent.Completion
	return spent
}

// stream sends chunks as server-sent events.
func stream(w http.ResponseWriter, chunks []completion) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for _, chunk := range chunks {
		text, err := json.Marshal(chunk)
		if err != nil {
			panic(err) // chunks are made of strings and numbers
		}
		if _, err := w.Write([]byte("data: " + string(text) + "\n\n")); err != nil {
			return // the client is gone
		}
		_ = out.Flush() // a lost answer has nothing to flush
	}
	_, _ = w.Write([]byte("data: [DONE]\n\n"))
}
