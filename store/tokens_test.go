package store

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
)

func testTokens() Tokens {
	return Tokens{
		Access: secret.New("eyJ.a.b"), Type: "Bearer", Refresh: secret.New("AQIDBA+/="),
		IssuedAt:  time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC),
		ExpiresAt: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		Subject:   "jane@example.com",
		Endpoints: Endpoints{Token: "https://idcs/oauth2/v1/token", Revocation: "https://idcs/oauth2/v1/revoke"},
	}
}

func testFile(t testing.TB) *TokenFile {
	return testPlaces(t).TokenFile(Config{DomainURL: "https://idcs", ClientID: "c", Scope: "a b", AuthMethod: MobileApp})
}

func TestTokensComeBack(t *testing.T) {
	f := testFile(t)
	if tokens, stamp, err := f.Load(); err != nil || !tokens.Empty() || !stamp.Same(f.Stamp()) {
		t.Fatalf("without a file: %+v, %v", tokens, err)
	}
	want := testTokens()
	want.RefreshSentAt = want.IssuedAt
	saved, err := f.Save(want)
	if err != nil {
		t.Fatal(err)
	}
	got, stamp, err := f.Load()
	if err != nil || got != want {
		t.Errorf("got  %+v\nwant %+v, %v", got, want, err)
	}
	if !stamp.Same(saved) {
		t.Error("the stamp differs from the one at saving")
	}
	if _, err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	if stamp.Same(f.Stamp()) {
		t.Error("a second write is not noticed")
	}
	if err := f.Erase(); err != nil {
		t.Fatal(err)
	}
	if err := f.Erase(); err != nil {
		t.Errorf("erasing twice: %v", err)
	}
	if tokens, _, err := f.Load(); err != nil || !tokens.Empty() {
		t.Errorf("after erasing: %+v, %v", tokens, err)
	}
}

func TestTokensAreTheOwnersOnly(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes")
	}
	f := testFile(t)
	if err := os.MkdirAll(filepath.Dir(f.Path()), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Save(testTokens()); err != nil {
		t.Fatal(err)
	}
	unlock, ok, err := f.TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	unlock()
	err = filepath.Walk(filepath.Dir(f.Path()), func(path string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	f := testFile(t)
	writeFile(t, f.Path()+".tmp", "half-written")
	if _, err := f.Save(testTokens()); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Dir(f.Path()))
	if err != nil || len(files) != 1 {
		t.Errorf("left: %v, %v", files, err)
	}
}

func TestUnreadableTokens(t *testing.T) {
	for _, test := range []struct {
		name, text string
		damaged    bool
	}{
		{"empty", "", true},
		{"cut", `{"version":1,"accessToken":"x`, true},
		{"no token", `{"version":1,"expiresAt":"2026-11-23T10:00:00Z"}`, true},
		{"no expiry", `{"version":1,"accessToken":"x"}`, true},
		{"header injection", `{"version":1,"accessToken":"x\r\ny","expiresAt":"2026-11-23T10:00:00Z"}`, true},
		{"older than the first", `{"accessToken":"x","expiresAt":"2026-11-23T10:00:00Z"}`, true},
		{"encrypted, for another session", `{"version":2,"key":"0123456789abcdef.00","sealed":"AAAA"}`, true},
		{"encrypted, without a key's name", `{"version":2,"sealed":"AAAA"}`, true},
		{"newer", `{"version":3,"somewhere":"else"}`, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := testFile(t)
			writeFile(t, f.Path(), test.text)
			tokens, stamp, err := f.Load()
			if !tokens.Empty() || !problem.Is(err, problem.Store) || Damaged(err) != test.damaged {
				t.Errorf("%+v, damaged %v: %v", tokens, Damaged(err), err)
			}
			if left, _ := os.ReadFile(f.Path()); !bytes.Equal(left, []byte(test.text)) || !stamp.Same(f.Stamp()) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestLockIsExclusive(t *testing.T) {
	f := testFile(t)
	unlock, ok, err := f.TryLock()
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, again, err := f.TryLock(); again || err != nil {
		t.Errorf("taken twice: %v, %v", again, err)
	}
	unlock()
	unlock, ok, err = f.TryLock()
	if err != nil || !ok {
		t.Fatalf("not free after unlock: %v, %v", ok, err)
	}
	unlock()
}

func TestUnwritableDirectory(t *testing.T) {
	f := testFile(t)
	// A file where the directory should be stops root too.
	writeFile(t, filepath.Dir(f.Path()), "")
	if _, err := f.Save(testTokens()); !problem.Is(err, problem.Store) {
		t.Errorf("Save: %v", err)
	}
	if _, _, err := f.TryLock(); !problem.Is(err, problem.Store) {
		t.Errorf("TryLock: %v", err)
	}
}

func TestWhatMakesASession(t *testing.T) {
	p := testPlaces(t)
	base := Config{DomainURL: "https://idcs", ClientID: "c", Scope: "a b", AuthMethod: MobileApp}
	path := p.TokenFile(base).Path()
	// Whoever is signed in stays so: the name is that of the first version.
	if want := "1f3150b06b107af5dc0687461ef48a36c44ca45845576a0aa6d65ab20291dd02.json"; filepath.Base(path) != want {
		t.Errorf("the session is kept in %s, want %s", filepath.Base(path), want)
	}
	for _, test := range []struct {
		name string
		edit func(*Config)
		same bool
	}{
		{"port of the scheme", func(c *Config) { c.DomainURL = "https://IDCS:443" }, true},
		{"order of scopes", func(c *Config) { c.Scope = "b a" }, true},
		{"redirect", func(c *Config) { c.RedirectURIs = []string{"http://localhost:1/"} }, true},
		{"another port", func(c *Config) { c.DomainURL = "https://idcs:8443" }, false},
		{"client", func(c *Config) { c.ClientID = "d" }, false},
		{"scope", func(c *Config) { c.Scope = "a" }, false},
		{"resource", func(c *Config) { c.Resources = []string{"https://a"} }, false},
		{"audience", func(c *Config) { c.Audience = "a" }, false},
		{"parameter", func(c *Config) { c.ExtraParams = map[string]string{"tenant": "a"} }, false},
		{"no parameter", func(c *Config) { c.ExtraParams = map[string]string{} }, true},
		{"hint", func(c *Config) { c.LoginHint = "a" }, true},
		{"method", func(c *Config) { c.AuthMethod = ConfidentialApp }, false},
	} {
		c := base
		test.edit(&c)
		if same := p.TokenFile(c).Path() == path; same != test.same {
			t.Errorf("%s: same session %v, want %v", test.name, same, test.same)
		}
	}
}
