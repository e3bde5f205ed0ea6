// Package tokens keeps the tokens of each session in a file, plain or encrypted with a
// key in the system's keyring, and with it what belongs to a session: the sign-in that
// is under way, and the models that the endpoint has listed.
//
// A file is replaced as a whole under its lock. One that is damaged, written by a newer
// version, or not the person's own is left as it is.
package tokens

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/disk"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/problem"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/secret"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
)

// Tokens are what is saved for a session.
type Tokens struct {
	Access    secret.Text
	Type      string      // of the access token: "Bearer"
	Refresh   secret.Text // empty when the domain gave none
	IssuedAt  time.Time   // when the answer arrived, by this machine's clock
	ExpiresAt time.Time   // of the access token, by this machine's clock
	Subject   string      // who signed in
	Endpoints Endpoints   // of the domain, so that a refresh needs no discovery

	// RefreshSentAt is when a refresh was sent whose answer never came: the
	// refresh token may be used up. Zero when there is no such doubt.
	RefreshSentAt time.Time
	// RetryAt is until when the domain wants no refresh (Retry-After). Zero when it did
	// not say so.
	RetryAt time.Time

	// SavedAt orders the file and its drafts. [Room.Save] sets it, each time later than
	// what is there, also where the clock was set back.
	SavedAt time.Time
}

// Endpoints are what a refresh and a sign-out need of the domain's discovery
// document.
type Endpoints struct {
	Token      string `json:"token"`
	Revocation string `json:"revocation,omitempty"`

	SecretInForm bool `json:"secretInForm,omitempty"` // the domain knows no HTTP Basic
}

// Empty reports whether nobody is signed in.
func (t Tokens) Empty() bool { return t.Access.Empty() && t.Refresh.Empty() }

// tokensVersion is the version of the file's shape, in which a version before there
// were encrypted ones reads it, too. A file of a higher version than [sealedVersion] is
// left alone.
const tokensVersion = 1

// tokensFile is the file as it is written.
type tokensFile struct {
	Version       int       `json:"version"`
	Domain        string    `json:"domain"` // for a person who looks into the file
	ClientID      string    `json:"clientId"`
	Subject       string    `json:"subject"`
	AccessToken   string    `json:"accessToken"`
	TokenType     string    `json:"tokenType"`
	RefreshToken  string    `json:"refreshToken,omitempty"`
	IssuedAt      time.Time `json:"issuedAt"`
	ExpiresAt     time.Time `json:"expiresAt"`
	RefreshSentAt time.Time `json:"refreshSentAt,omitzero"`
	RetryAt       time.Time `json:"retryAt,omitzero"`
	SavedAt       time.Time `json:"savedAt,omitzero"` // a version before there were such wrote none
	Endpoints     Endpoints `json:"endpoints"`
}

// Load reads the saved tokens; without a file they are empty. A file that is
// damaged, written by a newer version, a link, or another user's is a problem of kind
// Store, and stays as it is.
func (f *File) Load() (Tokens, Stamp, error) {
	stamp := f.Stamp()
	if why := notOurs(f.path); why != "" {
		return Tokens{}, stamp, problem.New(problem.Store, fmt.Sprintf("The saved tokens %s are not used: %s.", f.path, why),
			"Remove the file, and sign in again.")
	}
	text, err := regular.Read(f.path, maxTokensSize)
	if errors.Is(err, fs.ErrNotExist) {
		if draft, there := f.draftAfter(Tokens{}); there {
			return draft, Stamp{other: true}, nil
		}
		return Tokens{}, Stamp{}, nil
	}
	if err != nil {
		return Tokens{}, stamp, problem.New(problem.Store,
			fmt.Sprintf("The saved tokens %s cannot be read: %s.", f.path, store.PlainCause(err)),
			"Make the file readable by you.").Because(err)
	}
	tokens, keyName, err := f.parse(text)
	if err == nil || Damaged(err) || KeyLost(err) {
		if draft, there := f.draftAfter(tokens); there {
			stamp.other = true
			return draft, stamp, nil
		}
	}
	if err != nil {
		return Tokens{}, stamp, f.describe(err)
	}
	stamp.other = f.seals(keyName) != (keyName != "")
	return tokens, stamp, nil
}

