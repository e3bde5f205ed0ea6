// Command floor links the packages that the helper links and uses none of them: it
// prints a line and ends. What a start of the helper takes beyond this is our own.
package main

import (
	"context"
	"net/http"
	"os"
	"strings"

	"github.com/adrg/xdg"
	"github.com/agnivade/levenshtein"
	"github.com/bmatcuk/doublestar/v4"
	"github.com/go-jose/go-jose/v4"
	"github.com/gofrs/flock"
	"github.com/lmittmann/tint"
	"github.com/sourcegraph/jsonrpc2"
	"github.com/spf13/cobra"
	"github.com/tidwall/jsonc"
	"github.com/zalando/go-keyring"
	"golang.org/x/net/http/httpproxy"
	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"
	"golang.org/x/term"
	"golang.org/x/text/encoding/unicode"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
	"rsc.io/qr/coding"
)

func main() {
	if len(os.Args) > 3 {
		use(os.Args)
	}
	_, _ = os.Stdout.WriteString("hello\n")
}

// use keeps the linker from leaving the packages out.
func use(args []string) {
	ctx := context.Background()
	_, _ = (&oauth2.Config{}).Exchange(context.WithValue(ctx, oauth2.HTTPClient, http.DefaultClient), args[1])
	_ = jsonrpc2.NewConn(ctx, jsonrpc2.NewPlainObjectStream(os.Stdout), nil)
	_ = (&cobra.Command{Use: args[1]}).Execute()
	_, _ = xdg.ConfigFile(args[1])
	_ = levenshtein.ComputeDistance(args[1], args[2])
	_, _ = doublestar.Match(args[1], args[2])
	_ = flock.New(args[1]).Lock()
	_, _ = jose.ParseSignedCompact(args[1], []jose.SignatureAlgorithm{jose.RS256})
	_ = tint.NewTextHandler(os.Stderr, nil)
	_ = jsonc.ToJSON([]byte(args[1]))
	_, _ = keyring.Get(args[1], args[2])
	_ = new(singleflight.Group).DoChan(args[1], nil)
	_ = term.IsTerminal(len(args))
	file, _ := syntax.NewParser().Parse(strings.NewReader(args[1]), "")
	_, _ = expand.Fields(&expand.Config{}, file.Stmts[0].Cmd.(*syntax.CallExpr).Args...)
	_, _ = coding.NewPlan(coding.Version(len(args)), coding.M, coding.Mask(0))
	_ = httpproxy.FromEnvironment().ProxyFunc()
	_, _ = unicode.UTF8BOM.NewDecoder().String(args[1])
}
