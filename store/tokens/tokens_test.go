package tokens

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk/disktest"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/storetest"
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

func testFile(t testing.TB) *File {
	return Open(storetest.Places(t), config.Config{DomainURL: "https://idcs", ClientID: "c", Scope: "a b", AuthMethod: config.MobileApp})
}

// TestMissingDirectoryIsNoSignOut: a missing state directory, as when the home is on a
// server that cannot be reached, does not count as a sign-out, and neither does one that was
// made anew to keep something besides tokens.
func TestMissingDirectoryIsNoSignOut(t *testing.T) {
	places := storetest.Places(t)
	c := config.Config{DomainURL: "https://idcs", ClientID: "c", BaseURL: "https://llm"}
	f := Open(places, c)
	if stamp := f.Stamp(); !stamp.Gone() {
		t.Error("there are tokens before anybody has signed in")
	}
	unlock, _, err := f.TryLock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	saved, err := f.Save(testTokens())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(f.Path())
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		if _, stamp, err := f.Load(); err != nil || !stamp.Gone() || !stamp.Same(saved) || !f.Stamp().Gone() || !f.Stamp().Same(saved) {
			t.Errorf("%s: the file counts as erased: %+v, %v", what, stamp, err)
		}
	}
	check("no directory")
	if err := OpenModels(places, c, c.Endpoints()[0]).Save(nil, time.Now()); err != nil {
		t.Fatal(err)
	}
	check("a directory with models")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Erase(); err != nil {
		t.Fatal(err)
	}
	if f.Stamp().Same(saved) || f.Stamp().Gone() {
		t.Error("a sign-out is not noticed")
	}
}

