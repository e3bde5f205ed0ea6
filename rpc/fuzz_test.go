package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
)

// FuzzLine has a conversation with arbitrary lines: after each of them, the next request is
// answered.
func FuzzLine(f *testing.F) {
	for _, line := range []string{`{"jsonrpc":"2.0","id":1,"method":"status"}`, `{"jsonrpc":"2.0","id":-1.5e3,"method":"nope","params":[]}`, `[`, "\x00", `{"jsonrpc":"2.0","id":"\ud800","method":"\ud800"}`} {
		f.Add([]byte(line))
	}
	places := emptyPlaces(f)
	log := logging.Open("")
	f.Fuzz(func(t *testing.T, line []byte) {
		var out bytes.Buffer
		input := append(append(bytes.ReplaceAll(line, []byte("connect"), nil), '\n'), `{"jsonrpc":"2.0","id":"last","method":"nope"}`...)
		Serve(context.Background(), bytes.NewReader(input), &out, Options{Places: places, Log: log})
		answers := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		last := false
		for _, answer := range answers {
			if !json.Valid([]byte(answer)) {
				t.Errorf("not JSON: %q", answer)
			}
			last = last || strings.Contains(answer, `"id":"last"`)
		}
		if !last {
			t.Errorf("the line after it was not answered: %q", answers)
		}
	})
}
