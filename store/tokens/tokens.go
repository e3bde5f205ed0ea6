// Package tokens saves the tokens of each session in a file, plain or encrypted with a key in
// the system's keyring. It also has the other files of a session: the announcement of a
// sign-in in progress, and the endpoint's list of models.
//
// A file is replaced as a whole, under its lock. Load does not change a file that is damaged,
// was written by a newer version, or does not belong to the person.
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

// Tokens are the saved tokens of a session, and what is known about them. The zero value
// means that nobody is signed in.
type Tokens struct {
	Access    secret.Text `json:"-"`            // see tokensFile
	Type      string      `json:"tokenType"`    // of the access token: "Bearer"
	Refresh   secret.Text `json:"-"`            // empty if the domain issued none
	IssuedAt  time.Time   `json:"issuedAt"`     // when the token response arrived, by this machine's clock
	ExpiresAt time.Time   `json:"expiresAt"`    // when the access token expires, by this machine's clock
	Subject   string      `json:"subject"`      // who signed in; "" if unknown
	End       End         `json:"end,omitzero"` // of the session; its zero value if unknown
	Endpoints Endpoints   `json:"endpoints"`    // of the domain, so that a refresh needs no discovery

	// RefreshSentAt is when a refresh was sent that got no answer, so that the refresh
	// token may be used up. It is zero after an answer.
	RefreshSentAt time.Time `json:"refreshSentAt,omitzero"`
	// RetryAt is the time before which the domain asked for no further refresh
	// (Retry-After). It is zero if the domain did not ask.
	RetryAt time.Time `json:"retryAt,omitzero"`

	// SavedAt tells which of the file and its drafts is the newest. [Room.Save] sets it to a
	// time later than that of the present file, even if the clock was set back. Files of early
	// releases do not have it.
	SavedAt time.Time `json:"savedAt,omitzero"`
}

// Endpoints are the members of the discovery document that a refresh and a sign-out need.
type Endpoints struct {
	Token      string `json:"token"`
	Revocation string `json:"revocation,omitempty"`

	SecretInForm bool `json:"secretInForm,omitempty"` // the domain accepts client_secret_post only, not HTTP Basic
}

// Empty reports whether there is neither an access token nor a refresh token.
func (t Tokens) Empty() bool { return t.Access.Empty() && t.Refresh.Empty() }

// Usable reports whether the access token will still be valid when a request that is sent
// now arrives.
func (t Tokens) Usable(now time.Time) bool {
	onTheWay := min(t.ExpiresAt.Sub(t.IssuedAt)/20, 10*time.Second)
	return !t.Access.Empty() && now.Before(t.ExpiresAt.Add(-onTheWay))
}

// FromFuture reports whether the tokens were issued in the future, which means that the clock
// was set back since.
func (t Tokens) FromFuture(now time.Time) bool {
	const tolerance = time.Minute
	return now.Before(t.IssuedAt.Add(-tolerance))
}

// tokensFile is the JSON of a plain token file.
type tokensFile struct {
	Version      int    `json:"version"`
	Domain       string `json:"domain"` // not read; for a person who looks into the file
	ClientID     string `json:"clientId"`
	AccessToken  string `json:"accessToken"`
	RefreshToken string `json:"refreshToken,omitempty"`
	Tokens
	PlainCause string `json:"plainCause,omitempty"` // see form
}

// times are the times that RFC 3339 has to express.
func (t *Tokens) times() []*time.Time {
	return []*time.Time{&t.IssuedAt, &t.ExpiresAt, &t.RefreshSentAt, &t.RetryAt, &t.SavedAt}
}

// Load reads the saved tokens; without a file they are empty. If a draft is newer than the
// file, Load returns the draft's tokens.
//
// Its error is a problem: of kind Store if the file is damaged, was written by a newer
// version, is a link, belongs to another user or cannot be read, or if the keyring cannot be
// used; of kind LoginRequired if the keyring has lost its key. [Damaged], [Newer], [KeyLost]
// and [KeyringFault] tell these apart. The file is not changed.
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
		return Tokens{}, f.missing(), nil
	}
	if err != nil {
		return Tokens{}, stamp, problem.New(problem.Store,
			fmt.Sprintf("The saved tokens %s cannot be read: %s.", f.path, store.PlainCause(err)),
			"Try again. If that does not help, make it readable by you, or move it away and sign in again.").Because(err)
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
	stamp.other = f.seals(form{keyName: keyName}) != (keyName != "")
	return tokens, stamp, nil
}

