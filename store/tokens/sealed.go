package tokens

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/opencode-oci-oidc/opencode-oci-oidc/internal/regular"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store"
	"github.com/opencode-oci-oidc/opencode-oci-oidc/store/config"
)

// tokensVersion is the version of a plain token file. It has not changed since the first
// release, so that every release can read plain files. A file with a version above
// [sealedVersion] is not touched.
const tokensVersion = 1

// sealedVersion is the version of an encrypted token file. Releases without encryption take
// it for a newer format and do not touch it.
const sealedVersion = 2

// sealedFile is the JSON of an encrypted token file. Sealed is a [tokensFile], encrypted with
// AES-256-GCM and a new nonce at each write. The additional data authenticates the version,
// the session and the key's name: see bound.
type sealedFile struct {
	Version int    `json:"version"`
	Key     string `json:"key"`    // the key's name in the keyring
	Sealed  []byte `json:"sealed"` // nonce, ciphertext, tag
}

// session is the session's name, with which the names of its files begin.
func (f *File) session() string { return strings.TrimSuffix(filepath.Base(f.path), ".json") }

// keyPrefix is the beginning of the names of the session's keys, so that a file cannot refer
// to another session's key.
func (f *File) keyPrefix() string { return f.session()[:min(len(f.session()), 16)] + "." }

func (f *File) newKeyName() string {
	random := make([]byte, 8)
	_, _ = rand.Read(random)
	return f.keyPrefix() + hex.EncodeToString(random)
}

// A form is how the present file is saved, which is what the sign-in decided if token_store
// is auto. The zero form is that of a missing file.
type form struct {
	keyName    string // the name of the key that the file is encrypted with; "" if it is not
	plain      bool   // with token_store auto: it is a plain file
	plainCause string // with token_store auto: what was wrong with the keyring at the sign-in; "" if it was not asked
	err        error  // with token_store auto: why its form is unknown although it is there; or nil
}

// seals reports whether to encrypt the file at the next write. A project's configuration
// cannot turn encryption off.
func (f *File) seals(present form) bool {
	return f.store == config.KeyringStore || present.keyName != "" && (f.store == config.AutoStore || !f.own)
}

// undecided reports whether the next save decides if the file will be encrypted: token_store
// is auto, and the file is missing or a sign-in replaces a plain one. An encrypted file stays
// encrypted until a sign-out removes it, even if the keyring goes away.
func (f *File) undecided(present form, signIn bool) bool {
	return f.store == config.AutoStore && present.keyName == "" && (signIn || !present.plain)
}