// draftAfter returns tokens that were saved after the given ones and not put in place,
// because their process was killed or the file could not be replaced.
func (f *File) draftAfter(t Tokens) (newest Tokens, there bool) {
	newest = t
	for _, path := range store.Drafts(f.path) {
		text, err := regular.Read(path, maxTokensSize)
		if err != nil || len(bytes.TrimSpace(text)) == 0 || notOurs(path) != "" {
			continue
		}
		if draft, _, err := f.parse(text); err == nil && draft.SavedAt.After(newest.SavedAt) {
			newest, there = draft, true
		}
	}
	return newest, there
}

// notOurs says in a few words why the file may be somebody else's, or is "". A sign-in
// puts a new file in its place.
func notOurs(path string) string {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return ""
	case info.Mode()&fs.ModeSymlink != 0:
		return "it is a link"
	default:
		return store.Foreign(path, info)
	}
}

func (f *File) describe(err error) *problem.Problem {
	switch {
	case errors.Is(err, errNewer):
		return problem.New(problem.Store,
			fmt.Sprintf("The saved tokens %s were written by a newer version of oci-oidc-helper.", f.path),
			"Update opencode-oci-oidc, or delete the file and sign in again.").Because(err)
	case errors.Is(err, errNoKey):
		return problem.New(problem.LoginRequired,
			fmt.Sprintf("The saved tokens %s are encrypted, and the keyring of this system does not hold their key any more.", f.path),
			`Sign in again: /connect in OpenCode, or "oci-oidc-helper connect" at a prompt.`).Because(err)
	case KeyringFault(err):
		p := keyringProblem(err)
		p.Message = "The saved tokens are encrypted. " + p.Message
		return p
	}
	return problem.New(problem.Store,
		fmt.Sprintf("The saved tokens %s are damaged.", f.path), "Sign in again.").Because(err)
}

// Damaged reports whether err says that a token file has no meaning, so that a
// new sign-in may replace it.
func Damaged(err error) bool { return errors.Is(err, errDamaged) }

// KeyLost reports whether err says that the key of an encrypted token file is gone, so
// that a new sign-in may replace it.
func KeyLost(err error) bool { return errors.Is(err, errNoKey) }

// Newer reports whether err says that a newer version wrote a token file, which
// is then left alone.
func Newer(err error) bool { return errors.Is(err, errNewer) }

// parse reads the text of a token file, and the name of the key that it is encrypted
// with, or "". Its errors carry none of it.
func (f *File) parse(text []byte) (tokens Tokens, keyName string, err error) {
	if tokens, err = parseTokens(text); err == nil { // nearly always
		return tokens, "", nil
	}
	var head struct {
		Version int    `json:"version"`
		Key     string `json:"key"`
	}
	if json.Unmarshal(text, &head) != nil {
		return Tokens{}, "", fmt.Errorf("%w: not a JSON object", errDamaged)
	}
	switch {
	case head.Version > sealedVersion:
		return Tokens{}, "", errNewer
	case head.Version < sealedVersion:
		head.Key = ""
	default:
		if text, err = f.open(text); err != nil {
			return Tokens{}, "", err
		}
	}
	tokens, err = parseTokens(text)
	return tokens, head.Key, err
}

// parseTokens reads the tokens themselves.
func parseTokens(text []byte) (Tokens, error) {
	var file tokensFile
	if json.Unmarshal(text, &file) != nil || file.Version != tokensVersion {
		return Tokens{}, fmt.Errorf("%w: not of version %d", errDamaged, tokensVersion)
	}
	noToken := file.AccessToken == "" || file.ExpiresAt.IsZero()
	if noToken && file.RetryAt.IsZero() || strings.ContainsAny(file.AccessToken, "\r\n\x00") {
		return Tokens{}, fmt.Errorf("%w: no access token with an expiry", errDamaged)
	}
	for _, one := range []time.Time{file.IssuedAt, file.ExpiresAt, file.RefreshSentAt, file.RetryAt, file.SavedAt} {
		if one.UTC().Year() > 9998 { // RFC 3339 has no later year to write again
			return Tokens{}, fmt.Errorf("%w: a time of the year %d", errDamaged, one.Year())
		}
	}
	tokens := Tokens{
		Access:    secret.New(file.AccessToken),
		Type:      file.TokenType,
		Refresh:   secret.New(file.RefreshToken),
		IssuedAt:  file.IssuedAt,
		ExpiresAt: file.ExpiresAt,
		Subject:   file.Subject,
		Endpoints: file.Endpoints,

		RefreshSentAt: file.RefreshSentAt,
		RetryAt:       file.RetryAt,
		SavedAt:       file.SavedAt,
	}
	if tokens.SavedAt.IsZero() {
		tokens.SavedAt = tokens.IssuedAt
	}
	return tokens, nil
}

