package rpc

import (
	"bufio"
	"context"
	"io"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/logging"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/oidc/domaintest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// BenchmarkGetToken is one getToken after the other over pipes in memory: what the
// Go side costs, the connection's decoding included.
func BenchmarkGetToken(b *testing.B) {
	server := domaintest.New(b, domaintest.Options{})
	places := configured(b, server)
	config, err := places.LoadConfig(places.Home)
	if err != nil {
		b.Fatal(err)
	}
	issued, err := server.Issue(config.ClientID, config.Scope)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	_, err = places.TokenFile(config).Save(store.Tokens{Access: secret.New(issued.AccessToken), Type: "Bearer",
		Refresh: secret.New(issued.RefreshToken), IssuedAt: now, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		b.Fatal(err)
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
	call := func() {
		if _, err := io.WriteString(inWriter, `{"jsonrpc":"2.0","id":1,"method":"getToken","params":{}}`+"\n"); err != nil {
			b.Fatal(err)
		}
		for { // a notification may come first
			line, err := lines.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) > 500 {
				return
			}
		}
	}
	call()
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
	inWriter.Close()
	_, _ = io.Copy(io.Discard, lines)
	<-done
}
