package endpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// The list travels in one line of the wire, which ends at 1 MiB.
const (
	maxModels   = 1000
	maxText     = 100 << 10 // bytes of all names together
	maxIDLength = 200       // bytes
	maxTokens   = 1 << 30
)

// Models are an endpoint's models by the names under which it knows them.
type Models map[string]Model

// A Model is what OpenCode is told of one: the names in JSON are those of
// provider.*.models in opencode.json. What the endpoint does not tell is left out,
// and OpenCode then assumes a model that reads text and calls tools.
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

// A Limit is in tokens. A Context of 0 is one that is not known.
type Limit struct {
	Context int `json:"context"`
	Output  int `json:"output"`
}

// list is what an endpoint says of its models, in its order.
type list []entry

// An entry is one model in a list. The servers have agreed on id alone; the other
// names are those of vLLM, LiteLLM, OpenRouter, Mistral, Groq and LM Studio.
type entry struct {
	ID     text `json:"id"`
	Model  text `json:"model_name"` // LiteLLM's /model/info, where id is another thing
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

// text, count and flag are what an answer should have as a string, a number and a
// truth value. Whatever else it has counts as nothing.
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

// parseList reads {"data": [...]}, or the bare array that some servers send. Where the
// list is null, as an empty one comes out of some languages, there are no models.
func parseList(body []byte) (list, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	data := json.RawMessage(body)
	if !bytes.HasPrefix(body, []byte("[")) {
		var whole struct {
			Object text            `json:"object"`
			Data   json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &whole); err != nil {
			return nil, err
		}
		if data = whole.Data; data == nil && whole.Object != "list" {
			return nil, errors.New("no data")
		}
	}
	var all []json.RawMessage
	if data != nil {
		if err := json.Unmarshal(data, &all); err != nil {
			return nil, err
		}
	}
	var (
		l    list
		size int
	)
	for _, raw := range all {
		var e entry
		_ = json.Unmarshal(raw, &e) // what has a wrong type counts as nothing
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
	if e.Model != "" {
		return string(e.Model)
	}
	return string(e.ID)
}

// usableID refuses what a person could not type or should not see, LiteLLM's
// wildcards, and the one name that means something else to JavaScript.
func usableID(id string) bool {
	return id != "" && len(id) <= maxIDLength && id != "__proto__" &&
		strings.TrimSpace(id) == id && !strings.Contains(id, "*") && printable(id)
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// lacksLimits reports whether some model's context is not told.
func (l list) lacksLimits() bool {
	return slices.ContainsFunc(l, func(e entry) bool { return e.context() == 0 })
}

// with returns the models of l with what info says of them: of one that several
// servers share, what holds for all. Without l they are those of info.
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

// and is what holds for both.
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

// models returns those that chat.
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

// other are the kinds of models that are of no use to a person who chats, by the
// names that servers have for them, or by the words in the model's own name where
// the server does not tell. Compiled when first needed: start-up counts.
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

// limit completes what is known. OpenCode keeps the output free of the context and
// asks for as much, so an output that is not told, or that would leave no room for a
// question, is a quarter of the context.
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