func TestSavedTokensAreLoaded(t *testing.T) {
	f := testFile(t)
	if tokens, stamp, err := f.Load(); err != nil || !tokens.Empty() || !f.Stamp().Same(stamp) {
		t.Fatalf("without a file: %+v, %v", tokens, err)
	}
	want := testTokens()
	want.RefreshSentAt, want.RetryAt = want.IssuedAt, want.IssuedAt
	saved, err := f.Save(want)
	if err != nil {
		t.Fatal(err)
	}
	got, stamp, err := f.Load()
	want.SavedAt = got.SavedAt
	if err != nil || got != want || got.SavedAt.IsZero() {
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

func TestTokenFileMode(t *testing.T) {
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

// TestDraftIsLoadedIfNewer: tokens in a draft are found if the process was killed
// before it renamed the draft, or could not rename it. Each row differs from the present
// file in another way.
func TestDraftIsLoadedIfNewer(t *testing.T) {
	const anHour = time.Hour
	for name, test := range map[string]struct {
		before func(*Tokens)            // in place
		damage func(text string) string // of the file; may be nil
		after  func(*Tokens)            // not in place
	}{
		"other tokens": {after: func(t *Tokens) {
			t.Access, t.Refresh, t.IssuedAt = secret.New("fresh"), secret.New("successor"), t.IssuedAt.Add(anHour)
		}},
		"a refresh token alone":      {after: func(t *Tokens) { t.Refresh = secret.New("successor") }},
		"the end of a refresh token": {after: func(t *Tokens) { t.Refresh = secret.Text{} }},
		"a refresh without answer":   {after: func(t *Tokens) { t.RefreshSentAt = t.IssuedAt.Add(anHour) }},
		"a domain to be left alone":  {after: func(t *Tokens) { t.RetryAt = t.IssuedAt.Add(anHour) }},
		"the clock was set back": {
			before: func(t *Tokens) { t.SavedAt = time.Now().Add(anHour) },
			after: func(t *Tokens) {
				t.Access, t.Refresh, t.IssuedAt = secret.New("fresh"), secret.New("successor"), t.IssuedAt.Add(-anHour)
			},
		},
		"a file of an earlier version": {
			before: func(t *Tokens) { t.IssuedAt = time.Now().UTC().Round(0) },
			damage: func(text string) string { return withoutLine(text, "savedAt") },
			after:  func(t *Tokens) { t.Refresh = secret.New("successor") },
		},
		"a damaged file": {
			damage: func(string) string { return "{" },
			after:  func(t *Tokens) { t.Refresh = secret.New("successor") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := testFile(t)
			unlock, ok, err := f.TryLock()
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			defer unlock()
			old := testTokens()
			if test.before != nil {
				test.before(&old)
			}
			text, err := f.format(old, "")
			if err != nil {
				t.Fatal(err)
			}
			storetest.WriteFile(t, f.Path(), string(text))
			want := old
			test.after(&want)
			if _, err := f.Save(want); err != nil {
				t.Fatal(err)
			}
			// As if the process had been killed before the rename.
			if err := os.Rename(f.Path(), f.Path()+".KILLED.new"); err != nil {
				t.Fatal(err)
			}
			if test.damage != nil {
				text = []byte(test.damage(string(text)))
			}
			storetest.WriteFile(t, f.Path(), string(text))
			got, stamp, err := f.Load()
			want.SavedAt = got.SavedAt
			if err != nil || got != want || !stamp.OtherForm() {
				t.Fatalf("after a kill: %+v, %v, to be written again: %v\nwant %+v", got, err, stamp.OtherForm(), want)
			}
			if _, err := f.Save(got); err != nil {
				t.Fatal(err)
			}
			if left := store.Drafts(f.Path()); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// withoutLine is text without the line that has a word.
func withoutLine(text, word string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(slices.DeleteFunc(lines, func(line string) bool { return strings.Contains(line, word) }), "\n")
}

// TestDraftIsKeptIfRenamingFails: if the draft cannot be renamed, Save leaves it, and Load
// finds it.
func TestDraftIsKeptIfRenamingFails(t *testing.T) {
	f, fresh := testFile(t), testTokens()
	if _, err := f.Save(testTokens()); err != nil {
		t.Fatal(err)
	}
	fresh.Refresh = secret.New("successor")
	room, err := f.Reserve(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(f.Path()), os.Mkdir(f.Path(), 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := room.Save(fresh); err != nil {
		t.Errorf("tokens on the disk: %v", err)
	}
	room.Release()
	if err := os.Remove(f.Path()); err != nil {
		t.Fatal(err)
	}
	if got, _, err := f.Load(); err != nil || got.Refresh != fresh.Refresh {
		t.Errorf("not put in place: %+v, %v", got, err)
	}
	if err := f.Erase(); err != nil {
		t.Error(err)
	}
	if got, _, err := f.Load(); err != nil || !got.Empty() {
		t.Errorf("after a sign-out: %+v, %v", got, err)
	}
}

// TestManyWritersWithoutALock: a reader always sees complete tokens, even if several
// processes write without the lock.
func TestManyWritersWithoutALock(t *testing.T) {
	f := testFile(t)
	if _, err := f.Save(testTokens()); err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	for i := range 4 {
		writers.Go(func() {
			mine := testTokens()
			mine.Refresh = secret.New(strings.Repeat(string(rune('a'+i)), 1000*(i+1)))
			for range 50 {
				if _, err := f.Save(mine); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { writers.Wait(); close(done) }()
	for reads := 0; ; reads++ {
		if _, _, err := f.Load(); err != nil {
			t.Fatalf("torn: %v", err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// TestReserveMakesRoom: Reserve writes a draft of the size needed, and Release removes it.
func TestReserveMakesRoom(t *testing.T) {
	f := testFile(t)
	large := testTokens()
	large.Access = secret.New(strings.Repeat("x", 50<<10))
	for _, tok := range []Tokens{testTokens(), large} {
		if _, err := f.Save(tok); err != nil {
			t.Fatal(err)
		}
		room, err := f.Reserve(false)
		if err != nil {
			t.Fatal(err)
		}
		drafts := store.Drafts(f.Path())
		if len(drafts) != 1 {
			t.Fatalf("%v", drafts)
		}
		if size := fileInfo(t, drafts[0]).Size(); size < smallestRoom || size < 2*fileInfo(t, f.Path()).Size() {
			t.Errorf("room for %d bytes", size)
		}
		room.Release()
		if drafts := store.Drafts(f.Path()); len(drafts) > 0 {
			t.Errorf("left: %v", drafts)
		}
	}
}

func TestFilesOfKilledProcessesAreRemoved(t *testing.T) {
	f := testFile(t)
	storetest.WriteFile(t, f.Path()+".KILLED.new", "half-written")
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(f.Path()+".KILLED.new", long, long); err != nil {
		t.Fatal(err)
	}
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
			storetest.WriteFile(t, f.Path(), test.text)
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
	storetest.WriteFile(t, filepath.Dir(f.Path()), "")
	if _, err := f.Save(testTokens()); !problem.Is(err, problem.Store) {
		t.Errorf("Save: %v", err)
	}
	if _, _, err := f.TryLock(); !problem.Is(err, problem.Store) {
		t.Errorf("TryLock: %v", err)
	}
}

func TestWhichConfigurationsShareASession(t *testing.T) {
	p := storetest.Places(t)
	base := config.Config{DomainURL: "https://idcs", ClientID: "c", Scope: "a b", AuthMethod: config.MobileApp}
	path := Open(p, base).Path()
	// The file's name must not change between releases, or people would be signed out.
	if want := "1f3150b06b107af5dc0687461ef48a36c44ca45845576a0aa6d65ab20291dd02.json"; filepath.Base(path) != want {
		t.Errorf("the session is kept in %s, want %s", filepath.Base(path), want)
	}
	for _, test := range []struct {
		name string
		edit func(*config.Config)
		same bool
	}{
		{"port of the scheme", func(c *config.Config) { c.DomainURL = "https://IDCS:443" }, true},
		{"order of scopes", func(c *config.Config) { c.Scope = "b a" }, true},
		{"redirect", func(c *config.Config) { c.RedirectURIs = []string{"http://localhost:1/"} }, true},
		{"another port", func(c *config.Config) { c.DomainURL = "https://idcs:8443" }, false},
		{"client", func(c *config.Config) { c.ClientID = "d" }, false},
		{"scope", func(c *config.Config) { c.Scope = "a" }, false},
		{"resource", func(c *config.Config) { c.Resources = []string{"https://a"} }, false},
		{"audience", func(c *config.Config) { c.Audience = "a" }, false},
		{"parameter", func(c *config.Config) { c.ExtraParams = map[string]string{"tenant": "a"} }, false},
		{"no parameter", func(c *config.Config) { c.ExtraParams = map[string]string{} }, true},
		{"hint", func(c *config.Config) { c.LoginHint = "a" }, true},
		{"method", func(c *config.Config) { c.AuthMethod = config.ConfidentialApp }, false},
	} {
		c := base
		test.edit(&c)
		if same := Open(p, c).Path() == path; same != test.same {
			t.Errorf("%s: same session %v, want %v", test.name, same, test.same)
		}
	}
}

// A token file that somebody else may have written is not used and not changed.
func TestSavedTokensAreOnlyOurOwn(t *testing.T) {
	p := storetest.Places(t)
	f := Open(p, config.Config{DomainURL: "https://idcs-0123.identity.oraclecloud.com"})
	if _, err := f.Save(Tokens{Access: secret.New("token"), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	refused := func(why string) {
		t.Helper()
		if tokens, _, err := f.Load(); !problem.Is(err, problem.Store) || !strings.Contains(err.Error(), why) || !tokens.Empty() {
			t.Errorf("want %q: %v", why, err)
		}
	}
	if err := os.Chmod(f.Path(), 0o666); err != nil {
		t.Fatal(err)
	}
	if store.Foreign(f.Path(), fileInfo(t, f.Path())) != "" {
		refused("others can write it")
	}
	elsewhere := filepath.Join(t.TempDir(), "tokens")
	if err := os.Chmod(f.Path(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.Path(), elsewhere); err != nil {
		t.Fatal(err)
	}
	disktest.Link(t, elsewhere, f.Path())
	refused("it is a link")
	if os.Geteuid() == 0 {
		if err := os.Remove(f.Path()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Rename(elsewhere, f.Path()), os.Chown(f.Path(), 12345, -1)); err != nil {
			t.Fatal(err)
		}
		refused("another user")
	}
	if _, err := f.Save(Tokens{Access: secret.New("token"), ExpiresAt: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if tokens, _, err := f.Load(); err != nil || tokens.Empty() {
		t.Errorf("after a new sign-in: %v", err)
	}
}

func fileInfo(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}
