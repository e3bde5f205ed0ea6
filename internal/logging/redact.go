package logging

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

var secretNames = map[string]bool{
	"access_token": true, "accesstoken": true, "refresh_token": true, "refreshtoken": true,
	"id_token": true, "idtoken": true, "client_secret": true, "clientsecret": true, "secret": true,
	"client_assertion": true, "assertion": true, "code": true, "device_code": true, "devicecode": true,
	"code_verifier": true, "codeverifier": true, "verifier": true, "state": true, "nonce": true,
	"authorization": true, "password": true, "token": true,
}

// redact is the ReplaceAttr function of every handler.
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

// Redact returns text with "[redacted]" in place of this process's secrets, and of anything
// that looks like a secret.
func Redact(text string) string {
	return redactShapes(secret.Redact(text))
}