// TryLock takes the lock that keeps every other process from changing the file,
// or reports that another one has it. The lock is a file of its own, because
// Windows cannot replace a locked one, and is never removed, because two
// processes could then hold two different ones. It ends with the process, and
// with the returned unlock.
//
// Its error is a problem of kind Store: there is no lock to be had here, for
// instance below a read-only home.
func (f *File) TryLock() (unlock func(), ok bool, err error) {
	release, ok, err := store.TryLock(strings.TrimSuffix(f.path, ".json") + ".lock")
	if !ok {
		return nil, false, err
	}
	f.locked.Store(true)
	return func() {
		f.locked.Store(false)
		release()
	}, true, nil
}

// Save writes the tokens, in the form that the configuration wants. Its error is a
// problem of kind Store.
func (f *File) Save(t Tokens) (Stamp, error) {
	room, err := f.reserve(0)
	if err != nil {
		return Stamp{}, err
	}
	defer room.Release()
	return room.Save(t)
}

// Room is the certainty that tokens can be saved: their space on the disk, and the key
// that they are encrypted with.
type Room struct {
	file   *File
	draft  *store.Draft
	before string     // name of the present file's key, or ""
	key    sealingKey // empty where the file is plain
}

// smallestRoom is the least that is reserved, in bytes.
const smallestRoom = 16 << 10

// Reserve makes certain that tokens can be saved that are up to twice as long as the
// present ones: their space is written and synced, and the keyring has answered. A
// one-time refresh token is not sent without. Its error is a problem of kind Store.
func (f *File) Reserve() (*Room, error) {
	size := int64(smallestRoom)
	if info, err := os.Stat(f.path); err == nil {
		size = max(size, 2*info.Size())
	}
	return f.reserve(int(size))
}

func (f *File) reserve(size int) (*Room, error) {
	r := &Room{file: f, before: f.keyName()}
	if f.seals(r.before) {
		var err error
		if r.key, err = f.sealingKey(r.before); err != nil {
			if !KeyringFault(err) {
				return nil, f.cannotSave(err)
			}
			p := keyringProblem(err)
			p.Message = "The tokens could not be saved. " + p.Message
			return nil, p
		}
	}
	var err error
	if r.draft, err = store.NewDraft(f.path, size); err != nil {
		r.Release()
		return nil, f.cannotSave(err)
	}
	return r, nil
}

func (f *File) cannotSave(err error) *problem.Problem {
	return problem.New(problem.Store,
		fmt.Sprintf("The tokens could not be saved in %s: %s.", f.path, store.PlainCause(err)),
		"Make room on the disk, and the directory writable by you.").Because(err)
}

// Release gives back what was not used.
func (r *Room) Release() {
	if r.draft != nil {
		r.draft.Discard()
	}
	if r.key.new {
		_ = keys.remove(r.key.name)
		r.key.new = false
	}
}

