package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretTextIsNeverPrinted(t *testing.T) {
	const text = "hunter2"
	secret := New(text)
	holder := struct{ Inner Text }{secret}

	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%T"} {
		printed = append(printed, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &secret))
	}
	encoded, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", secret, "holder", holder)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret, "holder", holder)

	printed = append(printed, string(encoded), log.String())
	for _, line := range printed {
		if strings.Contains(line, text) || strings.Contains(line, fmt.Sprintf("%x", text)) {
			t.Errorf("the text was printed: %s", line)
		}
	}
	if secret.Reveal() != text {
		t.Errorf("Reveal = %q", secret.Reveal())
	}
}