// form reads the form of the present file.
func (f *File) form() form {
	text, err := regular.Read(f.path, maxTokensSize)
	if file, err := f.parseSealed(text); err == nil {
		return form{keyName: file.Key}
	}
	if f.store != config.AutoStore {
		return form{}
	}
	for _, draft := range store.Drafts(f.path) { // the sign-in's, if it could not replace the file
		text, _ := regular.Read(draft, maxTokensSize)
		if file, err := f.parseSealed(text); err == nil {
			return form{keyName: file.Key}
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return form{}
	}
	var file struct {
		Version    int    `json:"version"`
		PlainCause string `json:"plainCause"`
	}
	if err == nil && (json.Unmarshal(text, &file) != nil || file.Version != tokensVersion) {
		err = errDamaged
	}
	return form{plain: err == nil, plainCause: file.PlainCause, err: err}
}

// parseSealed parses an encrypted token file. Its errors quote nothing of the text.
func (f *File) parseSealed(text []byte) (sealedFile, error) {
	var file sealedFile
	random, ours := "", false
	if json.Unmarshal(text, &file) == nil && file.Version == sealedVersion {
		random, ours = strings.CutPrefix(file.Key, f.keyPrefix())
	}
	if _, err := hex.DecodeString(random); err != nil || !ours || random == "" || len(random) > 64 || len(file.Sealed) == 0 {
		return sealedFile{}, fmt.Errorf("%w: not an encrypted file of this session", errDamaged)
	}
	return file, nil
}

// open decrypts an encrypted token file.
func (f *File) open(text []byte) ([]byte, error) {
	file, err := f.parseSealed(text)
	if err != nil {
		return nil, err
	}
	key := keys.known(file.Key)
	if key == nil {
		if key, err = keys.get(file.Key); err != nil {
			return nil, err
		}
	}
	return f.decrypt(file, key)
}

func (f *File) decrypt(file sealedFile, key []byte) ([]byte, error) {
	plain, err := sealer(key).Open(nil, nil, file.Sealed, f.bound(file.Key))
	if err != nil {
		return nil, fmt.Errorf("%w: not what was encrypted", errDamaged)
	}
	return plain, nil
}

// A sealingKey is the key that a file will be encrypted with.
type sealingKey struct {
	name string
	key  []byte
	new  bool // just created: no file is encrypted with it yet
}

// sealingKey returns the key for the next write: the one of the present file, whose name is
// keyName, or a new one if keyName is "" or the keyring has lost the key. It calls the
// keyring at each write, so that a lost key is replaced while a process still has the tokens
// in memory. If the keyring cannot be used, the key that this process has read before will do.
func (f *File) sealingKey(keyName string) (sealingKey, error) {
	key, err := []byte(nil), errNoKey
	if keyName != "" {
		known := keys.known(keyName)
		if key, err = keys.get(keyName); KeyringFault(err) && known != nil {
			key, err = known, nil
		}
	}
	isNew := errors.Is(err, errNoKey)
	if isNew {
		keyName = f.newKeyName()
		key, err = keys.add(keyName)
	}
	return sealingKey{keyName, key, isNew}, err
}

func (f *File) encrypt(plain []byte, keyName string, key []byte) ([]byte, error) {
	return json.MarshalIndent(sealedFile{
		Version: sealedVersion, Key: keyName, Sealed: sealer(key).Seal(nil, nil, plain, f.bound(keyName)),
	}, "", "  ")
}

// sealer returns AES-256-GCM with random nonces, for a key of keySize bytes.
func sealer(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err == nil {
		if aead, err := cipher.NewGCMWithRandomNonce(block); err == nil {
			return aead
		}
	}
	panic(err)
}

// bound returns the additional data of the encryption. It ties the text to the session and
// the key's name, so that a file copied over another session's cannot be decrypted.
func (f *File) bound(keyName string) []byte {
	return fmt.Appendf(nil, "%s %d %s %s", keyringService, sealedVersion, f.session(), keyName)
}

// A KeyringState says whether a token file uses the keyring.
type KeyringState int

// The states.
const (
	KeyringUnused KeyringState = iota // the file is plain and will stay so
	KeyringReady                      // the keyring works and does not hold the file's key, or there is none yet
	KeyringHasKey                     // the keyring holds the file's key
)

// CheckKeyring calls the keyring if this file uses it. If the keyring cannot be used, the
// error is a problem of kind Store.
func (f *File) CheckKeyring() (KeyringState, error) {
	present := f.form()
	name := present.keyName
	if !f.seals(present) && !f.undecided(present, false) {
		return KeyringUnused, nil
	}
	if name == "" {
		name = f.newKeyName()
	}
	switch _, err := keys.get(name); {
	case err == nil:
		return KeyringHasKey, nil
	case errors.Is(err, errNoKey):
		return KeyringReady, nil
	default:
		return KeyringUnused, keyringProblem(err)
	}
}

// Encrypted reports whether the file on the disk is encrypted.
func (f *File) Encrypted() bool { return f.form().keyName != "" }

// WhyPlain returns a sentence on why the file is plain although token_store is auto, or "".
func (f *File) WhyPlain() string {
	switch present := f.form(); {
	case f.store != config.AutoStore || !present.plain:
		return ""
	case present.plainCause == "":
		return "The tokens were saved before token_store was auto; the next sign-in asks the keyring."
	default:
		return "The keyring could not be used at the sign-in: " + present.plainCause + ". The next sign-in asks it again."
	}
}