// Save writes the tokens, so that a crash at any moment leaves the old file or the new
// one, whole: a new key is in the keyring before a file needs it, and an old one until
// no file does. Tokens that are on the disk and could not be put in place stay where
// [File.Load] finds them; that is no error. Its error is a problem of kind Store.
func (r *Room) Save(t Tokens) (Stamp, error) {
	f := r.file
	t.SavedAt = time.Now()
	if before, _, err := f.Load(); err == nil && !t.SavedAt.After(before.SavedAt) {
		t.SavedAt = before.SavedAt.Add(1)
	}
	text, err := f.format(t)
	if err == nil && r.key.name != "" {
		text, err = f.encrypt(text, r.key.name, r.key.key)
	}
	if err != nil {
		return Stamp{}, f.cannotSave(err)
	}
	text = append(text, '\n')
	err = r.draft.Place(text)
	if err != nil && r.draft.Keep() {
		r.key.new = false
		stamp := f.Stamp()
		stamp.other = true
		return stamp, nil
	}
	if err != nil {
		r.draft.Discard()
		err = store.Replace(f.path, text) // the directory may have been removed meanwhile
	}
	if err != nil {
		return Stamp{}, f.cannotSave(err)
	}
	r.key.new = false
	f.removeOldDrafts()
	if r.before != "" && r.key.name == "" {
		_ = keys.remove(r.before) // it opens nothing any more
	}
	return f.Stamp(), nil
}

// removeOldDrafts removes the drafts that hold tokens: those that were saved since come
// after them. Without the lock, another process may be putting a young one in place.
func (f *File) removeOldDrafts() {
	for _, path := range store.Drafts(f.path) {
		info, err := os.Stat(path)
		if err != nil || !f.locked.Load() && time.Since(info.ModTime()) < time.Minute {
			continue
		}
		if text, err := regular.Read(path, maxTokensSize); err == nil {
			if _, _, err := f.parse(text); err == nil {
				_ = os.Remove(path)
			}
		}
	}
}

// format is the text of a plain token file.
func (f *File) format(t Tokens) ([]byte, error) {
	return json.MarshalIndent(tokensFile{
		Version:      tokensVersion,
		Domain:       f.domain,
		ClientID:     f.clientID,
		Subject:      t.Subject,
		AccessToken:  t.Access.Reveal(),
		TokenType:    t.Type,
		RefreshToken: t.Refresh.Reveal(),
		IssuedAt:     t.IssuedAt.UTC(),
		ExpiresAt:    t.ExpiresAt.UTC(),
		Endpoints:    t.Endpoints,

		RefreshSentAt: t.RefreshSentAt.UTC(),
		RetryAt:       t.RetryAt.UTC(),
		SavedAt:       t.SavedAt.UTC(),
	}, "", "  ")
}

// CheckWritable reports whether tokens can be saved, and leaves nothing behind. Its
// error is a problem of kind Store.
func (f *File) CheckWritable() error {
	const hint = "Name a directory that you can write to in XDG_STATE_HOME. Until then a session lives in memory alone: sign in with /connect inside of OpenCode."
	if f.path == "" {
		return problem.New(problem.Store, "There is no place to save tokens: there is no home directory.", hint)
	}
	room, err := f.Reserve()
	if err == nil {
		room.Release()
	}
	return err
}

// Erase removes the file, what a killed process left of it, and the key that it was
// encrypted with. Its error is a problem of kind Store.
func (f *File) Erase() error {
	keyName := f.keyName()
	store.RemoveDrafts(f.path)
	if err := disk.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return problem.New(problem.Store,
			fmt.Sprintf("The saved tokens %s could not be erased: %s.", f.path, store.PlainCause(err)),
			"Delete the file by hand.").Because(err)
	}
	store.SyncDir(filepath.Dir(f.path))
	if keyName == "" {
		return nil
	}
	if err := keys.remove(keyName); err != nil {
		p := keyringProblem(err)
		p.Message = "The saved tokens are erased, but their key is left in the keyring. " + p.Message
		p.Hint = fmt.Sprintf("It opens nothing any more. Its name is %s, of %s.", keyName, keyringService)
		return p
	}
	return nil
}

// Secrets are the secrets of all saved sessions, with their access tokens or without.
// What cannot be read is left out.
func Secrets(p store.Places, withoutAccess bool) (secrets []secret.Text) {
	files, _ := filepath.Glob(filepath.Join(p.StateDir, "*.json"))
	for _, path := range files {
		text, err := regular.Read(path, maxTokensSize)
		if err != nil {
			continue
		}
		if tokens, keyName, err := (&File{path: path}).parse(text); err == nil {
			secrets = append(secrets, tokens.Refresh, keys.text(keyName))
			if !withoutAccess {
				secrets = append(secrets, tokens.Access)
			}
		}
	}
	return slices.DeleteFunc(secrets, secret.Text.Empty)
}
