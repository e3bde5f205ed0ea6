package endpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/oddjson"
)

// The list is sent to the shim in one line of at most 1 MiB, which these limits ensure.
const (
	maxModels   = 1000
	maxText     = 100 << 10 // bytes, for all names together
	maxIDLength = 200       // bytes
	maxTokens   = 1 << 30
)

// Models are an endpoint's models by ID, which is the name to use in requests.
type Models map[string]Model

// A Model is one model in the form of provider.*.models in opencode.json. What the endpoint
// does not say is left out; OpenCode then assumes a model that reads text and calls tools.
type Model struct {
	Name       string      `json:"name,omitempty"`
	ToolCall   *bool       `json:"tool_call,omitempty"`
	Reasoning  bool        `json:"reasoning,omitempty"`
	Attachment bool        `json:"attachment,omitempty"`
	Modalities *Modalities `json:"modalities,omitempty"`
	Limit      *Limit      `json:"limit,omitempty"`
}

// Modalities are what a model reads and writes.
type Modalities struct {
	Input  []string `json:"input"`
	Output []string `json:"output"`
}

// A Limit is in tokens. A Context of 0 is unknown.
type Limit struct {
	Context int `json:"context"`
	Output  int `json:"output"`
}

// list is an endpoint's list of models, in its order.
type list []entry

// An entry is one model in a list. Only id is common to most servers; the other members are
// those of vLLM, LiteLLM, OpenRouter, Mistral, Groq, LM Studio and Ollama.
type entry struct {
	ID     text `json:"id"`
	Model  text `json:"model_name"` // LiteLLM's /model/info, whose id is not the model's name
	Tag    text `json:"model"`      // Ollama, which has no id
	Name   text `json:"name"`
	Shown  text `json:"display_name"`
	Parent text `json:"parent"` // vLLM: the model that this one adapts
	Type   text `json:"type"`
	facts
	Info facts `json:"model_info"`
}

type facts struct {
	Mode text `json:"mode"`

	MaxModelLen      count `json:"max_model_len"`
	ContextLength    count `json:"context_length"`
	ContextWindow    count `json:"context_window"`
	MaxContextLength count `json:"max_context_length"`
	MaxInputTokens   count `json:"max_input_tokens"`

	MaxOutputTokens     count `json:"max_output_tokens"`
	MaxCompletionTokens count `json:"max_completion_tokens"`
	MaxTokens           count `json:"max_tokens"` // LiteLLM's older name

	Tools     flag `json:"supports_function_calling"`
	Vision    flag `json:"supports_vision"`
	PDF       flag `json:"supports_pdf_input"`
	Reasoning flag `json:"supports_reasoning"`
}

// text, count and flag are a JSON string, number and boolean. A value of another type counts
// as missing and is not an error.
type (
	text  string
	count int
	flag  struct{ known, yes bool }
)

func (t *text) UnmarshalJSON(raw []byte) error {
	var value string
	if json.Unmarshal(raw, &value) == nil {
		*t = text(value)
	}
	return nil
}

func (c *count) UnmarshalJSON(raw []byte) error {
	value, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err == nil && value >= 1 && value <= maxTokens {
		*c = count(value)
	}
	return nil
}

func (f *flag) UnmarshalJSON(raw []byte) error {
	var value *bool
	if json.Unmarshal(raw, &value) == nil && value != nil {
		*f = flag{true, *value}
	}
	return nil
}

// parseList parses {"data": [...]}, {"models": [...]} as of Ollama, or the array alone, which
// some servers send. The models may be objects or only their names. A null list is empty: some
// languages encode empty lists that way. What follows the JSON is ignored.
func parseList(body []byte) (list, error) {
	body = oddjson.Corrected(bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))))
	data := json.RawMessage(body)
	if !bytes.HasPrefix(body, []byte("[")) {
		var whole struct {
			Object text            `json:"object"`
			Data   json.RawMessage `json:"data"`
			Models json.RawMessage `json:"models"`
		}
		if err := json.NewDecoder(bytes.NewReader(body)).Decode(&whole); err != nil {
			return nil, err
		}
		if data = whole.Data; data == nil {
			data = whole.Models
		}
		if data == nil && whole.Object != "list" {
			return nil, errors.New("no data")
		}
	}
	var all []json.RawMessage
	if data != nil {
		if err := json.NewDecoder(bytes.NewReader(data)).Decode(&all); err != nil {
			return nil, err
		}
	}
	var (
		l    list
		size int
	)
	for _, raw := range all {
		var e entry
		_ = json.Unmarshal(raw, &e)    // an entry that is neither an object nor a name has no ID,
		_ = json.Unmarshal(raw, &e.ID) // and is skipped
		if !usableID(e.id()) {
			continue
		}
		size += len(e.id()) + len(e.Name) + len(e.Shown)
		if len(l) == maxModels || size > maxText {
			break
		}
		l = append(l, e)
	}
	return l, nil
}

