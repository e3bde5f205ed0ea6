package tokens

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
)

// These tests use the keyring library's mock, which is the same on every platform. The tests
// of cmd/oci-oidc-helper use a real keyring.

// sealedFiles returns the file of one session, opened with three configurations: the
// person's own with token_store keyring, the person's own with token_store file, and a
// project's with token_store file.
func sealedFiles(t testing.TB) (p store.Places, inKeyring, inFile, project *File) {
	t.Helper()
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none") // is not asked
	keyring.MockInit()
	LetKeyringAsk() // forget a refusal in an earlier test
	p = storetest.Places(t)
	cfg := config.Config{DomainURL: "https://idcs", ClientID: "c", Path: filepath.Join(p.ConfigDirs[0], config.Name), TokenStore: config.KeyringStore}
	inKeyring = Open(p, cfg)
	cfg.TokenStore = config.FileStore
	inFile = Open(p, cfg)
	cfg.Path = filepath.Join(t.TempDir(), config.Name)
	return p, inKeyring, inFile, Open(p, cfg)
}

// roundTrip saves tokens and loads them again.
func (f *File) roundTrip(t *testing.T, want Tokens) {
	t.Helper()
	if _, err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	f.holds(t, want, false)
}

func (f *File) holds(t *testing.T, want Tokens, other bool) {
	t.Helper()
	got, stamp, err := f.Load()
	want.SavedAt = got.SavedAt
	if err != nil || got != want || stamp.OtherForm() != other {
		t.Errorf("got  %+v\nwant %+v, in the other form %v: %v", got, want, stamp.OtherForm(), err)
	}
}

func TestEncryptedTokensAreLoaded(t *testing.T) {
	_, inKeyring, inFile, project := sealedFiles(t)
	want := testTokens()
	inKeyring.roundTrip(t, want)
	first := readFile(t, inKeyring.Path())
	for _, private := range []string{want.Access.Reveal(), want.Refresh.Reveal(), want.Subject, "idcs"} {
		if strings.Contains(first, private) {
			t.Errorf("the file tells %s: %s", private, first)
		}
	}
	inFile.holds(t, want, true)
	project.holds(t, want, false)
	forget()
	inKeyring.holds(t, want, false) // as another process

	inKeyring.roundTrip(t, want)
	if second := readFile(t, inKeyring.Path()); second == first {
		t.Error("the same text twice: the nonce is not fresh")
	}
	project.roundTrip(t, want)
	if !project.Encrypted() {
		t.Error("a project's configuration has taken the encryption away")
	}
	name := inFile.form().keyName
	inFile.roundTrip(t, want)
	inKeyring.holds(t, want, true)
	if _, err := keyring.Get(keyringService, name); inFile.Encrypted() || !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("encrypted still %v, key %v", inFile.Encrypted(), err)
	}
	project.roundTrip(t, want)
	if project.Encrypted() {
		t.Error("the file is encrypted although the configuration says plain")
	}
}

func TestEraseRemovesTheKey(t *testing.T) {
	_, inKeyring, inFile, _ := sealedFiles(t)
	inKeyring.roundTrip(t, testTokens())
	name := inKeyring.form().keyName
	storetest.WriteFile(t, inKeyring.Path()+".KILLED.new", "half-written")
	if err := inFile.Erase(); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Get(keyringService, name); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("the key: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(inFile.Path()), "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}

	inKeyring.roundTrip(t, testTokens())
	keyring.MockInitWithError(errors.New("no"))
	if err := inKeyring.Erase(); !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), "are erased, but their key is left") {
		t.Errorf("without the keyring: %v", err)
	}
	if inKeyring.Encrypted() {
		t.Error("the file is still there")
	}
}

