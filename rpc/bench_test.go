package rpc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/tokens"
)

// BenchmarkGetToken calls getToken over pipes in memory, which includes the decoding of
// messages but no process.
func BenchmarkGetToken(b *testing.B) {
	ask := newAsker(b)
	b.ReportAllocs()
	for b.Loop() {
		ask()
	}
}

// Allocations are counted because, unlike times, they do not depend on the machine.
func TestAllocationsOfGetToken(t *testing.T) {
	ask := newAsker(t)
	if n := testing.AllocsPerRun(500, func() { ask() }); n > 60 {
		t.Errorf("%v allocations a call, more than 60", n)
	}
	reply := bytes.Clone(ask())
	var m struct{ Result struct{ AccessToken string } }
	if err := json.Unmarshal(reply, &m); err != nil {
		t.Fatal(err)
	}
	if more := len(reply) - len(m.Result.AccessToken); more > 200 {
		t.Errorf("%d bytes a reply besides the token, more than 200", more)
	}
}

// newAsker returns a function that requests the token in memory and returns everything that the
// helper wrote up to the reply.
func newAsker(tb testing.TB) (ask func() []byte) {
	server := domaintest.New(tb, domaintest.Options{})
	places := configured(tb, server)
	path := config.Paths(places, "")[1]
	text, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, bytes.Replace(text, []byte("VERBOSE"), []byte(config.DefaultLogLevel), 1), 0o600)
	}
	if err != nil {
		tb.Fatal(err)
	}
	config, err := config.Load(places, places.Home)
	if err != nil {
		tb.Fatal(err)
	}
	issued, err := server.Issue(config.ClientID, config.Scope)
	if err != nil {
		tb.Fatal(err)
	}
	now := time.Now()
	_, err = tokens.Open(places, config).Save(tokens.Tokens{Access: secret.New(issued.AccessToken), Type: "Bearer",
		Refresh: secret.New(issued.RefreshToken), IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		tb.Fatal(err)
	}
	inReader, inWriter := io.Pipe()
	outReader, outWriter := io.Pipe()
	log := logging.Open("")
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer log.Close()
		defer outWriter.Close()
		Serve(context.Background(), inReader, outWriter, Options{Places: places, Log: log})
	}()
	lines := bufio.NewReaderSize(outReader, 64<<10)
	tb.Cleanup(func() {
		inWriter.Close()
		_, _ = io.Copy(io.Discard, lines)
		<-done
	})
	request := []byte(`{"jsonrpc":"2.0","id":1,"method":"getToken","params":{}}` + "\n")
	ask = func() []byte {
		if _, err := inWriter.Write(request); err != nil {
			tb.Fatal(err)
		}
		reply, err := lines.ReadSlice('\n')
		if err != nil {
			tb.Fatal(err)
		}
		return reply
	}
	// The first call makes the helper read the file and send a notification, before or after the
	// answer.
	for answered, told := false, false; !answered || !told; {
		if !answered && !told {
			if _, err := inWriter.Write(request); err != nil {
				tb.Fatal(err)
			}
		}
		line, err := lines.ReadSlice('\n')
		if err != nil {
			tb.Fatal(err)
		}
		answered, told = answered || bytes.Contains(line, []byte(`"result"`)), told || bytes.Contains(line, []byte("session/changed"))
	}
	return ask
}