// draftAfter returns the newest tokens in a draft that are newer than t. A draft remains if
// its process was killed before renaming it, or if the file could not be replaced.
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

// notOurs returns a short reason why somebody else may have written the file, or "". A
// sign-in replaces such a file.
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

// describe returns the problem of an error of parse.
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

// Damaged reports whether err means that a token file cannot be parsed or decrypted. A new
// sign-in may replace the file.
func Damaged(err error) bool { return errors.Is(err, errDamaged) }

// KeyLost reports whether err means that the keyring no longer holds the key of an encrypted
// token file. A new sign-in may replace the file.
func KeyLost(err error) bool { return errors.Is(err, errNoKey) }

// Newer reports whether err means that a newer version wrote the token file. Such a file must
// not be replaced.
func Newer(err error) bool { return errors.Is(err, errNewer) }

// parse parses a token file. keyName is the name of the key that it is encrypted with, or
// "". The errors quote nothing of the text.
func (f *File) parse(text []byte) (tokens Tokens, keyName string, err error) {
	if tokens, err = parseTokens(text); err == nil { // a plain file, which is the usual case
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

// parseTokens parses a plain token file.
func parseTokens(text []byte) (Tokens, error) {
	var file tokensFile
	if json.Unmarshal(text, &file) != nil || file.Version != tokensVersion {
		return Tokens{}, fmt.Errorf("%w: not of version %d", errDamaged, tokensVersion)
	}
	noToken := file.AccessToken == "" || file.ExpiresAt.IsZero()
	if noToken && file.RetryAt.IsZero() || strings.ContainsAny(file.AccessToken, "\r\n\x00") {
		return Tokens{}, fmt.Errorf("%w: no access token with an expiry", errDamaged)
	}
	for _, one := range file.times() {
		if !expressible(*one) {
			return Tokens{}, fmt.Errorf("%w: a time of the year %d", errDamaged, one.Year())
		}
	}
	tokens := file.Tokens
	tokens.Access, tokens.Refresh = secret.New(file.AccessToken), secret.New(file.RefreshToken)
	if tokens.SavedAt.IsZero() {
		tokens.SavedAt = tokens.IssuedAt
	}
	return tokens, nil
}

// TryLock takes the lock that a process must hold to change the file. ok is false if another
// process holds it. The lock ends when unlock is called or the process ends.
//
// The lock is a separate file, because Windows cannot replace a locked one. It is never
// removed, because two processes could then each lock a different file, and because it tells
// a sign-out from a directory that was removed: see [Stamp.Gone].
//
// If locks are unavailable, for example under a read-only home, the error is a problem of
// kind Store.
func (f *File) TryLock() (unlock func(), ok bool, err error) {
	release, ok, err := store.TryLock(f.lockPath())
	if !ok {
		return nil, false, err
	}
	f.locked.Store(true)
	return func() {
		f.locked.Store(false)
		release()
	}, true, nil
}

// Save writes the tokens, plain or encrypted as the configuration asks. The caller holds the
// lock. Its error is a problem of kind Store.
func (f *File) Save(t Tokens) (Stamp, error) {
	room, err := f.reserve(0, false)
	if err != nil {
		return Stamp{}, err
	}
	defer room.Release()
	return room.Save(t)
}

// A Room is what one save needs, reserved beforehand: space on the disk, and the encryption
// key. Call Release after use.
type Room struct {
	file   *File
	draft  *store.Draft
	before string     // name of the present file's key, or ""
	key    sealingKey // zero if the file will be plain

	plainCause string // see form
}

// smallestRoom is the least space that is reserved, in bytes.
const smallestRoom = 16 << 10

// Reserve makes certain that a following [Room.Save] succeeds, before a one-time refresh
// token is sent: it writes and syncs a draft of twice the size of the present file (at least
// 16 KiB), and gets the key from the keyring. If token_store is auto, a sign-in decides
// whether the file will be encrypted, and later saves keep to that; see undecided.
// Its error is a problem of kind Store.
func (f *File) Reserve(signIn bool) (*Room, error) {
	size := int64(smallestRoom)
	if info, err := os.Stat(f.path); err == nil {
		size = max(size, 2*info.Size())
	}
	return f.reserve(int(size), signIn)
}

func (f *File) reserve(size int, signIn bool) (*Room, error) {
	present := f.form()
	r := &Room{file: f, before: present.keyName, plainCause: present.plainCause}
	undecided := f.undecided(present, signIn)
	var err error
	if undecided || f.seals(present) {
		r.key, err = f.sealingKey(r.before)
	}
	switch fault := (*keyringFault)(nil); {
	case errors.As(err, &fault) && undecided && (signIn || present.err == nil):
		r.key, r.plainCause = sealingKey{}, fault.why
	case KeyringFault(err):
		p := keyringProblem(err)
		p.Message = "The tokens could not be saved. " + p.Message
		return nil, p
	case err != nil:
		return nil, f.cannotSave(err)
	}
	if r.draft, err = store.NewDraft(f.path, size); err != nil {
		r.Release()
		return nil, f.cannotSave(err)
	}
	return r, nil
}

func (f *File) cannotSave(err error) *problem.Problem {
	return store.NotWritten("The tokens could not be saved in "+f.path, err)
}

// Release removes the draft and a new key if they were not used. It may be called after Save.
func (r *Room) Release() {
	if r.draft != nil {
		r.draft.Discard()
	}
	if r.key.new {
		_ = keys.remove(r.key.name)
		r.key.new = false
	}
}

// Save writes the tokens. A crash at any moment leaves either the old file or the new one,
// complete: a new key is in the keyring before a file is encrypted with it, and an old key is
// removed after its file was replaced.
//
// If the draft is on the disk but cannot be renamed, it stays, and [File.Load] finds it; that
// is not an error. Otherwise the error is a problem of kind Store.
func (r *Room) Save(t Tokens) (Stamp, error) {
	f := r.file
	t.SavedAt = time.Now()
	if before, _, err := f.Load(); err == nil && !t.SavedAt.After(before.SavedAt) {
		t.SavedAt = before.SavedAt.Add(1)
	}
	text, err := f.format(t, r.plainCause)
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
		_ = keys.remove(r.before) // no file is encrypted with it any longer
	}
	return f.Stamp(), nil
}

// removeOldDrafts removes the drafts that hold tokens, because newer tokens have just been
// saved. Without the lock it keeps drafts younger than a minute: another process may be about
// to rename one.
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

// format returns the text of a plain token file.
func (f *File) format(t Tokens, plainCause string) ([]byte, error) {
	for _, one := range t.times() {
		*one = one.UTC()
	}
	return json.MarshalIndent(tokensFile{tokensVersion, f.domain, f.clientID, t.Access.Reveal(), t.Refresh.Reveal(), t, plainCause}, "", "  ")
}

// CheckWritable returns nil if tokens can be saved. It leaves nothing behind. Its error is a
// problem of kind Store.
func (f *File) CheckWritable() error {
	const hint = "Name a directory that you can write to in XDG_STATE_HOME. Until then a session lives in memory alone: sign in with /connect inside of OpenCode."
	if f.path == "" {
		return problem.New(problem.Store, "There is no place to save tokens: there is no home directory.", hint)
	}
	room, err := f.Reserve(false)
	if err == nil {
		room.Release()
	}
	return err
}

// Erase removes the file, its drafts, and then the key that it was encrypted with. The caller
// holds the lock. Its error is a problem of kind Store. If it is a [KeyringFault], only the
// key could not be removed.
func (f *File) Erase() error {
	keyName := f.form().keyName
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

// Secrets returns the secrets of all saved sessions: refresh tokens, keys that this process
// has read, and access tokens unless withoutAccess is set. Files that cannot be read are left
// out.
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
