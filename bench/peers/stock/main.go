// Command stock answers getToken as jsonrpc2 does it without any help: its own
// stream of objects, and a struct as the result.
package main

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/sourcegraph/jsonrpc2"
)

type token struct {
	AccessToken string `json:"accessToken"`
	TokenType   string `json:"tokenType"`
	ExpiresAt   string `json:"expiresAt"`
}

type stdio struct{}

func (stdio) Read(b []byte) (int, error)  { return os.Stdin.Read(b) }
func (stdio) Write(b []byte) (int, error) { return os.Stdout.Write(b) }
func (stdio) Close() error                { return os.Stdin.Close() }

func main() {
	answer := token{strings.Repeat("x", 1500), "Bearer", time.Now().UTC().Format(time.RFC3339)}
	handler := jsonrpc2.HandlerWithError(func(context.Context, *jsonrpc2.Conn, *jsonrpc2.Request) (any, error) { return answer, nil })
	<-jsonrpc2.NewConn(context.Background(), jsonrpc2.NewPlainObjectStream(stdio{}), handler).DisconnectNotify()
}
