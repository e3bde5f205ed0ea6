package logging

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

const redacted = "[redacted]"

var secretNames = map[string]bool{
	"access_token": true, "accesstoken": true, "refresh_token": true, "refreshtoken": true,
	"id_token": true, "idtoken": true, "client_secret": true, "clientsecret": true, "secret": true,
	"client_assertion": true, "assertion": true, "code": true, "device_code": true, "devicecode": true,
	"code_verifier": true, "codeverifier": true, "verifier": true, "state": true, "nonce": true,
	"authorization": true, "password": true, "token": true,
}

// Tokens and codes as an identity domain makes them, and whatever follows
// "Bearer" or "Basic", or stands as such a parameter in a URL or a form. Compiled
// when first needed: start-up counts.
var secretShapes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(
		`eyJ[\w-]{8,}(\.[\w-]*){0,4}` +
			`|AQIDBA[\w+/%=-]*` +
			`|(?i:bearer|basic) [\w.~+/=-]{8,}` +
			`|\b(code|state|nonce|code_verifier|client_secret|refresh_token|access_token|id_token|device_code|client_assertion)=[^&\s"]+`)
})

// redact is the ReplaceAttr of every handler.
func redact(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.LevelKey {
		if level, ok := a.Value.Any().(slog.Level); ok {
			return slog.String(slog.LevelKey, LevelName(level))
		}
		return a
	}
	if secretNames[strings.ToLower(a.Key)] {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		return slog.String(a.Key, Redact(a.Value.String()))
	case slog.KindAny:
		return slog.String(a.Key, Redact(fmt.Sprint(a.Value.Any())))
	default:
		return a
	}
}

// Redact returns text without what is a secret of this process or has the shape of one.
func Redact(text string) string {
	return secretShapes().ReplaceAllString(secret.Redact(text), redacted)
}
