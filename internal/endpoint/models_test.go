package endpoint

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// parsed returns the models of a list with LiteLLM's details.
func parsed(t testing.TB, body, info string) string {
	t.Helper()
	l, err := parseList([]byte(body))
	if err != nil {
		return "no list"
	}
	if info != "" {
		details, err := parseList([]byte(info))
		if err != nil {
			return "no details"
		}
		l = l.with(details)
	}
	text, err := json.Marshal(l.models())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLists(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"plain", `{"object":"list","data":[{"id":"m","object":"model"}]}`, `{"m":{}}`},
		{"vLLM", `{"data":[{"id":"m","max_model_len":131072,"permission":[{"id":"p"}],"parent":null}]}`,
			`{"m":{"limit":{"context":131072,"output":32768}}}`},
		{"vLLM's adapter", `{"data":[{"id":"base","max_model_len":32768},{"id":"sql","parent":"base","max_model_len":null}]}`,
			`{"base":{"limit":{"context":32768,"output":8192}},"sql":{"limit":{"context":32768,"output":8192}}}`},
		{"OpenRouter", `{"data":[{"id":"org/m","name":"Org: M","context_length":200000}]}`,
			`{"org/m":{"name":"Org: M","limit":{"context":200000,"output":50000}}}`},
		{"Groq", `{"data":[{"id":"m","context_window":131072,"max_completion_tokens":8192}]}`,
			`{"m":{"limit":{"context":131072,"output":8192}}}`},
		{"Mistral", `{"data":[{"id":"m","max_context_length":32768}]}`, `{"m":{"limit":{"context":32768,"output":8192}}}`},
		{"a bare array", `[{"id":"m"}]`, `{"m":{}}`},
		{"Ollama", `{"models":[{"name":"llama3:8b","model":"llama3:8b","size":1,"details":{"family":"llama"}}]}`, `{"llama3:8b":{}}`},
		{"llama.cpp", `{"models":[{"name":"m.gguf","model":"m.gguf"}],"object":"list","data":[{"id":"m.gguf","meta":{"n_ctx_train":131072}}]}`, `{"m.gguf":{}}`},
		{"names alone", `["m","n"]`, `{"m":{},"n":{}}`},
		{"names alone in it", `{"data":["m","n"]}`, `{"m":{},"n":{}}`},
		{"more behind it", `{"data":[{"id":"m"}]}` + "\n{}\x00", `{"m":{}}`},
		{"more behind an array", `[{"id":"m"}]` + "\x00", `{"m":{}}`},
		{"a byte order mark", "\ufeff" + `{"data":[{"id":"m"}]}`, `{"m":{}}`},
		{"a model twice", `{"data":[{"id":"m"},{"id":"m"}]}`, `{"m":{}}`},
		{"nothing in it", `{"data":[]}`, `{}`},
		{"no room for a question", `{"data":[{"id":"m","max_model_len":8192,"max_output_tokens":8192}]}`,
			`{"m":{"limit":{"context":8192,"output":2048}}}`},
		{"an output alone", `{"data":[{"id":"m","max_output_tokens":4096}]}`, `{"m":{"limit":{"context":0,"output":4096}}}`},
		{"numbers as text", `{"data":[{"id":"m","max_model_len":"4096"}]}`, `{"m":{"limit":{"context":4096,"output":1024}}}`},

		{"not for chats, by name", `{"data":[{"id":"text-embedding-3-large"},{"id":"bge-reranker-v2"},{"id":"whisper-1"},{"id":"gpt-4o-tts"},{"id":"attsel"}]}`, `{"attsel":{}}`},
		{"not for chats, by type", `{"data":[{"id":"a","type":"embedding"},{"id":"b","type":"image"},{"id":"embed-chat","type":"chat"},{"id":"d","type":"model"}]}`,
			`{"d":{},"embed-chat":{}}`},

		{"wrong types", `{"data":[{"id":5},{"id":null},5,null,[],{"id":["m"]},{"id":"m","max_model_len":{},"name":7,"model_info":"x"}]}`, `{"m":{}}`},
		{"absurd numbers", `{"data":[{"id":"a","max_model_len":-1},{"id":"b","max_model_len":1e300},{"id":"c","max_model_len":0.5},{"id":"d","max_model_len":"NaN"},{"id":"e","max_model_len":1e400}]}`,
			`{"a":{},"b":{},"c":{},"d":{},"e":{}}`},
		{"Python's numbers", `{"data":[{"id":"a","max_model_len":NaN,"x":[1, NaN]},{"id":"b","max_model_len":-Infinity},{"id":"c:NaN","max_model_len":None,"name":"C: NaN"}]}`,
			`{"a":{},"b":{},"c:NaN":{"name":"C: NaN"}}`},
		{"names nobody can read", `{"data":[{"id":""},{"id":" m"},{"id":"a\u0000b"},{"id":"a\nb"},{"id":"\u001b[31mred"},{"id":"a\u202eb"},{"id":"*"},{"id":"openai/*"},{"id":"ok","name":"\u001b]0;x\u0007"}]}`, `{"ok":{}}`},
		{"names of JavaScript's", `{"data":[{"id":"__proto__","max_model_len":9},{"id":"constructor"},{"id":"toString"}]}`, `{"constructor":{},"toString":{}}`},
		{"a long name", `{"data":[{"id":"` + strings.Repeat("m", 300) + `"}]}`, `{}`},

		{"a web page", `<html><body>Welcome</body></html>`, "no list"},
		{"half", `{"data":[{"id":"m"`, "no list"},
		{"empty", ``, "no list"},
		{"null", `null`, "no list"},
		{"another object", `{"error":{"message":"no"}}`, "no list"},
		{"data of another type", `{"data":{"id":"m"}}`, "no list"},
		{"deep", `{"data":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, "no list"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parsed(t, c.body, ""); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestLiteLLM(t *testing.T) {
	const listed = `{"data":[{"id":"a","object":"model"},{"id":"b"}]}`
	deployment := func(name, info string) string {
		return fmt.Sprintf(`{"model_name":%q,"litellm_params":{"model":"azure/x","api_key":"sk-1"},"model_info":{"id":"5f2c",%s}}`, name, info)
	}
	for _, c := range []struct{ name, list, info, want string }{
		{"limits and what it can", listed,
			deployment("a", `"mode":"chat","max_tokens":4096,"max_input_tokens":128000,"max_output_tokens":16384,"supports_function_calling":false,"supports_vision":true,"supports_pdf_input":null,"supports_reasoning":true`),
			`{"a":{"tool_call":false,"reasoning":true,"attachment":true,"modalities":{"input":["text","image"],"output":["text"]},"limit":{"context":128000,"output":16384}},"b":{}}`},
		{"the older name", listed, deployment("a", `"max_input_tokens":128000,"max_tokens":4096`), `{"a":{"limit":{"context":128000,"output":4096}},"b":{}}`},
		{"several servers for one name: what holds for all", listed,
			deployment("a", `"max_input_tokens":128000,"max_output_tokens":4096,"supports_vision":true`) + "," +
				deployment("a", `"max_input_tokens":32000,"max_output_tokens":8192,"supports_vision":false`),
			`{"a":{"limit":{"context":32000,"output":4096}},"b":{}}`},
		{"not for chats", listed, deployment("a", `"mode":"embedding"`) + "," + deployment("b", `"mode":"audio_transcription"`), `{}`},
		{"a wildcard, and what is not listed", listed, deployment("openai/*", `"max_input_tokens":9`) + "," + deployment("secret", `"max_input_tokens":9`), `{"a":{},"b":{}}`},
		{"what the list tells goes first", `{"data":[{"id":"a","max_model_len":1000}]}`, deployment("a", `"max_input_tokens":9`), `{"a":{"limit":{"context":1000,"output":250}}}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parsed(t, c.list, `{"data":[`+c.info+`]}`); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestNumberOfModelsIsLimited(t *testing.T) {
	var body strings.Builder
	body.WriteString(`{"data":[{"id":"m"}`)
	for n := range 10_000 {
		fmt.Fprintf(&body, `,{"id":"m%d","max_model_len":4096}`, n)
	}
	body.WriteString(`]}`)
	l, err := parseList([]byte(body.String()))
	if err != nil || len(l.models()) != maxModels {
		t.Errorf("%d models, %v", len(l.models()), err)
	}
}

func FuzzList(f *testing.F) {
	f.Add(`{"data":[{"id":"m","max_model_len":131072,"parent":"m"}]}`, `{"data":[{"model_name":"m","model_info":{"mode":"chat","max_input_tokens":1}}]}`)
	f.Add(`[{"id":"__proto__","name":"\u202e","context_length":"1e9"}]`, `[]`)
	f.Add(`{"data":[5,{"id":{}},{"id":"a*"}]}`, `{"data":[{"model_info":7}]}`)
	f.Fuzz(func(t *testing.T, body, info string) {
		l, err := parseList([]byte(body))
		if err != nil && l != nil {
			t.Fatal("a list and an error")
		}
		details, _ := parseList([]byte(info))
		models := l.with(details).models()
		if len(models) > maxModels {
			t.Fatalf("%d models", len(models))
		}
		for id, model := range models {
			if !usableID(id) || !printable(model.Name) {
				t.Fatalf("%q, %q", id, model.Name)
			}
			if l := model.Limit; l != nil && (l.Context < 0 || l.Output < 1 || l.Context > maxTokens || l.Output > maxTokens || (l.Context > 1 && l.Output > l.Context/2)) {
				t.Fatalf("%q: %+v", id, *l)
			}
		}
		if text, err := json.Marshal(models); err != nil || len(text) > 1<<20 {
			t.Fatalf("%d bytes, %v", len(text), err)
		}
	})
}
