package domaintest

import (
	"cmp"
	"encoding/json"
	"io"
	"maps"
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
	completion := object{"id": "chatcmpl-" + randomHex(12), "created": s.Clock.Now().Unix(), "model": cmp.Or(body.Model, s.current().Models[0])}
	usage := measure(body, said)
	if !body.Stream {
		writeJSON(w, http.StatusOK, whole(completion, said, usage))
		return
	}
	if !body.StreamOptions.IncludeUsage {
		usage = nil
	}
	stream(w, chunks(completion, said, usage))
}

// object is a JSON object.
type object = map[string]any

// whole returns the completion in one piece.
func whole(completion object, said ChatAnswer, usage object) object {
	message := object{"role": "assistant", "content": said.Text}
	if calls := toolCalls(said); calls != nil {
		message["tool_calls"] = calls
	}
	completion["object"], completion["usage"] = "chat.completion", usage
	completion["choices"] = []object{{"index": 0, "message": message, "finish_reason": finishReason(said)}}
	return completion
}

// chunks returns the completion word by word. The last chunk is for a client that asked for
// the usage: it has no choices.
func chunks(completion object, said ChatAnswer, usage object) (list []object) {
	add := func(choices ...object) object {
		chunk := maps.Clone(completion)
		chunk["object"], chunk["choices"] = "chat.completion.chunk", append([]object{}, choices...)
		list = append(list, chunk)
		return chunk
	}
	delta := func(content object) { add(object{"index": 0, "delta": content, "finish_reason": nil}) }
	delta(object{"role": "assistant", "content": ""})
	for word := range strings.SplitAfterSeq(said.Text, " ") {
		delta(object{"content": word})
	}
	for _, call := range toolCalls(said) {
		delta(object{"tool_calls": []object{call}})
	}
	add(object{"index": 0, "delta": object{}, "finish_reason": finishReason(said)})
	if usage != nil {
		add()["usage"] = usage
	}
	return list
}

func toolCalls(said ChatAnswer) (list []object) {
	for i, call := range said.ToolCalls {
		list = append(list, object{"index": i, "id": "call_" + randomHex(12), "type": "function",
			"function": object{"name": call.Name, "arguments": string(call.Arguments)}}) // JSON within JSON
	}
	return list
}

func finishReason(said ChatAnswer) string {
	if len(said.ToolCalls) > 0 {
		return "tool_calls"
	}
	return "stop"
}

// measure counts words for tokens.
func measure(body chatBody, said ChatAnswer) object {
	prompt, answer := 0, len(strings.Fields(said.Text))+len(said.ToolCalls)
	for _, message := range body.Messages {
		prompt += len(strings.Fields(string(message.Content)))
	}
	return object{"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
}

// stream sends chunks as server-sent events.
func stream(w http.ResponseWriter, chunks []object) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for _, chunk := range chunks {
		text, _ := json.Marshal(chunk) // made of strings and numbers
		if _, err := w.Write([]byte("data: " + string(text) + "\n\n")); err != nil {
			return // the client is gone
		}
		_ = out.Flush() // a lost answer has nothing to flush
	}
	_, _ = w.Write([]byte("data: [DONE]\n\n"))
}