// If the keyring loses a key, a process that has the tokens in memory saves them with a new
// key. A process that does not have them gets an error, and the file stays.
func TestLostKey(t *testing.T) {
	_, inKeyring, _, _ := sealedFiles(t)
	inKeyring.roundTrip(t, testTokens())
	lost := inKeyring.form().keyName
	keyring.MockInit()
	before := readFile(t, inKeyring.Path())
	forget()
	if _, stamp, err := inKeyring.Load(); !problem.Is(err, problem.LoginRequired) || !KeyLost(err) || !stamp.Same(inKeyring.Stamp()) {
		t.Errorf("loaded: %v", err)
	}
	if readFile(t, inKeyring.Path()) != before {
		t.Error("the file was changed")
	}
	inKeyring.roundTrip(t, testTokens())
	if inKeyring.form().keyName == lost {
		t.Error("a lost key's name is used again")
	}
	forget()
	inKeyring.holds(t, testTokens(), false)
}

// If the keyring cannot be used, a process that has read the key before can still read and
// write the file. Another process can do neither.
func TestUnusableKeyring(t *testing.T) {
	_, inKeyring, inFile, _ := sealedFiles(t)
	inFile.roundTrip(t, testTokens())
	keyring.MockInitWithError(errors.New("no"))
	if _, err := inKeyring.Save(testTokens()); !problem.Is(err, problem.Store) || !KeyringFault(err) || inKeyring.Encrypted() {
		t.Errorf("saved: %v", err)
	}
	inKeyring.holds(t, testTokens(), true)
	if err := inKeyring.CheckWritable(); !KeyringFault(err) {
		t.Errorf("writable: %v", err)
	}
	if err := inFile.CheckWritable(); err != nil {
		t.Errorf("where no keyring is needed: %v", err)
	}

	keyring.MockInit()
	inKeyring.roundTrip(t, testTokens())
	before := readFile(t, inKeyring.Path())
	keyring.MockInitWithError(errors.New("no"))
	inKeyring.roundTrip(t, testTokens())
	if readFile(t, inKeyring.Path()) == before {
		t.Error("not saved")
	}
	forget()
	for name, f := range map[string]*File{"keyring": inKeyring, "file": inFile} {
		_, _, err := f.Load()
		if p := problem.From(err); p.Kind != problem.Store || !KeyringFault(err) || !strings.Contains(p.Hint, `"token_store": "file"`) {
			t.Errorf("%s: loaded: %v", name, err)
		}
	}
}

// With token_store auto a sign-in decides whether the file is encrypted. Later saves keep to
// that, in each process: a keyring that goes away is an error, and one that appears is used
// by the next sign-in only.
func TestAutoKeepsWhatTheSignInDecided(t *testing.T) {
	away, there := func() { keyring.MockInitWithError(errors.New("no")) }, func() {}
	const refused = true
	type step struct {
		keyring func() // before the save, in a new process
		signIn  bool
		refused bool
		sealed  bool // afterwards
	}
	for name, steps := range map[string][]step{
		"a keyring":                              {{there, true, false, true}, {there, false, false, true}, {there, true, false, true}},
		"no keyring":                             {{away, true, false, false}, {away, false, false, false}, {away, true, false, false}},
		"goes away":                              {{there, true, false, true}, {away, false, refused, true}, {away, true, refused, true}},
		"appears":                                {{away, true, false, false}, {keyring.MockInit, false, false, false}, {there, true, false, true}, {away, false, refused, true}},
		"an application, which does not sign in": {{there, false, false, true}, {away, false, refused, true}},
		"an application, without a keyring":      {{away, false, false, false}, {keyring.MockInit, false, false, false}},
		"loses the key":                          {{there, true, false, true}, {keyring.MockInit, true, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			p, _, _, _ := sealedFiles(t)
			for i, step := range steps {
				forget()
				step.keyring()
				auto := Open(p, config.Config{DomainURL: "https://idcs", TokenStore: config.AutoStore})
				room, err := auto.Reserve(step.signIn)
				if (err != nil) != step.refused || err != nil && !KeyringFault(err) {
					t.Fatalf("step %d: %v", i, err)
				}
				if err == nil {
					if _, err := room.Save(testTokens()); err != nil {
						t.Fatal(err)
					}
					auto.holds(t, testTokens(), false)
				}
				why := auto.WhyPlain()
				if auto.Encrypted() != step.sealed || strings.Contains(why, "could not be used at the sign-in: ") == step.sealed || strings.Contains(why, "before token_store") {
					t.Errorf("step %d: encrypted %v, %q", i, auto.Encrypted(), why)
				}
			}
		})
	}
}

