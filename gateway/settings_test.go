package gateway

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSettingsAreKept(t *testing.T) {
	places := store.Places{StateDir: filepath.Join(t.TempDir(), "state")}
	if s, err := LoadSettings(places); err != nil || s != (Settings{}) {
		t.Errorf("before the first start: %+v, %v", s, err)
	}
	key := NewKey()
	for _, change := range []func(*Settings){
		func(s *Settings) { s.Key = KeyOf(key) },
		func(s *Settings) { s.Port = 4711 },
	} {
		if _, err := UpdateSettings(places, change); err != nil {
			t.Fatal(err)
		}
	}
	s, err := LoadSettings(places)
	if err != nil || s.Port != 4711 || !s.Key.matches(key.Reveal()) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestUnusableSettingsAreReported(t *testing.T) {
	damaged := store.Places{StateDir: t.TempDir()}
	write(t, settingsPath(damaged), `{"port": "x"`)
	for name, places := range map[string]store.Places{"damaged": damaged, "no home": {}} {
		if _, err := LoadSettings(places); !problem.Is(err, problem.Store) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := UpdateSettings(places, func(*Settings) {}); !problem.Is(err, problem.Store) {
			t.Errorf("%s, to be changed: %v", name, err)
		}
	}
}

func TestTakenPortIsReported(t *testing.T) {
	listeners, port, err := Listen(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, listener := range listeners {
		defer listener.Close()
	}
	if _, _, err := Listen(port); !problem.Is(err, problem.PortInUse) {
		t.Errorf("%v", err)
	}
}

func TestKey(t *testing.T) {
	key, other := NewKey(), NewKey()
	if key == other || len(key.Reveal()) < 40 {
		t.Errorf("keys %d characters long", len(key.Reveal()))
	}
	if !KeyOf(key).matches(key.Reveal()) || KeyOf(key).matches(other.Reveal()) || KeyOf(key).matches("") || Key("").matches("") {
		t.Error("a key matches what it should not, or not itself")
	}
}
