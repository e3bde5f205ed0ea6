package lines

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/sourcegraph/jsonrpc2"
)

// FuzzCodec reads arbitrary input: every line is either a request that can be answered by its
// ID, or is answered at once with one line of JSON.
func FuzzCodec(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"status"}`, `{"jsonrpc":"2.0","id":"a","method":"getToken","params":{"rejected":"x"}}`,
		`[{"jsonrpc":"2.0"}]`, `{"jsonrpc":"2.0","id":-1.5,"method":"x","params":null}`, `{"id":{}}`, "\xff", `{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":1}}`,
		`{"jsonrpc":"2.0","id":7,"method":"getToken","params":{}}`, `{"jsonrpc":"2.0","id":8,"method":"a","params":{"b":1},"params":{}}`,
		`{"jsonrpc":"2.0","id":9,"method":"initialize","params":{"protocol":1,"directory":"}"}}`, `{"jsonrpc":"2.0","id":9,"method":"a","params":}`, `{"jsonrpc":"2.0","id":1,"result":{}}`, "\n\r\n{", strings.Repeat("[", 20000),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		var out bytes.Buffer
		ended := 0
		s := New(bytes.NewReader(input), &out, func() { ended++ })
		for {
			var request jsonrpc2.Request
			if err := s.ReadObject(&request); err != nil {
				if err != io.EOF {
					t.Errorf("ended with %v", err)
				}
				break
			}
			s.Reply(request.ID, json.RawMessage(`{}`))
		}
		if ended != 1 {
			t.Errorf("ended %d times", ended)
		}
		lines := bytes.Count(input, []byte("\n")) + 1
		for line := range bytes.Lines(out.Bytes()) {
			var answer struct {
				Version string `json:"jsonrpc"`
				Error   *struct{ Code int }
				Result  *struct{}
			}
			if err := json.Unmarshal(line, &answer); err != nil || answer.Version != "2.0" || (answer.Error == nil) == (answer.Result == nil) {
				t.Errorf("%v: answered %q", err, line)
			}
			lines--
		}
		if lines < 0 {
			t.Error("more answers than lines")
		}
	})
}