func (e entry) id() string {
	return string(cmp.Or(e.Model, e.ID, e.Tag))
}

// usableID reports whether an ID can be shown and typed. It refuses LiteLLM's wildcards, and
// __proto__, which is not an ordinary key in JavaScript.
func usableID(id string) bool {
	return id != "" && len(id) <= maxIDLength && id != "__proto__" &&
		strings.TrimSpace(id) == id && !strings.Contains(id, "*") && printable(id)
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// lacksLimits reports whether the context of any model is unknown.
func (l list) lacksLimits() bool {
	return slices.ContainsFunc(l, func(e entry) bool { return e.context() == 0 })
}

// with returns l with the details in info added. If info has a model several times, because
// several servers share it, the details that hold for all are used. If l is nil, with returns
// the models of info.
func (l list) with(info list) list {
	known := map[string]facts{}
	for _, e := range info {
		said := e.Info
		if before, twice := known[e.id()]; twice {
			said = before.and(said)
		}
		known[e.id()] = said
	}
	if l == nil {
		l = info
	}
	completed := slices.Clone(l)
	for i, e := range completed {
		if said, ok := known[e.id()]; ok {
			completed[i].Info = said
		}
	}
	return completed
}

// and returns the facts that hold for both servers: the smaller limits, and what both support.
func (f facts) and(g facts) facts {
	least := func(a *count, b count) {
		if b != 0 && (*a == 0 || b < *a) {
			*a = b
		}
	}
	both := func(a *flag, b flag) {
		if b.known && !b.yes {
			*a = b
		}
	}
	least(&f.MaxInputTokens, g.MaxInputTokens)
	least(&f.MaxOutputTokens, g.MaxOutputTokens)
	least(&f.MaxTokens, g.MaxTokens)
	both(&f.Tools, g.Tools)
	both(&f.Vision, g.Vision)
	both(&f.PDF, g.PDF)
	both(&f.Reasoning, g.Reasoning)
	return f
}

// models returns the chat models.
func (l list) models() Models {
	contexts := map[string]int{}
	for _, e := range l {
		contexts[e.id()] = e.context()
	}
	models := Models{}
	for _, e := range l {
		if e.chats() {
			models[e.id()] = e.model(contexts[string(e.Parent)])
		}
	}
	return models
}

// otherModes and otherNames recognise models that are not for chat: by the mode or type that
// the server gives, or if it gives none, by the model's ID.
var (
	otherModes = lazyPattern(`(?i)embed|rerank|image|audio|video|speech|transcri|moderation|ocr|search|vector`)
	otherNames = lazyPattern(`(?i)(^|[^a-z])(embed(ding)?s?|rerank(er)?|whisper|tts|dall-e|moderation)($|[^a-z])`)
)

func lazyPattern(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })
}

func (e entry) chats() bool {
	for _, mode := range []text{e.Info.Mode, e.Mode, e.Type} {
		if mode != "" && mode != "model" {
			return !otherModes().MatchString(string(mode))
		}
	}
	return !otherNames().MatchString(e.id())
}

func (e entry) context() int {
	for _, f := range []facts{e.facts, e.Info} {
		for _, n := range []count{f.MaxModelLen, f.ContextLength, f.ContextWindow, f.MaxContextLength, f.MaxInputTokens} {
			if n > 0 {
				return int(n)
			}
		}
	}
	return 0
}

func (e entry) output() int {
	for _, f := range []facts{e.facts, e.Info} {
		for _, n := range []count{f.MaxOutputTokens, f.MaxCompletionTokens, f.MaxTokens} {
			if n > 0 {
				return int(n)
			}
		}
	}
	return 0
}

func (e entry) model(parentContext int) Model {
	m := Model{Limit: limit(e.context(), parentContext, e.output())}
	for _, name := range []text{e.Name, e.Shown} {
		if name != "" && string(name) != e.id() && len(name) <= maxIDLength && printable(string(name)) {
			m.Name = string(name)
			break
		}
	}
	if e.Info.Tools.known {
		m.ToolCall = &e.Info.Tools.yes
	}
	m.Reasoning = e.Info.Reasoning.yes
	input := []string{"text"}
	if e.Info.Vision.yes {
		input = append(input, "image")
	}
	if e.Info.PDF.yes {
		input = append(input, "pdf")
	}
	if len(input) > 1 {
		m.Attachment = true
		m.Modalities = &Modalities{Input: input, Output: []string{"text"}}
	}
	return m
}

// limit fills in missing limits. OpenCode reserves the output limit in the context and
// requests as many tokens, so an output limit that is unknown, or more than half of the
// context, becomes a quarter of the context.
func limit(context, parentContext, output int) *Limit {
	if context == 0 {
		context = parentContext
	}
	if context > 0 && (output == 0 || output > context/2) {
		output = max(1, context/4)
	}
	if context == 0 && output == 0 {
		return nil
	}
	return &Limit{context, output}
}