// auto takes a file as it is, plain or encrypted, when token_store becomes auto, and does not
// write a plain one while it is unknown whether the present one is encrypted.
func TestAutoNeverTakesEncryptionAway(t *testing.T) {
	_, inKeyring, inFile, _ := sealedFiles(t)
	auto := &File{path: inKeyring.path, domain: inKeyring.domain, clientID: inKeyring.clientID, store: config.AutoStore, own: true}
	inFile.roundTrip(t, testTokens())
	auto.roundTrip(t, testTokens())
	if auto.Encrypted() || !strings.Contains(auto.WhyPlain(), "before token_store was auto") {
		t.Errorf("encrypted %v, %q", auto.Encrypted(), auto.WhyPlain())
	}
	inKeyring.roundTrip(t, testTokens())
	auto.roundTrip(t, testTokens())
	sealed := readFile(t, auto.Path())
	for what, spoil := range map[string]func(){
		"encrypted":                 func() {},
		"damaged":                   func() { storetest.WriteFile(t, auto.Path(), sealed[:len(sealed)/2]) },
		"plain, with a newer draft": func() { inFile.roundTrip(t, testTokens()); storetest.WriteFile(t, auto.Path()+".KILLED.new", sealed) },
	} {
		keyring.MockInit()
		forget()
		spoil()
		keyring.MockInitWithError(errors.New("no"))
		if _, err := auto.Reserve(false); !KeyringFault(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// A file cannot be decrypted as another session's, with another key, or under another key
// name.
func TestEncryptedTokensAreBoundToTheirSession(t *testing.T) {
	p, inKeyring, _, _ := sealedFiles(t)
	inKeyring.roundTrip(t, testTokens())
	var file sealedFile
	if err := json.Unmarshal([]byte(readFile(t, inKeyring.Path())), &file); err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, f *File, edit func(*sealedFile)) {
		t.Helper()
		copied := file
		copied.Sealed = append([]byte(nil), file.Sealed...)
		edit(&copied)
		text, _ := json.Marshal(copied)
		storetest.WriteFile(t, f.Path(), string(text))
		if tokens, _, err := f.Load(); !Damaged(err) || !tokens.Empty() {
			t.Errorf("%s: %v", what, err)
		}
	}
	other := Open(p, config.Config{DomainURL: "https://idcs", ClientID: "d"})
	damaged("another session's", other, func(*sealedFile) {})
	if err := other.Erase(); err != nil {
		t.Error(err)
	}
	if _, err := keyring.Get(keyringService, file.Key); err != nil {
		t.Errorf("the other session's key was erased: %v", err)
	}
	damaged("another session's, renamed", other, func(f *sealedFile) {
		_, random, _ := strings.Cut(f.Key, ".")
		f.Key = other.keyPrefix() + random
		key, _ := keyring.Get(keyringService, file.Key)
		_ = keyring.Set(keyringService, f.Key, key)
	})
	damaged("a bit", inKeyring, func(f *sealedFile) { f.Sealed[20] ^= 1 })
	damaged("cut", inKeyring, func(f *sealedFile) { f.Sealed = f.Sealed[:8] })
	damaged("nobody's name", inKeyring, func(f *sealedFile) { f.Key = "00" })
	damaged("a path for a name", inKeyring, func(f *sealedFile) { f.Key = inKeyring.keyPrefix() + "../x" })
	storetest.WriteFile(t, inKeyring.Path(), `{"version": 2, "key": "x", "accessToken": "a", "expiresAt": "2030-01-01T00:00:00Z"}`)
	if _, _, err := inKeyring.Load(); !Damaged(err) {
		t.Errorf("plain tokens under the other version: %v", err)
	}
}

// Plain files cause no call of the keyring.
func TestPlainTokensNeedNoKeyring(t *testing.T) {
	p, _, inFile, project := sealedFiles(t)
	keyring.MockInitWithError(errors.New("asked"))
	for _, f := range []*File{inFile, project} {
		f.roundTrip(t, testTokens())
		if state, err := f.CheckKeyring(); state != KeyringUnused || err != nil {
			t.Error(state, err)
		}
		if secrets := Secrets(p, false); len(secrets) != 2 {
			t.Errorf("%d secrets", len(secrets))
		}
		if err := f.Erase(); err != nil {
			t.Error(err)
		}
	}
}

// forget removes the keys that this process has read, as if it were a new process.
func forget() {
	keys.mu.Lock()
	defer keys.mu.Unlock()
	keys.had = nil
}

func FuzzSealed(f *testing.F) {
	keyring.MockInit()
	_ = os.Setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/none")
	file := Open(store.Places{StateDir: f.TempDir()}, config.Config{DomainURL: "https://x", TokenStore: config.KeyringStore})
	if _, err := file.Save(testTokens()); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(file.Path())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"version":2,"key":"` + file.keyPrefix() + `00","sealed":"AAAA"}`))
	f.Add([]byte(`{"version":2,"key":"","sealed":""}`))
	f.Add([]byte(`{"version":2,"accessToken":"a","expiresAt":"2026-01-01T01:00:00Z"}`))
	var saved sealedFile
	if err := json.Unmarshal(text, &saved); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, keyName, err := file.parse(text)
		tokens.SavedAt = time.Time{}
		var head sealedFile
		switch {
		case err != nil:
			if !errors.Is(err, errDamaged) && !errors.Is(err, errNewer) && !errors.Is(err, errNoKey) {
				t.Error(err)
			}
		case keyName == "": // a plain one; see FuzzTokens
		case json.Unmarshal(text, &head) != nil || string(head.Sealed) != string(saved.Sealed) || tokens != testTokens():
			t.Errorf("opened: %s", text)
		}
	})
}

func FuzzTokens(f *testing.F) {
	f.Add([]byte(`{"version":1,"accessToken":"a","refreshToken":"r","issuedAt":"2026-01-01T00:00:00Z","expiresAt":"2026-01-01T01:00:00Z","endpoints":{"token":"https://x/"}}`))
	f.Add([]byte(`{"version":99}`))
	f.Add([]byte(`{"version":1,"accessToken":"a\r\nX: y","expiresAt":"2026-01-01T01:00:00Z"}`))
	file := Open(store.Places{StateDir: f.TempDir()}, config.Config{DomainURL: "https://x"})
	f.Fuzz(func(t *testing.T, text []byte) {
		tokens, _, err := file.parse(text)
		if err != nil {
			if !errors.Is(err, errDamaged) && !errors.Is(err, errNewer) {
				t.Error(err)
			}
			return
		}
		if strings.ContainsAny(tokens.Access.Reveal(), "\r\n\x00") || tokens.Access.Empty() && tokens.RetryAt.IsZero() {
			t.Errorf("taken: %q", tokens.Access.Reveal())
		}
		if _, err := file.Save(tokens); err != nil {
			t.Fatal(err)
		}
		again, _, err := file.Load()
		if err != nil || again.Access != tokens.Access || again.Refresh != tokens.Refresh || !again.ExpiresAt.Equal(tokens.ExpiresAt) || again.Endpoints != tokens.Endpoints {
			t.Errorf("%v: not what was saved", err)
		}
	})
}

// Secrets includes the tokens in encrypted files, and the keys.
func TestSecretsOfSealedTokens(t *testing.T) {
	p, inKeyring, _, _ := sealedFiles(t)
	inKeyring.roundTrip(t, testTokens())
	forget()
	key, err := keyring.Get(keyringService, inKeyring.form().keyName)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{testTokens().Access.Reveal(): true, testTokens().Refresh.Reveal(): true, key: true}
	for _, secret := range Secrets(p, false) {
		delete(want, secret.Reveal())
	}
	if len(want) > 0 {
		t.Errorf("not among them: %v", want)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
